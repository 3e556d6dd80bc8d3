//! SHA-256 digests as lower-case hexadecimal.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::sparse;

/// Large enough that system calls do not count, small enough to stay in the processor's cache.
const BUFFER: usize = 1 << 20;

/// The unit of [`content`]; a whole number of any file system's blocks.
const BLOCK: usize = 64 << 10;

/// Bytes as hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether this is a SHA-256 as everything here writes it.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of a file's bytes.
///
/// # Errors
/// The file can't be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    sha256_of(fs::File::open(path)?)
}

/// The SHA-256 of all that `reader` still has.
///
/// # Errors
/// It can't be read.
pub fn sha256_of(mut reader: impl Read) -> Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

/// A digest of a file's size and of its blocks that are not all zeros, each with its number. A disk image of 8 GiB that
/// holds 20 MiB takes as long as 20 MiB, and holes written as zeros by a copy do not show.
///
/// # Errors
/// The file can't be read.
pub fn content(path: &Path) -> Result<String> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut digest = Sha256::new();
    digest.update(size.to_le_bytes());
    let mut buffer = vec![0; BLOCK];
    let mut offset = 0;
    while let Some(data) = sparse::next_data(&file, offset)? {
        let number = data / BLOCK as u64;
        let start = number * BLOCK as u64;
        let length = usize::try_from((size - start).min(BLOCK as u64))?;
        let block = &mut buffer[..length];
        std::os::unix::fs::FileExt::read_exact_at(file.file(), block, start)
            .with_context(|| format!("reading {}", path.display()))?;
        if block.iter().any(|byte| *byte != 0) {
            digest.update(number.to_le_bytes());
            digest.update(&*block);
        }
        offset = start + BLOCK as u64;
    }
    Ok(hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "abc").unwrap();
        assert_eq!(sha256_file(&file).unwrap(), sha256("abc"));
        assert!(sha256("abc").starts_with("ba7816bf"));
    }

    #[test]
    fn holes_and_zeros_are_the_same_content_and_every_other_byte_counts() {
        let dir = tempfile::tempdir().unwrap();
        let [sparse, full] = ["sparse", "full"].map(|name| dir.path().join(name));
        let mut bytes = vec![0; 5 * BLOCK + 7];
        bytes[3 * BLOCK + 5] = 1;
        fs::write(&full, &bytes).unwrap();
        let file = fs::File::create(&sparse).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        std::os::unix::fs::FileExt::write_all_at(file.file(), &[1], 3 * BLOCK as u64 + 5).unwrap();
        let one = content(&full).unwrap();
        assert_eq!(one, content(&sparse).unwrap());
        file.set_len(bytes.len() as u64 + 1).unwrap();
        assert_ne!(one, content(&sparse).unwrap());
        for at in [0, 3 * BLOCK + 5, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 2;
            fs::write(&full, changed).unwrap();
            assert_ne!(one, content(&full).unwrap(), "{at}");
        }
    }
}
