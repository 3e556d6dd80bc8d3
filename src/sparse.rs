//! Copying files that are mostly holes.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use rustix::fs::SeekFrom as Find;
use rustix::io::Errno;

/// Writes the content of `from` into `to` at `offset`; where `from` has a hole, nothing is written, so `to` must have
/// zeros there.
///
/// # Errors
/// A file can't be read or written.
pub fn copy(from: &Path, to: &mut fs::File, offset: u64) -> Result<()> {
    let mut source = fs::File::open(from)?;
    let mut end = 0;
    while let Some(start) =
        next_data(&source, end).with_context(|| format!("looking for data in {}", from.display()))?
    {
        end = rustix::fs::seek(&source, Find::Hole(start)).context("looking for the end of data")?;
        source.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(offset + start))?;
        std::io::copy(&mut (&mut source).take(end - start), to)
            .with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(to.flush()?)
}

/// Where data begins at or after `offset`; `None` when only a hole is left.
///
/// # Errors
/// The file can't be searched.
pub fn next_data(file: &fs::File, offset: u64) -> Result<Option<u64>> {
    match rustix::fs::seek(file, Find::Data(offset)) {
        Ok(start) => Ok(Some(start)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_copied_and_holes_stay_holes() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let mut file = fs::File::create(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        file.seek(SeekFrom::Start(32 << 20)).unwrap();
        file.write_all(b"data").unwrap();
        let mut out = fs::File::create(&to).unwrap();
        out.set_len(65 << 20).unwrap();
        copy(&from, &mut out, 1 << 20).unwrap();
        let bytes = fs::read(&to).unwrap();
        assert_eq!(&bytes[33 << 20..(33 << 20) + 4], b"data");
        assert!(bytes.iter().filter(|byte| **byte != 0).count() == 4);
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }
}
