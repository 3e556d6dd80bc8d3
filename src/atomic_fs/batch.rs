//! Files that belong together.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempPath;

use super::share::{stage_copy, stage_shared};
use super::write::{place, stage};

/// Files that belong together: each is written beside its place at once, and [`Batch::commit`] puts all into place. When
/// one can't be written, or the batch is dropped, everything stays as it was.
#[derive(Debug, Default)]
pub struct Batch {
    staged: Vec<(TempPath, PathBuf)>,
}

impl Batch {
    /// Writes one of the files, as [`write_unflushed`](super::write_unflushed) would, up to the rename.
    ///
    /// # Errors
    /// As [`write`](super::write()).
    pub fn add(&mut self, path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
        self.put(stage(path, mode, bytes, false)?, path);
        Ok(())
    }

    /// Hands out a large file, read-only, as a reflink, a hard link or a copy of `source`, up to the rename. Returns whether
    /// `path` was another file.
    ///
    /// # Errors
    /// As [`write`](super::write()).
    pub fn share(&mut self, source: &Path, path: &Path) -> Result<bool> {
        Ok(self.put(stage_shared(source, path)?, path))
    }

    /// Hands out a file of its own with the bytes of `source` and `mode`, as a reflink or a copy, up to the rename. Whatever
    /// is done to it, `source` stays as it is. Returns whether `path` was another file.
    ///
    /// # Errors
    /// As [`write`](super::write()).
    pub fn copy(&mut self, source: &Path, path: &Path, mode: u32) -> Result<bool> {
        Ok(self.put(stage_copy(source, path, mode)?, path))
    }

    fn put(&mut self, beside: Option<TempPath>, path: &Path) -> bool {
        let is_new = beside.is_some();
        self.staged.extend(beside.map(|beside| (beside, path.to_owned())));
        is_new
    }

    /// Renames all, and returns how many were new or different.
    ///
    /// # Errors
    /// A rename fails, which leaves those before it done.
    pub fn commit(self) -> Result<usize> {
        let count = self.staged.len();
        for (beside, path) in self.staged {
            place(beside, &path)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::super::{PUBLIC, SECRET, mode, write};
    use super::*;

    #[test]
    fn a_batch_is_put_in_place_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        write(&one, PUBLIC, b"old").unwrap();
        let mut batch = Batch::default();
        batch.add(&one, PUBLIC, b"new").unwrap();
        batch.add(&two, SECRET, b"new").unwrap();
        assert!(batch.add(&dir.path().join("gone/three"), PUBLIC, b"").is_err());
        drop(batch);
        assert_eq!((fs::read(&one).unwrap(), fs::read_dir(dir.path()).unwrap().count()), (b"old".to_vec(), 1));
        let mut batch = Batch::default();
        batch.add(&one, PUBLIC, b"old").unwrap();
        batch.add(&two, SECRET, b"new").unwrap();
        assert_eq!(batch.commit().unwrap(), 1);
        assert_eq!((fs::read(&two).unwrap(), mode(&two)), (b"new".to_vec(), SECRET));
    }
}
