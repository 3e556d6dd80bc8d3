//! Where an image is while it is made a disk: it stays from one run to the next until it is used.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use rustix::fs::statvfs;

use crate::atomic_fs;
use crate::cache::{Cache, KeyBuilder};
use crate::download::partial;
use crate::progress::StepHandle;

/// The folder of one image among what is not whole yet, held by this run alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _held: fs::File,
}

impl Folder {
    /// The folder for what is at the vendor's address `url`.
    ///
    /// # Errors
    /// It can't be made.
    pub fn of(cache: &Cache, url: &str, step: &StepHandle<'_>) -> Result<Self> {
        let all = partial(cache)?;
        let key = KeyBuilder::new().add("url", url).key();
        let path = all.join(key.as_str());
        fs::create_dir_all(&path)?;
        let held = fs::File::create(all.join(format!("{}.lock", key.as_str())))?;
        atomic_fs::hold(&held, || step.note(&format!("waiting for another run of hab that downloads {url}")))
            .context("waiting for another run of hab")?;
        Ok(Self { path, _held: held })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file goes as it comes.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join("file")
    }

    /// Where the disk in it goes.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.path.join("disk.qcow2")
    }

    /// Fails if there is no room for so many bytes.
    ///
    /// # Errors
    /// There is not.
    pub fn has_room(&self, bytes: u64) -> Result<()> {
        let about = || format!("looking for free space in {}", self.path.display());
        let all = statvfs(&self.path).with_context(about)?;
        let free = all.f_bavail * all.f_frsize;
        let [needed, there] = [bytes, free].map(|bytes| bytes.div_ceil(1 << 20));
        ensure!(
            bytes <= free,
            "the cache needs {needed} MiB more in {}, where {there} MiB are free; make room, or set XDG_CACHE_HOME",
            self.path.display()
        );
        Ok(())
    }

    /// Removes what is in it: it was used, or is of no use.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Progress, Silent};

    #[test]
    fn a_folder_knows_when_there_is_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let progress: &dyn Progress = &Silent;
        let folder = Folder::of(&cache, "https://a/b", &progress.step("test", None)).unwrap();
        folder.has_room(1).unwrap();
        let error = folder.has_room(u64::MAX).unwrap_err().to_string();
        assert!(error.contains("XDG_CACHE_HOME"), "{error}");
    }

    #[test]
    fn it_is_emptied_with_the_cache_but_not_while_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let again = || Cache::at(dir.path().into());
        let (cache, progress): (Cache, &dyn Progress) = (again(), &Silent);
        let folder = Folder::of(&cache, "https://a/b", &progress.step("test", None)).unwrap();
        fs::write(folder.file(), "some of it").unwrap();
        let error = again().clear().unwrap_err().to_string();
        assert!(error.contains("another run of hab uses") && folder.file().is_file(), "{error}");
        let file = folder.file();
        drop((folder, cache));
        again().hold().unwrap();
        assert!(file.is_file(), "the next run goes on from there");
        again().clear().unwrap();
        assert!(!dir.path().join("partial").exists());
    }
}
