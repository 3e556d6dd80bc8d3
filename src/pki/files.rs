//! Reading what lies in the private folder, with suspicion, and holding it.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::secret::Secret;
use crate::atomic_fs;

/// No file hab writes into the private folder comes near this; a larger one is somebody else's.
const MAX_SIZE: u64 = 1 << 20;

/// Reads a file that only its owner may read; `None` when nothing is there.
pub(super) fn read(path: &Path) -> Result<Option<Secret>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Another hab may have made the file meanwhile: only a link that leads nowhere is wrong.
            let dangling = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
            ensure!(!dangling, "{} is a link to something that is not there", path.display());
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    // Before it is opened: a pipe would wait for a writer for ever.
    ensure!(meta.is_file(), "{} is not a file", path.display());
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{path} is open to other users of this machine (mode {mode:03o}). If nobody has seen it: chmod 600 '{path}'",
            path = path.display()
        );
    }
    ensure!(meta.len() <= MAX_SIZE, "{} is larger than anything hab keeps there", path.display());
    Ok(Some(Secret::new(fs::read_to_string(path)?)))
}

/// Waits until nobody else makes certificates in `private`, and keeps others from it as long as the returned file is
/// kept.
pub(super) fn hold(private: &Path) -> Result<fs::File> {
    let path = private.join(".lock");
    // It has nothing in it and is never removed, so two runs can't hold two files of that name.
    // A link is not followed, and a pipe not waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(atomic_fs::SECRET).custom_flags(flags);
    let file = options.open(&path)?;
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("waiting for {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_ones_own_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(read(&path).unwrap().is_none());
        atomic_fs::write(&path, 0o640, b"k").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
        atomic_fs::write(&path, atomic_fs::SECRET, b"k").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().reveal(), "k");
    }

    #[test]
    fn a_dangling_link_a_folder_and_a_huge_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("link to something"));
        assert!(read(dir.path()).unwrap_err().to_string().contains("not a file"));
        let huge = dir.path().join("huge");
        atomic_fs::write(&huge, atomic_fs::SECRET, &vec![b'x'; usize::try_from(MAX_SIZE).unwrap() + 1]).unwrap();
        assert!(read(&huge).is_err());
    }
}
