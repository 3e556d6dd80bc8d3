//! What stands at the beginning of a VMDK, and what it says of the disk.

use super::{GRAIN_SECTORS, TABLE_ENTRIES};

/// Where the descriptor begins and how long it may be, and where the first grain is, in sectors.
const DESCRIPTOR_START: u64 = 1;
const DESCRIPTOR_SECTORS: u64 = 20;
pub const OVERHEAD: u64 = 128;

/// Instead of the directory's place: it is in the footer.
pub const AT_END: u64 = u64::MAX;

/// The header, which is also the footer.
pub fn header(capacity: u64, directory: u64) -> [u8; 512] {
    let mut header = [0; 512];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"KDMV");
    put(&3u32.to_le_bytes());
    // Bit 0: the newlines below are sound; 16: grains are compressed; 17: there are markers.
    put(&0x3_0001_u32.to_le_bytes());
    for number in [capacity, GRAIN_SECTORS, DESCRIPTOR_START, DESCRIPTOR_SECTORS] {
        put(&number.to_le_bytes());
    }
    put(&TABLE_ENTRIES.to_le_bytes());
    // No second directory.
    for number in [0, directory, OVERHEAD] {
        put(&number.to_le_bytes());
    }
    // Shut down cleanly; what a transfer as text would change; compressed by deflate.
    put(b"\0\n \r\n\x01\0");
    header
}

/// The descriptor. With identifiers of its own a disk can be opened as it is more than once; VirtualBox would make up
/// others each time and then miss them.
pub fn descriptor(capacity: u64, identity: &[u8]) -> String {
    /// The BIOS's geometry for large disks, and how many cylinders that can have.
    const HEADS: u64 = 16;
    const SECTORS: u64 = 63;
    const MOST_CYLINDERS: u64 = 16383;
    let hex = crate::digest::hex(identity);
    // Marked as a version 8 UUID, of the maker's own kind (RFC 9562).
    let uuid = |at: usize| {
        let part = &hex[at..];
        format!("{}-{}-8{}-8{}-{}", &part[..8], &part[8..12], &part[12..15], &part[15..18], &part[18..30])
    };
    let none = "00000000-0000-0000-0000-000000000000";
    let cylinders = (capacity / (HEADS * SECTORS)).min(MOST_CYLINDERS);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
         # Extent description\nRDONLY {capacity} SPARSE \"disk.vmdk\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.adapterType=\"ide\"\n\
         ddb.geometry.cylinders=\"{cylinders}\"\nddb.geometry.heads=\"{HEADS}\"\nddb.geometry.sectors=\"{SECTORS}\"\n\
         ddb.uuid.image=\"{image}\"\nddb.uuid.parent=\"{none}\"\nddb.uuid.modification=\"{modification}\"\n\
         ddb.uuid.parentmodification=\"{none}\"\n",
        // Not ffffffff, which means none, nor fffffffe.
        cid = format_args!("0{}", &hex[..7]),
        image = uuid(0),
        modification = uuid(32),
    )
}
