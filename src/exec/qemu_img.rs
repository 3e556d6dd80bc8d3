//! qemu-img: turns raw disks into qcow2.

use std::path::Path;

use anyhow::Result;

use super::Tool;

/// What a qcow2 is made with; part of its key. Clusters compressed with zstd (qemu 5.1 and newer) are quick to unpack,
/// which is done again at every read. The same input gives the same bytes, as long as `-W` (out-of-order writes) stays
/// away.
pub const QCOW2: [&str; 8] = ["convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd"];

/// Converts the raw disk `source` into the new qcow2 `target`.
///
/// # Errors
/// qemu-img is missing or fails.
pub fn to_qcow2(source: &Path, target: &Path) -> Result<()> {
    tool()?.args(QCOW2).arg(source).arg(target).run()
}

/// Converts a node's own disk, `source`, as a qcow2 of nothing but what was written.
///
/// # Errors
/// As [`to_qcow2`].
pub fn plain_qcow2(source: &Path, target: &Path) -> Result<()> {
    tool()?.args(["convert", "-f", "raw", "-O", "qcow2"]).arg(source).arg(target).run()
}

/// Converts the qcow2 `source`, which builds on no other, into the new raw disk `target`.
///
/// # Errors
/// As [`to_qcow2`].
pub fn to_raw(source: &Path, target: &Path) -> Result<()> {
    tool()?.args(["convert", "-f", "qcow2", "-O", "raw"]).arg(source).arg(target).run()
}

/// qemu-img.
///
/// # Errors
/// It is not installed.
pub fn tool() -> Result<Tool> {
    Tool::find("qemu-img", "qemu-utils")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("raw");
        let content: Vec<u8> = (0..3u32 << 20).flat_map(|n| (n / 7).to_le_bytes()).collect();
        std::fs::write(&raw, content).unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        to_qcow2(&raw, &one).unwrap();
        to_qcow2(&raw, &two).unwrap();
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    }
}
