//! How a layer or an archive is compressed, as its first bytes say.

use std::io::Read;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// That of a file, by its first bytes, as containerd does it (`pkg/archive/compression`). A manifest may say otherwise:
    /// those that skopeo writes for archives of Docker's call every layer compressed.
    ///
    /// # Errors
    /// It can't be read.
    pub fn of(file: &Path) -> Result<Self> {
        let mut start = Vec::new();
        fs::File::open(file)?.take(4).read_to_end(&mut start)?;
        Ok(match start.as_slice() {
            // RFC 1952, 2.3.1.
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one to be skipped (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::None,
        })
    }
}
