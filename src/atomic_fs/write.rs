//! One file, whole or not at all.

use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use tempfile::{NamedTempFile, TempPath};

use super::{PREFIX, SECRET};

/// What [`write()`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The file is new or its bytes have changed.
    Changed,
    /// It had the bytes and the mode already.
    Same,
}

/// Writes `bytes` to `path` with `mode`: into a new file beside it, flushed, then renamed over it. A symbolic link at
/// `path` is replaced, never followed.
///
/// # Errors
/// The folder is not there or not writable, the disk is full, or something other than a file stands at `path`.
/// Whatever stood there before is then untouched, and nothing is left beside it.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<Written> {
    put(path, mode, bytes, true)
}

/// As [`write()`], but leaves it to the system when the bytes reach the disk: for files by the thousand that can be made
/// anew at no loss, where a flush for each would take longer than all the rest. After a power cut such a file may be
/// empty, so whoever reads it must notice.
///
/// # Errors
/// As [`write()`].
pub fn write_unflushed(path: &Path, mode: u32, bytes: &[u8]) -> Result<Written> {
    put(path, mode, bytes, false)
}

/// Writes what `fill` brings to `path` with `mode`, as [`write()`] does: for what is too large to be held in memory. `fill`
/// gets the new file, empty, and may read it again.
///
/// # Errors
/// As [`write()`]; also when `fill` fails, and then nothing is left.
pub fn write_from(path: &Path, mode: u32, fill: impl FnOnce(&mut std::fs::File) -> Result<()>) -> Result<()> {
    let mut beside = beside(path)?;
    fill(beside.as_file_mut())?;
    place(finish(beside, path, mode, true)?, path)
}

fn put(path: &Path, mode: u32, bytes: &[u8], flush: bool) -> Result<Written> {
    let Some(beside) = stage(path, mode, bytes, flush)? else { return Ok(Written::Same) };
    place(beside, path)?;
    Ok(Written::Changed)
}

/// Gives a file that was written here its last name, in the place of another.
///
/// # Errors
/// It is not there, or a folder is in the way.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    Ok(fs::rename(from, to)?)
}

/// Renames a file that was written beside `path`.
pub(super) fn place(beside: TempPath, path: &Path) -> Result<()> {
    beside.persist(path).map_err(|e| e.error).with_context(|| format!("renaming to {}", path.display()))
}

/// The new file beside `path`, or `None` when `path` has these bytes and this mode already.
pub(super) fn stage(path: &Path, mode: u32, bytes: &[u8], flush: bool) -> Result<Option<TempPath>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => {
            if meta.mode() & 0o7777 == mode && meta.len() == bytes.len() as u64 && fs::read(path)? == bytes {
                return Ok(None);
            }
        }
        Ok(meta) if meta.is_symlink() => {}
        Ok(_) => bail!("{} is in the way: it is neither a file nor a link", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let mut beside = beside(path)?;
    beside.write_all(bytes).with_context(|| format!("writing {}", path.display()))?;
    finish(beside, path, mode, flush).map(Some)
}

/// Gives a new file beside `path`, which has all of its content, its mode.
fn finish(beside: NamedTempFile, path: &Path, mode: u32, flush: bool) -> Result<TempPath> {
    // After the content: a wider mode never shows a half-written secret, and the umask has no say.
    set_mode(beside.as_file(), mode, path)?;
    if flush {
        beside.as_file().sync_data().with_context(|| format!("flushing {}", path.display()))?;
    }
    Ok(beside.into_temp_path())
}

/// An empty file in the folder of `path`, for nobody else to read.
pub(super) fn beside(path: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(SECRET))
        .tempfile_in(parent(path)?)
        .with_context(|| format!("writing {}", path.display()))
}

pub(super) fn parent(path: &Path) -> Result<&Path> {
    path.parent().with_context(|| format!("{} has no folder", path.display()))
}

pub(super) fn set_mode(file: &std::fs::File, mode: u32, path: &Path) -> Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::{PUBLIC, mode};
    use super::*;

    #[test]
    fn a_secret_is_0600_and_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert_eq!(write(&path, SECRET, b"k").unwrap(), Written::Changed);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(write(&path, SECRET, b"k").unwrap(), Written::Same);
        assert_eq!(write(&path, PUBLIC, b"k").unwrap(), Written::Changed);
        assert_eq!(mode(&path), 0o644);
    }

    #[test]
    fn what_is_not_brought_whole_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let half = |file: &mut std::fs::File| {
            file.write_all(b"half")?;
            bail!("broken off")
        };
        assert_eq!(write_from(&path, SECRET, half).unwrap_err().to_string(), "broken off");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        write_from(&path, SECRET, |file| Ok(file.write_all(b"whole")?)).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"whole"[..], 0o600));
    }

    #[test]
    fn a_link_is_replaced_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, SECRET, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("there");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, PUBLIC, b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
