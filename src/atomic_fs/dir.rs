//! Folders.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use super::{PUBLIC, write};

/// Whoever can go into a folder with this mode owns it.
const PRIVATE: u32 = 0o700;

/// Makes the folder `path`, and those above it, with `mode`; one that is there is the user's, and stays as it is.
///
/// # Errors
/// Something else stands there, or the folder can't be made.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    if is_dir(path)? {
        return Ok(());
    }
    make(path, mode)
}

/// Makes the folder `path`, and those above it, for its owner alone; one that is there becomes so.
///
/// # Errors
/// As [`create_dir`].
pub fn create_private_dir(path: &Path) -> Result<()> {
    if !is_dir(path)? {
        return make(path, PRIVATE);
    }
    if fs::symlink_metadata(path)?.mode() & 0o7777 != PRIVATE {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    }
    Ok(())
}

/// Whether a folder stands at `path`. A link to one is none: keys must not land wherever a link leads.
fn is_dir(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => bail!("{} is in the way: it is not a folder", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn make(path: &Path, mode: u32) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("making the folder {}", path.display()))?;
    // The umask may have narrowed it.
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
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

#[cfg(test)]
mod tests {
    use super::super::mode;
    use super::*;

    #[test]
    fn a_new_folder_gets_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (public, private) = (dir.path().join("a/public"), dir.path().join("b/private"));
        create_dir(&public, 0o755).unwrap();
        create_private_dir(&private).unwrap();
        assert_eq!((mode(&public), mode(&private)), (0o755, 0o700));
    }

    #[test]
    fn only_a_private_folder_insists_on_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        for (path, mine, expected) in [("out", 0o2770, 0o2770), ("private", 0o755, 0o700)] {
            let path = dir.path().join(path);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mine)).unwrap();
            if expected == PRIVATE { create_private_dir(&path) } else { create_dir(&path, 0o755) }.unwrap();
            assert_eq!(mode(&path), expected);
        }
    }

    #[test]
    fn what_is_no_folder_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        for path in [&file, &link] {
            assert!(create_dir(path, 0o755).unwrap_err().to_string().contains("in the way"));
            assert!(create_private_dir(path).unwrap_err().to_string().contains("in the way"));
        }
    }
}
