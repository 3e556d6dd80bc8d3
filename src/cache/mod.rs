//! The shelves: everything that is built or fetched once and used again, each under a key of all its inputs.
//!
//! An entry is a folder `<kind>/<key>`. It is made beside its place and renamed when it is complete, under a lock,
//! so it is either whole or not there, and two builds at once make it once.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How many hexadecimal digits of the SHA-256 name an entry: 128 bits, far beyond an accident.
const KEY_DIGITS: usize = 32;

/// The name of an entry: a digest over its ordered inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key as text, safe as a file name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects inputs in order; each is framed with its name and length, so no two lists give the same bytes.
#[derive(Debug, Clone, Default)]
pub struct Inputs(Sha256);

impl Inputs {
    /// No inputs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one input.
    #[must_use]
    pub fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// The key of what was added.
    #[must_use]
    pub fn key(self) -> Key {
        let mut text = hex(&self.0.finalize());
        text.truncate(KEY_DIGITS);
        Key(text)
    }
}

/// Bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't go wrong.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of a file's content, as hexadecimal; reads it in pieces.
///
/// # Errors
/// The file can't be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    use std::io::Read as _;
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    // 1 MiB: large enough that system calls do not count, small enough to stay in the cache.
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

/// The SHA-256 of bytes, as hexadecimal.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// What asking for an entry led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was made now.
    Now,
    /// It was already there.
    Before,
}

/// A cache that only looks has no such entry: whoever builds would make it now.
#[derive(Debug)]
pub struct Missing {
    /// Where the entry would be.
    pub entry: PathBuf,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not in the cache", self.entry.display())
    }
}

impl std::error::Error for Missing {}

/// The cache's folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    looks: bool,
}

impl Cache {
    /// `$XDG_CACHE_HOME/hab`, else `$HOME/.cache/hab`
    /// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
    ///
    /// # Errors
    /// Neither variable is set to an absolute path.
    pub fn from_env() -> Result<Self> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        if let Some(cache) = folder("XDG_CACHE_HOME") {
            return Ok(Self::at(cache.join("hab")));
        }
        match folder("HOME") {
            Some(home) => Ok(Self::at(home.join(".cache/hab"))),
            None => bail!("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the cache"),
        }
    }

    /// The cache in the folder `root`; it is made when the first entry is.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root, looks: false }
    }

    /// The same cache, in which nothing is ever made: [`Cache::get_or_make`] fails with [`Missing`] instead. What is
    /// asked of it finds out what a build would find, by the build's own keys.
    #[must_use]
    pub fn looking(&self) -> Self {
        Self { looks: true, ..self.clone() }
    }

    /// The cache's own folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder for work that leaves nothing, on the file system of the entries.
    ///
    /// # Errors
    /// It can't be made.
    pub fn scratch(&self) -> Result<TempDir> {
        fs::create_dir_all(&self.root)?;
        tempfile::tempdir_in(&self.root).with_context(|| format!("making a folder in {}", self.root.display()))
    }

    /// The entry, if it is there and whole.
    #[must_use]
    pub fn get(&self, kind: &str, key: &Key) -> Option<PathBuf> {
        let path = self.path(kind, key);
        path.is_dir().then_some(path)
    }

    /// The entry; when it is not there, `make` fills a fresh folder that then becomes the entry.
    ///
    /// # Errors
    /// The folder can't be made or `make` fails; then nothing is left behind. Or it is not there, and this cache only
    /// looks.
    pub fn get_or_make(
        &self,
        kind: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, Made)> {
        if let Some(path) = self.get(kind, key) {
            return Ok((path, Made::Before));
        }
        if self.looks {
            bail!(Missing { entry: self.path(kind, key) });
        }
        let shelf = self.root.join(kind);
        fs::create_dir_all(&shelf)?;
        let lock_path = shelf.join(format!("{}.lock", key.as_str()));
        let lock = fs::File::create(&lock_path)?;
        flock(&lock, FlockOperation::LockExclusive).with_context(|| format!("waiting for {}", lock_path.display()))?;
        if let Some(path) = self.get(kind, key) {
            return Ok((path, Made::Before));
        }
        sweep(&shelf, key)?;
        let fresh = tempfile::Builder::new()
            .prefix(&format!("{}.part-", key.as_str()))
            .tempdir_in(&shelf)
            .with_context(|| format!("making a folder in {}", shelf.display()))?;
        make(fresh.path())?;
        let path = self.path(kind, key);
        fs::rename(fresh.keep(), &path)?;
        // Removed while still held: whoever waits on it finds the entry there.
        fs::remove_file(&lock_path)?;
        Ok((path, Made::Now))
    }

    /// Removes every entry; the cache's folder stays, wherever a link may have put it.
    ///
    /// # Errors
    /// Another hab makes an entry right now, or something can't be removed.
    pub fn clear(&self) -> Result<()> {
        if !self.root.try_exists().with_context(|| format!("looking for {}", self.root.display()))? {
            return Ok(());
        }
        // Held until the end, so that nobody begins an entry on a shelf that is being removed.
        let mut held = Vec::new();
        for shelf in folders(&self.root)? {
            for entry in fs::read_dir(&shelf)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "lock") {
                    let lock = fs::File::open(&path)?;
                    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                        bail!("another hab is at work on {}; try again when it is done", path.display());
                    }
                    held.push(lock);
                }
            }
        }
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // What is unpacked may be read-only, folders too.
                make_writable(&entry.path())?;
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, kind: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(key.as_str())
    }
}

/// The folders in `path`; links to folders are none.
fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Lets the owner write to every folder in `path`.
fn make_writable(path: &Path) -> Result<()> {
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        open.extend(folders(&folder)?);
    }
    Ok(())
}

/// Removes what a killed run left of this entry; the caller holds the entry's lock.
fn sweep(shelf: &Path, key: &Key) -> Result<()> {
    let prefix = format!("{}.part-", key.as_str());
    for entry in fs::read_dir(shelf)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("hab"));
        (dir, cache)
    }

    #[test]
    fn inputs_are_framed() {
        let one = Inputs::new().add("a", "bc").key();
        let two = Inputs::new().add("ab", "c").key();
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), KEY_DIGITS);
    }

    #[test]
    fn an_entry_is_made_once() {
        let (_dir, cache) = cache();
        let key = Inputs::new().add("x", "1").key();
        let fill = |p: &Path| Ok(fs::write(p.join("f"), "hi")?);
        let (path, made) = cache.get_or_make("test", &key, fill).unwrap();
        assert_eq!((made, fs::read_to_string(path.join("f")).unwrap().as_str()), (Made::Now, "hi"));
        let (_, made) = cache.get_or_make("test", &key, |_| bail!("made twice")).unwrap();
        assert_eq!(made, Made::Before);
    }

    #[test]
    fn a_store_that_looks_makes_nothing() {
        let (_dir, cache) = cache();
        let key = Inputs::new().add("x", "1").key();
        let error = cache.looking().get_or_make("test", &key, |_| Ok(())).unwrap_err();
        assert_eq!(error.downcast::<Missing>().unwrap().entry, cache.path("test", &key));
        assert!(!cache.root().exists());
        let (path, _) = cache.get_or_make("test", &key, |_| Ok(())).unwrap();
        let found = cache.looking().get_or_make("test", &key, |_| bail!("made")).unwrap();
        assert_eq!(found, (path, Made::Before));
    }

    #[test]
    fn a_failed_make_leaves_nothing_and_may_be_tried_again() {
        let (_dir, cache) = cache();
        let key = Inputs::new().add("x", "1").key();
        cache.get_or_make("test", &key, |_| bail!("no")).unwrap_err();
        assert!(cache.get("test", &key).is_none());
        let left: Vec<_> = fs::read_dir(cache.root().join("test")).unwrap().flatten().collect();
        assert!(left.iter().all(|e| e.path().extension().is_some_and(|x| x == "lock")), "{left:?}");
        cache.get_or_make("test", &key, |_| Ok(())).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_is_swept() {
        let (_dir, cache) = cache();
        let key = Inputs::new().add("x", "1").key();
        let stale = cache.root().join("test").join(format!("{}.part-dead", key.as_str()));
        fs::create_dir_all(&stale).unwrap();
        cache.get_or_make("test", &key, |_| Ok(())).unwrap();
        assert!(!stale.exists());
    }

    #[test]
    fn an_emptied_store_keeps_nothing_but_what_others_work_on() {
        let (_dir, cache) = cache();
        cache.clear().unwrap();
        let key = Inputs::new().add("x", "1").key();
        let (path, _) = cache.get_or_make("test", &key, |p| Ok(fs::create_dir(p.join("sub"))?)).unwrap();
        fs::set_permissions(path.join("sub"), Permissions::from_mode(0o500)).unwrap();
        let other = Inputs::new().add("x", "2").key();
        cache
            .get_or_make("test", &other, |_| {
                let error = cache.clear().unwrap_err().to_string();
                assert!(error.contains("another hab is at work"), "{error}");
                Ok(())
            })
            .unwrap();
        assert!(path.is_dir());
        cache.clear().unwrap();
        assert_eq!(fs::read_dir(cache.root()).unwrap().count(), 0);
    }

    #[test]
    fn sha256_of_a_file_is_that_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "abc").unwrap();
        assert_eq!(sha256_file(&file).unwrap(), sha256("abc"));
        assert!(sha256("abc").starts_with("ba7816bf"));
    }
}
