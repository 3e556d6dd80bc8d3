//! Large files handed out of the cache. A reflink (`ioctl_ficlone(2)`, on btrfs and XFS) costs nothing and is a file of
//! its own; elsewhere it is a copy, or for what nobody should write to, a hard link.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use rustix::fs::ioctl_ficlone;
use tempfile::{NamedTempFile, TempPath};

use super::write::{beside, parent, place, set_mode};
use super::{PREFIX, Written};

/// The mode of a file that two folders may share: a write to one would be a write to the other.
const SHARED: u32 = 0o444;

/// Makes `path` a file of its own with the bytes of `source` and `mode`: a reflink, or a copy. Whatever is done to it,
/// `source` stays as it is.
///
/// # Errors
/// As [`write`](super::write()).
pub fn clone_or_copy(source: &Path, path: &Path, mode: u32) -> Result<Written> {
    let wanted = fs::metadata(source)?;
    if let Some(found) = replaceable(path)?
        && !is_same_file(&found, &wanted)
        && is_copy(&found, &wanted)
        && found.mode() & 0o7777 == mode
    {
        return Ok(Written::Same);
    }
    let mut beside = beside(path)?;
    let mut from = fs::File::open(source)?;
    if ioctl_ficlone(beside.as_file(), from.file()).is_err() {
        std::io::copy(&mut from, beside.as_file_mut()).with_context(|| format!("writing {}", path.display()))?;
    }
    place(flushed(beside, &wanted, path, mode)?, path)?;
    Ok(Written::Changed)
}

/// Whether [`Batch::share`](super::Batch::share) would have nothing to do.
///
/// # Errors
/// `source` can't be looked at, or a folder is in the way.
pub fn is_shared(source: &Path, path: &Path) -> Result<bool> {
    let wanted = fs::metadata(source)?;
    Ok(replaceable(path)?.is_some_and(|found| {
        (is_same_file(&found, &wanted) || is_copy(&found, &wanted)) && found.mode() & 0o7777 == SHARED
    }))
}

/// A read-only file beside `path` with the bytes of `source`: a reflink, else a hard link, which makes `source` read-only
/// as well, and across file systems a copy. `None` when `path` is that already.
pub(super) fn stage_shared(source: &Path, path: &Path) -> Result<Option<TempPath>> {
    let about = || format!("writing {}", path.display());
    let wanted = fs::metadata(source)?;
    if replaceable(path)?.is_some_and(|found| is_same_file(&found, &wanted)) {
        fs::set_permissions(path, Permissions::from_mode(SHARED))?;
    }
    if is_shared(source, path)? {
        return Ok(None);
    }
    let mut copy = beside(path)?;
    let mut from = fs::File::open(source)?;
    if ioctl_ficlone(copy.as_file(), from.file()).is_err() {
        let link =
            tempfile::Builder::new().prefix(PREFIX).make_in(parent(path)?, |beside| std::fs::hard_link(source, beside));
        if let Ok(link) = link {
            fs::set_permissions(link.path(), Permissions::from_mode(SHARED))?;
            return Ok(Some(link.into_temp_path()));
        }
        std::io::copy(&mut from, copy.as_file_mut()).with_context(about)?;
    }
    flushed(copy, &wanted, path, SHARED).map(Some)
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
fn is_copy(found: &Metadata, wanted: &Metadata) -> bool {
    let looks = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
    found.is_file() && looks(found) == looks(wanted)
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
    use super::super::{Batch, mode};
    use super::*;

    fn share(source: &Path, path: &Path) -> Result<Written> {
        let mut batch = Batch::default();
        batch.share(source, path)?;
        Ok(if batch.commit()? == 1 { Written::Changed } else { Written::Same })
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
        assert_eq!(clone_or_copy(&source, &path, 0o755).unwrap(), Written::Changed);
        assert_eq!(clone_or_copy(&source, &path, 0o755).unwrap(), Written::Same);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", 0o755));
        fs::write(&path, "mine").unwrap();
        assert_eq!(fs::read_to_string(&source).unwrap(), "one");
        assert_eq!(clone_or_copy(&source, &path, 0o755).unwrap(), Written::Changed);
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
        assert!(clone_or_copy(&source, dir.path(), 0o755).unwrap_err().to_string().contains("in the way"));
    }
}
