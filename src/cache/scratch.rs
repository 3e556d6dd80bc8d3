//! Scratch folders: each is held while its run lives, so that a later run knows which ones nobody uses any more.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    _held: fs::File,
}

impl Scratch {
    /// A new folder in `parent`, whose name begins with `prefix`.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(parent: &Path, prefix: &str) -> Result<Self> {
        fs::create_dir_all(parent)?;
        loop {
            let about = || format!("making a folder in {}", parent.display());
            let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(parent).with_context(about)?;
            let held = fs::File::open(dir.path()).and_then(|folder| {
                flock(&folder, FlockOperation::NonBlockingLockShared)?;
                Ok(folder)
            });
            match held {
                Ok(held) if dir.path().exists() => return Ok(Self { dir, _held: held }),
                // Another run has taken it for stale before it was held, or is about to.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error).with_context(about),
            }
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What was unpacked may be read-only; the rest goes with the folder itself.
        let _ = make_writable(self.dir.path());
    }
}

/// Removes the folders in `parent` whose names begin with `prefix` and that no run uses.
///
/// # Errors
/// `parent` can't be read.
pub fn remove_stale(parent: &Path, prefix: &str) -> Result<()> {
    if !parent.is_dir() {
        return Ok(());
    }
    for found in fs::read_dir(parent)? {
        let found = found?;
        if !found.file_type()?.is_dir() || !found.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = found.path();
        let Ok(folder) = fs::File::open(&path) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // Two runs may do this at once.
            let _ = remove(&path);
        }
    }
    Ok(())
}

/// Removes a folder and everything in it, also what is read-only.
pub fn remove(path: &Path) -> Result<()> {
    make_writable(path)?;
    Ok(fs::remove_dir_all(path)?)
}

/// Lets the owner write to every folder in `path`.
fn make_writable(path: &Path) -> Result<()> {
    let mut open: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for found in fs::read_dir(&folder)? {
            let found = found?;
            if found.file_type()?.is_dir() {
                open.push(found.path());
            }
        }
    }
    Ok(())
}
