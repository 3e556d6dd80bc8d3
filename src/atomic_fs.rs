//! The only room that writes results: beside the place and renamed, with the mode set from the start, and not at all
//! when the bytes are there already.

use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use tempfile::TempPath;

/// The mode of files with keys in them.
pub const SECRET: u32 = 0o600;
/// The mode of everything else.
pub const PUBLIC: u32 = 0o644;

/// What [`write`] did.
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

/// Files that belong together: each is written beside its place at once, and [`Batch::commit`] puts all into place. When
/// one can't be written, or the batch is dropped, everything stays as it was.
#[derive(Debug, Default)]
pub struct Batch {
    staged: Vec<(TempPath, PathBuf)>,
}

impl Batch {
    /// Writes one of the files, as [`write_unflushed`] would, up to the rename.
    ///
    /// # Errors
    /// As [`write`].
    pub fn add(&mut self, path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
        if let Some(beside) = stage(path, mode, bytes, false)? {
            self.staged.push((beside, path.to_owned()));
        }
        Ok(())
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

/// As [`write`], but leaves it to the system when the bytes reach the disk: for files by the thousand that can be made
/// anew at no loss, where a flush for each would take longer than all the rest. After a power cut such a file may be
/// empty, so whoever reads it must notice.
///
/// # Errors
/// As [`write`].
pub fn write_unflushed(path: &Path, mode: u32, bytes: &[u8]) -> Result<Written> {
    put(path, mode, bytes, false)
}

fn put(path: &Path, mode: u32, bytes: &[u8], flush: bool) -> Result<Written> {
    let Some(beside) = stage(path, mode, bytes, flush)? else { return Ok(Written::Same) };
    place(beside, path)?;
    Ok(Written::Changed)
}

fn place(beside: TempPath, path: &Path) -> Result<()> {
    beside.persist(path).map_err(|e| e.error).with_context(|| format!("renaming to {}", path.display()))
}

/// The new file beside `path`, or `None` when `path` has these bytes and this mode already.
fn stage(path: &Path, mode: u32, bytes: &[u8], flush: bool) -> Result<Option<TempPath>> {
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
    let folder = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    let mut beside = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(SECRET))
        .tempfile_in(folder)
        .with_context(|| format!("writing {}", path.display()))?;
    beside.write_all(bytes).with_context(|| format!("writing {}", path.display()))?;
    // After the content: a wider mode never shows a half-written secret, and the umask has no say.
    beside.as_file().set_permissions(Permissions::from_mode(mode)).with_context(|| mode_of(path))?;
    if flush {
        beside.as_file().sync_data().with_context(|| format!("flushing {}", path.display()))?;
    }
    Ok(Some(beside.into_temp_path()))
}

/// Makes `path` the same file as `source`: a hard link, which costs nothing, or a copy where that can't be (another
/// file system). What stood there is replaced when the new one is whole.
///
/// # Errors
/// As [`write`].
pub fn link(source: &Path, path: &Path) -> Result<Written> {
    let wanted = fs::metadata(source)?;
    if let Ok(meta) = fs::symlink_metadata(path) {
        let same_file = (meta.dev(), meta.ino()) == (wanted.dev(), wanted.ino());
        // A copy keeps the time of its source.
        let same_copy = meta.is_file() && meta.len() == wanted.len() && meta.mtime() == wanted.mtime();
        if same_file || same_copy {
            return Ok(Written::Same);
        }
        if meta.is_dir() {
            bail!("{} is in the way: it is neither a file nor a link", path.display());
        }
    }
    let folder = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    let scratch = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(folder)
        .with_context(|| format!("writing {}", path.display()))?;
    let beside = scratch.path().join("link");
    if fs::hard_link(source, &beside).is_err() {
        fs::copy(source, &beside)?;
        let copy = fs::File::options().write(true).open(&beside)?;
        copy.set_modified(wanted.modified().context("reading the time of a file")?)?;
        copy.sync_all()?;
    }
    fs::rename(&beside, path)?;
    Ok(Written::Changed)
}

/// What files being written are called until they are whole; [`remove_stale`] knows them by it.
pub const PREFIX: &str = ".hab-part-";

fn mode_of(path: &Path) -> String {
    format!("setting the mode of {}", path.display())
}

/// Makes the folder `path`, and those above it, with `mode`; one that is there gets the mode.
///
/// # Errors
/// Something else stands there, or the folder can't be made.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    if let Ok(meta) = fs::symlink_metadata(path)
        && !meta.is_dir()
    {
        bail!("{} is in the way: it is not a folder", path.display());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("making the folder {}", path.display()))?;
    if fs::metadata(path)?.mode() & 0o7777 != mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes the folder `path`, if it is not there, and public files in it; a file that is there is kept.
///
/// # Errors
/// The folder or a file can't be written. Then the files that were, and the folder if it is new, are gone again.
pub fn create_all_or_nothing(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let new = !path.exists();
    fs::create_dir_all(path)?;
    let mut made = Vec::new();
    for (name, bytes) in files {
        let file = path.join(name);
        if fs::symlink_metadata(&file).is_ok() {
            continue;
        }
        if let Err(error) = write(&file, PUBLIC, bytes) {
            // The first error is the one to tell.
            for file in &made {
                drop(fs::remove_file(file));
            }
            if new {
                drop(fs::remove_dir(path));
            }
            return Err(error);
        }
        made.push(file);
    }
    Ok(())
}

/// Makes the folder `path`, and those above it, as the umask says; one that is there stays as it is.
///
/// # Errors
/// Something else stands there, or the folder can't be made.
pub fn create_dir_if_missing(path: &Path) -> Result<()> {
    Ok(fs::create_dir_all(path)?)
}

/// Removes the folder `path` with everything in it, and says whether it was there. A link is removed, not what it
/// leads to.
///
/// # Errors
/// Something in it can't be removed, or a file stands there.
pub fn remove(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => fs::remove_file(path)?,
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => bail!("{} is in the way: it is not a folder", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}

/// Removes what killed runs left in `folder`, and every file that `keep` does not want.
///
/// # Errors
/// The folder can't be read or a file in it not removed.
pub fn remove_stale(folder: &Path, keep: impl Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() && name.starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        } else if kind.is_file() && (name.starts_with(PREFIX) || !keep(&name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

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

    #[test]
    fn a_folder_is_removed_but_never_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, out) = (dir.path().join("kept"), dir.path().join("out"));
        fs::create_dir_all(kept.join("inside")).unwrap();
        fs::create_dir(&out).unwrap();
        std::os::unix::fs::symlink(&kept, out.join("link")).unwrap();
        assert!(remove(&out).unwrap());
        assert!(!remove(&out).unwrap());
        std::os::unix::fs::symlink(&kept, &out).unwrap();
        assert!(remove(&out).unwrap());
        assert!(kept.join("inside").is_dir());
        fs::write(&out, "").unwrap();
        assert!(remove(&out).is_err());
    }

    #[test]
    fn a_link_is_made_once_and_follows_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let (source, path) = (dir.path().join("source"), dir.path().join("path"));
        fs::write(&source, "one").unwrap();
        assert_eq!(link(&source, &path).unwrap(), Written::Changed);
        assert_eq!(link(&source, &path).unwrap(), Written::Same);
        fs::remove_file(&source).unwrap();
        fs::write(&source, "other").unwrap();
        assert_eq!(link(&source, &path).unwrap(), Written::Changed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn sweeping_removes_leftovers_and_the_unwanted() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".hab-part-x", "old", "kept"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_stale(dir.path(), |name| name == "kept").unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn a_folder_gets_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/private");
        create_dir(&path, 0o700).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
}
