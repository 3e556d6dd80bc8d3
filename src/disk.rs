//! Disks with a GPT, written as files: no loop device, no mount, no root, and the same bytes from the same partitions.

use std::io::Write;
use std::path::Path;

use crate::sparse;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use gptman::{GPT, GPTPartitionEntry};
use sha2::{Digest, Sha256};

/// The sector of every disk qemu emulates unless told otherwise.
const SECTOR: u64 = 512;

/// Partitions begin and end on whole MiB, as every partitioning program does it today.
const ALIGN: u64 = 1 << 20;

/// "Linux filesystem data", 0fc63daf-8483-4772-8e79-3d69d8477de4
/// (<https://uapi-group.org/specifications/specs/discoverable_partitions_specification/>), in the GPT's byte order.
pub const LINUX: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];

/// One partition to be.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    /// Its name, which udev and the kernel know it by.
    pub name: &'a str,
    /// Its type, in the GPT's byte order.
    pub kind: [u8; 16],
    /// Attribute bits.
    pub attributes: u64,
    /// The file with its content.
    pub content: &'a Path,
}

/// Writes the disk `out`; its identifiers follow from `name` and the partitions' names.
///
/// # Errors
/// A file can't be read or written.
pub fn write_gpt(out: &Path, name: &str, partitions: &[Partition]) -> Result<()> {
    let sizes: Vec<u64> = partitions
        .iter()
        .map(|partition| Ok(fs::metadata(partition.content)?.len().next_multiple_of(ALIGN)))
        .collect::<Result<_>>()?;
    ensure!(!sizes.contains(&0), "a partition of {} is empty", out.display());
    let mut disk = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(out)?;
    // One unit before the partitions for the table, one behind them for its copy.
    disk.set_len(sizes.iter().sum::<u64>() + 2 * ALIGN)?;
    let mut gpt = GPT::new_from(&mut disk, SECTOR, guid(name)).context("making a partition table")?;
    gpt.align = ALIGN / SECTOR;
    let mut start = ALIGN;
    for (index, (partition, size)) in (1..).zip(partitions.iter().zip(sizes)) {
        gpt[index] = GPTPartitionEntry {
            partition_type_guid: partition.kind,
            unique_partition_guid: guid(&format!("{name}/{}", partition.name)),
            starting_lba: start / SECTOR,
            ending_lba: (start + size) / SECTOR - 1,
            attribute_bits: partition.attributes,
            partition_name: partition.name.into(),
        };
        sparse::copy(partition.content, &mut disk, start)?;
        start += size;
    }
    gpt.write_into(&mut disk).context("writing a partition table")?;
    GPT::write_protective_mbr_into(&mut disk, SECTOR).context("writing a protective MBR")?;
    Ok(disk.flush()?)
}

/// An identifier that follows from a name, marked as a version 4 UUID (RFC 9562).
fn guid(name: &str) -> [u8; 16] {
    let mut guid = [0; 16];
    guid.copy_from_slice(&Sha256::digest(format!("hab guid\n{name}\n"))[..16]);
    // The version is in the high half of the third field, which the GPT stores low byte first.
    guid[7] = (guid[7] & 0x0f) | 0x40;
    guid[8] = (guid[8] & 0x3f) | 0x80;
    guid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_stands_where_the_table_says_and_bytes_repeat() {
        let dir = tempfile::tempdir().unwrap();
        let content = dir.path().join("content");
        std::fs::write(&content, b"squash").unwrap();
        let parts = [Partition { name: "hab-payload", kind: LINUX, attributes: 0, content: &content }];
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        write_gpt(&one, "payload", &parts).unwrap();
        write_gpt(&two, "payload", &parts).unwrap();
        let bytes = std::fs::read(&one).unwrap();
        assert_eq!(bytes, std::fs::read(&two).unwrap());
        // Other bytes need other versions of the steps that write disks: base and payload.
        assert_eq!(crate::digest::sha256(&bytes), "d7ad78c5aa0c12782958bd2cfda50243eb0f4c558a21c75e0381854a1426ce16");
        let gpt = GPT::find_from(&mut std::fs::File::open(&one).unwrap()).unwrap();
        assert_eq!(gpt[1].partition_name.as_str(), "hab-payload");
        let start = usize::try_from(gpt[1].starting_lba * SECTOR).unwrap();
        assert_eq!(&bytes[start..start + 6], b"squash");
    }
}
