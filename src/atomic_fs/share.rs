//! Large files handed out of the cache. A reflink (`ioctl_ficlone(2)`, on btrfs and XFS) costs nothing and is a file of
//! its own; elsewhere it is a copy, or for what nobody should write to, a hard link.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use rustix::fs::ioctl_ficlone;
use tempfile::{NamedTempFile, TempPath};

use super::PREFIX;
use super::write::{beside, parent, set_mode};

/// The mode of a file that two folders may share: a write to one would be a write to the other.
const SHARED: u32 = 0o444;

/// A file beside `path` with the bytes of `source` and `mode`, a reflink or a copy: see [`Batch::copy`](super::Batch::copy).
/// `None` when `path` is that already.
pub(super) fn stage_copy(source: &Path, path: &Path, mode: u32) -> Result<Option<TempPath>> {
    let wanted = fs::metadata(source)?;
    let there = |found: &Metadata| !is_same_file(found, &wanted) && is_copy(found, &wanted, mode);
    if replaceable(path)?.as_ref().is_some_and(there) {
        return Ok(None);
    }
    let mut copy = beside(path)?;
    if !reflink(source, &copy)? {
        copy_into(source, &mut copy, path)?;
    }
    flushed(copy, &wanted, path, mode).map(Some)
}

/// A read-only file beside `path` with the bytes of `source`: a reflink, else a hard link, which makes `source` read-only
/// as well, and across file systems a copy. `None` when `path` is that already.
pub(super) fn stage_shared(source: &Path, path: &Path) -> Result<Option<TempPath>> {
    let wanted = fs::metadata(source)?;
    if let Some(found) = replaceable(path)? {
        if is_same_file(&found, &wanted) {
            if found.mode() & 0o7777 != SHARED {
                fs::set_permissions(path, Permissions::from_mode(SHARED))?;
            }
            return Ok(None);
        }
        if is_copy(&found, &wanted, SHARED) {
            return Ok(None);
        }
    }
    let mut copy = beside(path)?;
    if !reflink(source, &copy)? {
        let link =
            tempfile::Builder::new().prefix(PREFIX).make_in(parent(path)?, |beside| std::fs::hard_link(source, beside));
        if let Ok(link) = link {
            fs::set_permissions(link.path(), Permissions::from_mode(SHARED))?;
            return Ok(Some(link.into_temp_path()));
        }
        copy_into(source, &mut copy, path)?;
    }
    flushed(copy, &wanted, path, SHARED).map(Some)
}

/// Whether the file system could make `copy` a reflink of `source`.
fn reflink(source: &Path, copy: &NamedTempFile) -> Result<bool> {
    Ok(ioctl_ficlone(copy.as_file(), fs::File::open(source)?.file()).is_ok())
}

fn copy_into(source: &Path, copy: &mut NamedTempFile, path: &Path) -> Result<()> {
    let about = || format!("writing {}", path.display());
    std::io::copy(&mut fs::File::open(source)?, copy.as_file_mut()).map(drop).with_context(about)
}

/// What stands at `path`, if anything that may be replaced.
fn replaceable(path: &Path) -> Result<Option<Metadata>> {
    let found = fs::symlink_metadata(path).ok();
    if found.as_ref().is_some_and(Metadata::is_dir) {
        bail!("{} is in the way: it is neither a file nor a link", path.display());
    }
    Ok(found)
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// A clone or a copy keeps the time of its source.
fn is_copy(found: &Metadata, wanted: &Metadata, mode: u32) -> bool {
    let looks = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
    found.is_file() && looks(found) == looks(wanted) && found.mode() & 0o7777 == mode
}

fn flushed(beside: NamedTempFile, wanted: &Metadata, path: &Path, mode: u32) -> Result<TempPath> {
    let file = beside.as_file();
    set_mode(file, mode, path)?;
    let about = || format!("flushing {}", path.display());
    file.set_modified(wanted.modified().with_context(about)?).with_context(about)?;
    file.sync_all().with_context(about)?;
    Ok(beside.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Written, mode};
    use super::*;

    /// What a batch with nothing else in it comes to.
    fn alone(stage: impl FnOnce(&mut Batch) -> Result<bool>) -> Result<Written> {
        let mut batch = Batch::default();
        let is_new = stage(&mut batch)?;
        assert_eq!(batch.commit()?, usize::from(is_new));
        Ok(if is_new { Written::Changed } else { Written::Same })
    }

    fn share(source: &Path, path: &Path) -> Result<Written> {
        alone(|batch| batch.share(source, path))
    }

    fn copy(source: &Path, path: &Path) -> Result<Written> {
        alone(|batch| batch.copy(source, path, 0o755))
    }

    fn folder() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (source, path) = (dir.path().join("source"), dir.path().join("path"));
        fs::write(&source, "one").unwrap();
        (dir, source, path)
    }

    fn inode(path: &Path) -> u64 {
        fs::symlink_metadata(path).unwrap().ino()
    }

    #[test]
    fn what_is_done_to_a_copy_is_not_done_to_its_source() {
        let (dir, source, path) = folder();
        fs::hard_link(&source, &path).unwrap();
        assert_eq!(copy(&source, &path).unwrap(), Written::Changed);
        assert_eq!(copy(&source, &path).unwrap(), Written::Same);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", 0o755));
        fs::write(&path, "mine").unwrap();
        assert_eq!(fs::read_to_string(&source).unwrap(), "one");
        assert_eq!(copy(&source, &path).unwrap(), Written::Changed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_shared_is_read_only_and_follows_its_source() {
        let (dir, source, path) = folder();
        assert_eq!(share(&source, &path).unwrap(), Written::Changed);
        assert_eq!(share(&source, &path).unwrap(), Written::Same);
        assert_eq!(mode(&path), SHARED);
        // Where there are reflinks, it is a file of its own, and the source may be written to.
        assert!(inode(&path) != inode(&source) || mode(&source) == SHARED);
        fs::remove_file(&source).unwrap();
        fs::write(&source, "other").unwrap();
        assert_eq!(share(&source, &path).unwrap(), Written::Changed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn across_file_systems_it_is_a_copy() {
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        let (dir, source, _) = folder();
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        assert_ne!(device(dir.path()), device(other.path()), "/dev/shm is no file system of its own here");
        let path = other.path().join("path");
        assert_eq!(share(&source, &path).unwrap(), Written::Changed);
        assert_eq!(share(&source, &path).unwrap(), Written::Same);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", SHARED));
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_in_the_way() {
        let (dir, source, _) = folder();
        assert!(share(&source, dir.path()).unwrap_err().to_string().contains("in the way"));
        assert!(copy(&source, dir.path()).unwrap_err().to_string().contains("in the way"));
    }
}
