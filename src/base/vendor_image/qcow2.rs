//! What a qcow2 says of itself in its first bytes (qemu, `docs/interop/qcow2.rst`).

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

/// What every qcow2 begins with, and how long the header is that all versions have.
const MAGIC: &[u8] = b"QFI\xfb";
const HEADER: usize = 72;

/// Looks whether the file is a qcow2 that needs no other file, with room for at least `least` bytes.
///
/// # Errors
/// It is not.
pub fn check(path: &Path, least: u64) -> Result<()> {
    let mut header = [0; HEADER];
    let about = || format!("reading the disk image {}", path.display());
    let read = fs::File::open(path)?.take(HEADER as u64).read(&mut header).with_context(about)?;
    ensure!(read == HEADER && header.starts_with(MAGIC), "{}: it is no qcow2", about());
    let number = |at: usize| header[at..at + 8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    ensure!(number(8) == 0, "{}: it builds on another file", about());
    let size = number(24);
    ensure!(size >= least, "{}: the disk has {} MiB, and a node needs {}", about(), size >> 20, least >> 20);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_too_small_or_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.qcow2");
        let mut header = [MAGIC, &[0, 0, 0, 3]].concat();
        header.resize(24, 0);
        header.extend((10_u64 << 30).to_be_bytes());
        header.resize(200, 0);
        let said = |bytes: &[u8], least| {
            fs::write(&path, bytes).unwrap();
            check(&path, least).map_err(|error| error.to_string())
        };
        said(&header, 10 << 30).unwrap();
        assert!(said(&header, 11 << 30).unwrap_err().contains("has 10240 MiB, and a node needs 11264"));
        header[15] = 1;
        assert!(said(&header, 0).unwrap_err().contains("builds on another file"));
        for bytes in [&b""[..], b"QFI\xfb", b"<html>not found</html>"] {
            assert!(said(bytes, 0).unwrap_err().contains("no qcow2"));
        }
    }
}
