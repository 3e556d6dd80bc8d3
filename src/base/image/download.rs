//! Downloads of what may be large and comes from anywhere: they go on from where they were cut off, and have a size and a
//! pace that they must keep.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, ensure};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock, statvfs};

use crate::cache::{Cache, KeyBuilder};
use crate::exec::apt::Apt;
use crate::kinds::Base;
use crate::progress::Step;

/// The folder of downloads in the cache. What is in it stays until it is whole, or until `hab clean --cache`.
const FOLDER: &str = "download";

/// The most that versions, keys and signatures may have: the largest, Fedora's list of a stream, has about 200 KiB.
const MAX_DOCUMENT: u64 = 4 << 20;

/// The pace of a download that is worth waiting for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many bytes must come ...
    pub bytes: u64,
    /// ... in this time.
    pub within: Duration,
}

/// An image of 1 GiB would take a day; apt itself ends a download in which nothing comes for 30 s (apt.conf(5),
/// `Acquire::http::Timeout`), and tries three times more.
const PACE: Pace = Pace { bytes: 1 << 20, within: Duration::from_secs(120) };

/// Where downloads come from and go to.
#[derive(Debug, Clone)]
pub struct Downloads<'a> {
    cache: &'a Cache,
    /// What stands before the vendor's host instead of `https://`.
    mirror: Option<String>,
    pace: Pace,
}

/// A file to be downloaded.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The vendor's address.
    pub url: &'a str,
    /// Its digest, if it is known.
    pub sha256: Option<&'a str>,
    /// The most bytes that it may have.
    pub most: u64,
}

/// The environment's variable that names a mirror of a vendor's images.
#[must_use]
pub fn variable(base: Base) -> String {
    format!("HAB_{}_MIRROR", base.name().replace('-', "_").to_uppercase())
}

impl<'a> Downloads<'a> {
    /// From a base's vendor, or from the mirror that the environment names.
    #[must_use]
    pub fn of(base: Base, cache: &'a Cache) -> Self {
        Self::new(cache, std::env::var(variable(base)).ok(), PACE)
    }

    /// From this mirror, at this pace.
    #[must_use]
    pub fn new(cache: &'a Cache, mirror: Option<String>, pace: Pace) -> Self {
        Self { cache, mirror: mirror.filter(|mirror| !mirror.is_empty()), pace }
    }

    /// The cache that they go to.
    #[must_use]
    pub fn cache(&self) -> &'a Cache {
        self.cache
    }

    /// Where the file at the vendor's address `url` really comes from: a mirror has it below the host's name, as
    /// `wget --recursive` puts it.
    #[must_use]
    pub fn address(&self, url: &str) -> String {
        let Some(mirror) = &self.mirror else { return url.to_owned() };
        let path = url.split_once("://").map_or(url, |(_, path)| path);
        format!("{}/{path}", mirror.trim_end_matches('/'))
    }

    /// A small file's bytes.
    ///
    /// # Errors
    /// It can't be had, or is not small.
    pub fn document(&self, url: &str, step: &Step<'_>) -> Result<Vec<u8>> {
        let scratch = self.cache.scratch()?;
        let path = scratch.path().join("document");
        self.file(&Wanted { url, sha256: None, most: MAX_DOCUMENT }, &path, step)?;
        Ok(fs::read(path)?)
    }

    /// Downloads a file to `path`; what is there of it already is not fetched again.
    ///
    /// # Errors
    /// It can't be had, is too large or too slow, or is not the one with the digest. What came of it stays, if more of
    /// the same could follow.
    pub fn file(&self, wanted: &Wanted<'_>, path: &Path, step: &Step<'_>) -> Result<()> {
        let address = self.address(wanted.url);
        let scratch = self.cache.scratch()?;
        let apt = Apt::at(scratch.path(), "", "")?;
        let (mut since, mut before) = (Instant::now(), size(path));
        let mut look = || {
            let now = size(path);
            ensure!(now <= wanted.most, TooLarge(wanted.most));
            if now < before || now - before >= self.pace.bytes {
                (since, before) = (Instant::now(), now);
            }
            let Pace { bytes, within } = self.pace;
            ensure!(
                since.elapsed() < within,
                "fewer than {} KiB came in {} s; run hab again, and it goes on from there",
                bytes >> 10,
                within.as_secs()
            );
            step.status(&format!("{} MiB of {address}", now >> 20));
            Ok(())
        };
        let outcome = apt.download_watched(&address, path, wanted.sha256, &mut look);
        let whole = outcome.and_then(|()| {
            ensure!(size(path) <= wanted.most, TooLarge(wanted.most));
            Ok(())
        });
        whole.map_err(|error| {
            // A file with another digest, which apt puts aside, or one of which there is too much already.
            let mut aside = path.to_owned().into_os_string();
            aside.push(".FAILED");
            let _ = fs::remove_file(aside);
            if error.is::<TooLarge>() {
                let _ = fs::remove_file(path);
            }
            self.explained(error, &address)
        })
    }

    fn explained(&self, error: Error, address: &str) -> Error {
        let about = match &self.mirror {
            Some(_) => format!("downloading {address} (from the mirror that the environment names)"),
            None => format!("downloading {address}"),
        };
        error.context(about)
    }
}

/// Whether a download failed because there is no such file.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    // As apt puts it, with the server's own words behind it.
    format!("{error:#}").contains("  404  ")
}

/// More came than can be right.
#[derive(Debug)]
struct TooLarge(u64);

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it has more than {} bytes, so it is not what it should be", self.0)
    }
}

impl std::error::Error for TooLarge {}

/// How much of a file there is.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// The folder of one download, held by this run alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: fs::File,
}

impl Folder {
    /// The folder for what is at the vendor's address `url`.
    ///
    /// # Errors
    /// It can't be made.
    pub fn of(cache: &Cache, url: &str, step: &Step<'_>) -> Result<Self> {
        cache.hold()?;
        let all = cache.root().join(FOLDER);
        let key = KeyBuilder::new().add("url", url).key();
        let path = all.join(key.as_str());
        fs::create_dir_all(&path)?;
        let lock = fs::File::create(all.join(format!("{}.lock", key.as_str())))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            step.note(&format!("waiting for another run of hab that downloads {url}"));
            flock(&lock, FlockOperation::LockExclusive).context("waiting for another run of hab")?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where the file goes as it comes.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join("file")
    }

    /// Where the disk in it goes.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.path.join("disk.qcow2")
    }

    /// Fails if there is no room for so many bytes.
    ///
    /// # Errors
    /// There is not.
    pub fn has_room(&self, bytes: u64) -> Result<()> {
        let about = || format!("looking for free space in {}", self.path.display());
        let all = statvfs(&self.path).with_context(about)?;
        let free = all.f_bavail * all.f_frsize;
        let [needed, there] = [bytes, free].map(|bytes| bytes.div_ceil(1 << 20));
        ensure!(
            bytes <= free,
            "the cache needs {needed} MiB more in {}, where {there} MiB are free; make room, or set XDG_CACHE_HOME",
            self.path.display()
        );
        Ok(())
    }

    /// Removes what is in it: it was used, or is of no use.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Progress, Silent};

    #[test]
    fn a_mirror_has_everything_below_the_hosts_names() {
        let cache = Cache::at("/nowhere".into());
        let of = |mirror: Option<&str>| Downloads::new(&cache, mirror.map(str::to_owned), PACE);
        let url = "https://stable.example.net/amd64-usr/a.img";
        assert_eq!(of(None).address(url), url);
        assert_eq!(of(Some("")).address(url), url);
        for mirror in ["http://m/flatcar", "http://m/flatcar/"] {
            assert_eq!(of(Some(mirror)).address(url), "http://m/flatcar/stable.example.net/amd64-usr/a.img");
        }
        assert_eq!(variable(Base::FedoraCoreos), "HAB_FEDORA_COREOS_MIRROR");
        assert_eq!(variable(Base::Flatcar), "HAB_FLATCAR_MIRROR");
    }

    #[test]
    fn a_folder_knows_when_there_is_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let progress: &dyn Progress = &Silent;
        let folder = Folder::of(&cache, "https://a/b", &progress.step("test", None)).unwrap();
        folder.has_room(1).unwrap();
        let error = folder.has_room(u64::MAX).unwrap_err().to_string();
        assert!(error.contains("XDG_CACHE_HOME"), "{error}");
    }
}
