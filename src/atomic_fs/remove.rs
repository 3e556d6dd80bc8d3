//! What is no longer wanted.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use super::PREFIX;

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

/// Removes the file `path`, and says whether it was there. A link is removed, not what it leads to.
///
/// # Errors
/// It can't be removed, or is a folder.
pub fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
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
    fn a_file_is_removed_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!((remove_file(&file).unwrap(), remove_file(&file).unwrap()), (true, false));
        remove_file(dir.path()).unwrap_err();
    }

    #[test]
    fn leftovers_and_the_unwanted_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".hab-part-x", "old", "kept"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_stale(dir.path(), |name| name == "kept").unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }
}
