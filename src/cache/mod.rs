//! A build cache: each entry is a folder named by a digest of everything that decides its bytes.
//!
//! An entry `BUCKET/KEY` is made in a scratch folder, flushed to the disk with a manifest of its files, and renamed
//! into its place under a lock. So it is whole or not there, whatever happens meanwhile, and two builds at once make it
//! once. An entry that was damaged later is noticed by its manifest and made again.

mod key;
mod manifest;
mod scratch;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::atomic_fs;
use crate::xdg;
pub use key::{Key, KeyBuilder};
use manifest::{Look, Manifest};
pub use scratch::{Scratch, remove_stale};

/// Held shared by every run that makes or uses entries, and exclusively by the one that removes them.
const HOLD: &str = "cache.lock";

/// The scratch folders of all runs.
const SCRATCH: &str = "scratch";

/// What each is called, up to what chance adds. Nothing else is in that folder.
const SCRATCH_PREFIX: &str = "";

/// What a look for an entry led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It is there and whole.
    Hit(PathBuf),
    /// It is not there.
    Miss,
    /// It is there and not what it was; says why.
    Damaged(String),
}

/// The cache's folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Its file, once it is held.
    held: Arc<OnceLock<fs::File>>,
    /// Entries that this run has read through or made.
    verified: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Cache {
    /// `$XDG_CACHE_HOME/hab`, else `$HOME/.cache/hab`
    /// (<https://specifications.freedesktop.org/basedir-spec/latest/>). Makes nothing yet.
    ///
    /// # Errors
    /// Neither variable is set to an absolute path.
    pub fn from_env() -> Result<Self> {
        let folder = xdg::folder("XDG_CACHE_HOME", ".cache");
        let folder = folder.context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the cache")?;
        Ok(Self::at(folder.join("hab")))
    }

    /// The cache in the folder `root`.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root, held: Arc::default(), verified: Arc::default() }
    }

    /// The cache's own folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps the cache from being emptied while this run lasts, and removes what killed runs have left.
    ///
    /// # Errors
    /// Its folder can't be made, or another run of hab is emptying it.
    pub fn hold(&self) -> Result<()> {
        if self.held.get().is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.root)?;
        let held = self.hold_file()?;
        let about = || format!("waiting for another run of hab that empties {}", self.root.display());
        flock(&held, FlockOperation::LockShared).with_context(about)?;
        atomic_fs::tag_as_cache(&self.root, atomic_fs::PUBLIC)?;
        // Another thread may have been quicker; one hold is as good as two.
        let _ = self.held.set(held);
        remove_stale(&self.root.join(SCRATCH), SCRATCH_PREFIX)
    }

    fn hold_file(&self) -> Result<fs::File> {
        Ok(fs::File::options().create(true).truncate(false).write(true).open(self.root.join(HOLD))?)
    }

    /// A folder for work that leaves nothing, on the file system of the entries.
    ///
    /// # Errors
    /// It can't be made.
    pub fn scratch(&self) -> Result<Scratch> {
        self.hold()?;
        Scratch::new(&self.root.join(SCRATCH), SCRATCH_PREFIX)
    }

    /// Looks for an entry; reads no more of it than it must.
    #[must_use]
    pub fn find(&self, bucket: &str, key: &Key) -> Lookup {
        let path = self.path(bucket, key);
        if !path.is_dir() {
            return Lookup::Miss;
        }
        match check(&path, Look::Quick) {
            Ok(()) => Lookup::Hit(path),
            Err(error) => Lookup::Damaged(format!("{error:#}")),
        }
    }

    /// Reads an entry through, once a run: whoever is about to use its bytes asks first.
    ///
    /// # Errors
    /// It is damaged; the message says how.
    pub fn verify(&self, entry: &Path) -> Result<()> {
        if self.verified().contains(entry) {
            return Ok(());
        }
        check(entry, Look::Full)?;
        self.verified().insert(entry.to_owned());
        Ok(())
    }

    /// The entry; if it is not there, or not whole, `fill` fills a fresh folder that then becomes the entry.
    /// `waiting` hears that another run of hab is making it.
    ///
    /// # Errors
    /// The folder can't be made or `fill` fails; then nothing is left behind.
    pub fn make(
        &self,
        bucket: &str,
        key: &Key,
        waiting: &dyn Fn(),
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        self.hold()?;
        let folder = self.root.join(bucket);
        fs::create_dir_all(&folder)?;
        let hold_path = folder.join(format!("{}.lock", key.as_str()));
        let held = fs::File::create(&hold_path)?;
        atomic_fs::hold(&held, waiting).with_context(|| format!("waiting for {}", hold_path.display()))?;
        let path = self.path(bucket, key);
        if let Lookup::Hit(path) = self.find(bucket, key)
            && self.verify(&path).is_ok()
        {
            return Ok(path);
        }
        let fresh = self.scratch()?;
        let entry = fresh.path().join("entry");
        fs::create_dir(&entry)?;
        fill(&entry)?;
        seal(&entry)?;
        if path.exists() {
            fs::rename(&path, fresh.path().join("damaged"))?;
        }
        fs::rename(&entry, &path)?;
        fs::File::open(&folder)?.sync_all()?;
        self.verified().insert(path.clone());
        // While the file is still held: whoever waits for it finds the entry there.
        fs::remove_file(&hold_path)?;
        Ok(path)
    }

    /// Forgets that an entry was read through, and removes it.
    ///
    /// # Errors
    /// It can't be moved away.
    pub fn remove(&self, entry: &Path) -> Result<()> {
        self.verified().remove(entry);
        let scratch = self.scratch()?;
        if entry.exists() {
            fs::rename(entry, scratch.path().join("removed"))?;
        }
        Ok(())
    }

    /// Removes every entry; the cache's folder stays, wherever a link may have put it.
    ///
    /// # Errors
    /// Another run of hab uses the cache, or something can't be removed.
    pub fn clear(&self) -> Result<()> {
        if !self.root.try_exists().with_context(|| format!("looking for {}", self.root.display()))? {
            return Ok(());
        }
        // Held until the end, so that nobody begins an entry in what is being removed.
        let held = self.hold_file()?;
        if flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another run of hab uses {}; try again when it is done", self.root.display());
        }
        for found in fs::read_dir(&self.root)? {
            let found = found?;
            if found.file_type()?.is_dir() {
                scratch::remove(&found.path())?;
            } else if found.file_name() != HOLD {
                fs::remove_file(found.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, bucket: &str, key: &Key) -> PathBuf {
        self.root.join(bucket).join(key.as_str())
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole whatever its holder died of.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the manifest of a complete entry, with everything flushed.
fn seal(entry: &Path) -> Result<()> {
    let manifest = Manifest::make(entry)?;
    write_manifest(entry, &manifest)
}

fn write_manifest(entry: &Path, manifest: &Manifest) -> Result<()> {
    use std::io::Write as _;
    let mut beside = tempfile::NamedTempFile::new_in(entry).context("writing a manifest")?;
    beside.write_all(&manifest.to_bytes()?).context("writing a manifest")?;
    beside.as_file().sync_all().context("flushing a manifest")?;
    beside.persist(entry.join(manifest::FILE)).context("writing a manifest")?;
    Ok(fs::File::open(entry)?.sync_all()?)
}

fn check(entry: &Path, look: Look) -> Result<()> {
    let mut manifest = Manifest::read(entry)?;
    if manifest.check(entry, look)? {
        // Only saves the next run some reading.
        drop(write_manifest(entry, &manifest));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
