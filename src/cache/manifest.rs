//! What an entry holds, written into it when it is made: how a later run knows that it is still whole.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest;

/// The manifest's file in an entry.
pub const FILE: &str = "manifest.json";

/// Up to so many files are flushed one by one; for more, flushing the whole file system is quicker.
const FLUSH_EACH: usize = 64;

/// Every file and link of an entry, by its path in it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    files: BTreeMap<PathBuf, Listed>,
    links: BTreeMap<PathBuf, PathBuf>,
}

/// A file as it was when it was last read through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    size: u64,
    /// [`digest::content`].
    digest: String,
    stamp: Stamp,
}

/// What changes with every usual write to a file: while it is the same, the file need not be read again. It also changes
/// with a copy; then the digest decides. Not the time of its last change (ctime), which a new hard link changes, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self { inode: meta.ino(), modified: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Names, sizes and stamps; a file whose stamp differs is read through.
    Quick,
    /// Every byte.
    Full,
}

impl Manifest {
    /// Lists what is in `entry` now, and flushes it to the disk.
    pub fn make(entry: &Path) -> Result<Self> {
        let mut manifest = Self::default();
        let mut folders = vec![entry.to_owned()];
        let mut open = vec![entry.to_owned()];
        while let Some(folder) = open.pop() {
            for found in fs::read_dir(&folder)? {
                let found = found?;
                let (path, kind) = (found.path(), found.file_type()?);
                let name = path.strip_prefix(entry)?.to_owned();
                if kind.is_dir() {
                    folders.push(path.clone());
                    open.push(path);
                } else if kind.is_symlink() {
                    manifest.links.insert(name, fs::read_link(&path)?);
                } else {
                    manifest.files.insert(name, Listed::of(&path)?);
                }
            }
        }
        manifest.flush(entry, &folders)?;
        Ok(manifest)
    }

    fn flush(&self, entry: &Path, folders: &[PathBuf]) -> Result<()> {
        if self.files.len() > FLUSH_EACH {
            return rustix::fs::syncfs(fs::File::open(entry)?).context("flushing the cache's file system");
        }
        for name in self.files.keys() {
            fs::File::open(entry.join(name))?.sync_all()?;
        }
        for folder in folders.iter().rev() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Reads the manifest of `entry`.
    pub fn read(entry: &Path) -> Result<Self> {
        let path = entry.join(FILE);
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).context("writing a manifest as JSON")
    }

    /// Compares `entry` with the manifest. Returns whether stamps were renewed: files that were copied or linked, but have
    /// their bytes.
    ///
    /// # Errors
    /// Something is missing or other than it was; the message names it.
    pub fn check(&mut self, entry: &Path, look: Look) -> Result<bool> {
        for (name, target) in &self.links {
            ensure!(fs::read_link(entry.join(name))? == *target, "{} leads elsewhere", name.display());
        }
        let mut renewed = false;
        for (name, listed) in &mut self.files {
            let path = entry.join(name);
            let meta = fs::symlink_metadata(&path)?;
            ensure!(meta.is_file() && meta.len() == listed.size, "{} has another size", name.display());
            let stamp = Stamp::of(&meta);
            if look == Look::Quick && stamp == listed.stamp {
                continue;
            }
            if digest::content(&path)? != listed.digest {
                bail!("{} has other bytes", name.display());
            }
            renewed |= stamp != listed.stamp;
            listed.stamp = stamp;
        }
        Ok(renewed)
    }
}

impl Listed {
    fn of(path: &Path) -> Result<Self> {
        let digest = digest::content(path)?;
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { size: meta.len(), digest, stamp: Stamp::of(&meta) })
    }
}
