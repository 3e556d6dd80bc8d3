//! Files at an address, into the cache or to a path.
//!
//! apt's own downloader brings them: it knows the machine's proxies and certificates, goes on where it was cut off, and
//! compares digests. hab looks on: a file has a size and a pace that it must keep. Where a digest or a signature decides, a
//! mirror need not be trusted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail, ensure};
use fs_err as fs;

use crate::cache::{Cache, Key, KeyBuilder, Lookup};
use crate::digest::sha256_file;
use crate::exec::apt::Apt;
use crate::progress::StepHandle;

/// The bucket of whole files, and the one file of an entry.
const BUCKET: &str = "download";
const FILE: &str = "file";

/// The cache's folder for what is not whole yet, or not checked: the next run goes on from there.
const PARTIAL: &str = "partial";

/// The most that versions, lists of digests, keys and signatures may have: the largest, Fedora's list of a stream, has about
/// 200 KiB.
const DOCUMENT_BYTES: u64 = 4 << 20;

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
pub const PACE: Pace = Pace { bytes: 1 << 20, within: Duration::from_secs(120) };

/// How large a file is.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// So many bytes.
    Exactly(u64),
    /// Unknown; more bytes than that are a mistake.
    AtMost(u64),
}

impl Size {
    const fn most(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) => bytes,
        }
    }
}

/// A file that is known by its digest.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its publisher's address.
    pub url: &'a str,
    /// SHA-256, hexadecimal.
    pub sha256: &'a str,
    /// Its size.
    pub size: Size,
}

/// Where files come from, and where they go.
#[derive(Debug, Clone)]
pub struct Downloads<'c> {
    cache: &'c Cache,
    /// The environment's variable that names a mirror.
    variable: String,
    /// What stands before the publisher's host instead of `https://`.
    mirror: Option<String>,
    pace: Pace,
}

impl<'c> Downloads<'c> {
    /// From the publishers, or from the mirror that this variable of the environment names.
    #[must_use]
    pub fn new(cache: &'c Cache, variable: &str) -> Self {
        Self::with(cache, variable, std::env::var(variable).ok(), PACE)
    }

    /// From this mirror, if it is one, at this pace.
    #[must_use]
    pub fn with(cache: &'c Cache, variable: &str, mirror: Option<String>, pace: Pace) -> Self {
        Self { cache, variable: variable.to_owned(), mirror: mirror.filter(|mirror| !mirror.is_empty()), pace }
    }

    /// The cache that they go to.
    #[must_use]
    pub fn cache(&self) -> &'c Cache {
        self.cache
    }

    /// The mirror, if there is one.
    #[must_use]
    pub fn mirror(&self) -> Option<&str> {
        self.mirror.as_deref()
    }

    /// Where the file at the publisher's address `url` really comes from: a mirror has it below the host's name, as
    /// `wget --recursive` puts it.
    #[must_use]
    pub fn address(&self, url: &str) -> String {
        let Some(mirror) = &self.mirror else { return url.to_owned() };
        let path = url.split_once("://").map_or(url, |(_, path)| path);
        format!("{}/{path}", mirror.trim_end_matches('/'))
    }

    /// A small file's bytes, whatever they are.
    ///
    /// # Errors
    /// It can't be had, or is not small.
    pub fn document(&self, url: &str, step: &StepHandle<'_>) -> Result<Vec<u8>> {
        let scratch = self.cache.scratch()?;
        let path = scratch.path().join(FILE);
        self.unknown(url, DOCUMENT_BYTES, &path, step)?;
        Ok(fs::read(path)?)
    }

    /// The file in the cache, downloaded if it is not there; with it there, no connection is tried.
    ///
    /// # Errors
    /// As [`Downloads::file`].
    pub fn fetch(&self, wanted: &Wanted<'_>, step: &StepHandle<'_>) -> Result<PathBuf> {
        if let Ok(path) = cached(self.cache, wanted) {
            return Ok(path);
        }
        let waiting = || step.status("waiting: another run of hab is fetching it");
        let entry = self.cache.make(BUCKET, &key(wanted), &waiting, |entry| {
            let path = partial(self.cache)?.join(wanted.sha256);
            self.file(wanted, &path, step)?;
            ensure!(
                sha256_file(&path)? == wanted.sha256,
                "{} is not the file that is wanted",
                self.address(wanted.url)
            );
            Ok(fs::rename(&path, entry.join(FILE))?)
        })?;
        Ok(entry.join(FILE))
    }

    /// Downloads a file to `path`; what is there of it already is not fetched again.
    ///
    /// # Errors
    /// It can't be had, is too slow, or is not the one that is wanted. What came of it stays, if more of the same could
    /// follow.
    pub fn file(&self, wanted: &Wanted<'_>, path: &Path, step: &StepHandle<'_>) -> Result<()> {
        let mut hashes = vec![format!("SHA256:{}", wanted.sha256)];
        if let Size::Exactly(bytes) = wanted.size {
            hashes.push(format!("Checksum-FileSize:{bytes}"));
        }
        let goes_on = path.exists();
        let attempt = || self.attempt(wanted.url, &hashes, wanted.size, path, step);
        match attempt() {
            Err(_) if goes_on && !path.exists() => {
                step.note(&format!("{}: what was there was no beginning of it; from the start", name(wanted.url)));
                attempt()
            }
            outcome => outcome,
        }
    }

    /// Downloads a file of which nothing is known but the most bytes that it may have; else as [`Downloads::file`].
    ///
    /// # Errors
    /// It can't be had, or is too large or too slow.
    pub fn unknown(&self, url: &str, most: u64, path: &Path, step: &StepHandle<'_>) -> Result<()> {
        self.attempt(url, &[], Size::AtMost(most), path, step)
    }

    fn attempt(&self, url: &str, hashes: &[String], size: Size, path: &Path, step: &StepHandle<'_>) -> Result<()> {
        let address = self.address(url);
        let scratch = self.cache.scratch()?;
        let apt = Apt::at(scratch.path(), "", "")?;
        let of = if let Size::Exactly(bytes) = size { format!(" of {}", bytes >> 20) } else { String::new() };
        let fits = |now: u64| {
            let most = size.most();
            ensure!(now <= most, "it has more than {most} bytes, so it is not what it should be");
            Ok(())
        };
        let (mut since, mut before) = (Instant::now(), length(path));
        let mut look = || {
            let now = length(path);
            fits(now)?;
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
            step.status(&format!("fetching {}: {}{of} MiB", name(url), now >> 20));
            Ok(())
        };
        let outcome = apt.download_one(&address, hashes, path, &mut look);
        outcome.and_then(|()| fits(length(path))).map_err(|error| {
            // What apt has put aside because it is not the file, or what is too much already.
            let mut aside = path.to_owned().into_os_string();
            aside.push(".FAILED");
            let _ = fs::remove_file(aside);
            if length(path) > size.most() {
                let _ = fs::remove_file(path);
            }
            self.explained(error, &address)
        })
    }

    /// Says where it came from, and what an error of apt means.
    fn explained(&self, error: Error, address: &str) -> Error {
        let said = format!("{error:#}");
        let error = match KNOWN.iter().find(|(words, _)| said.contains(words)) {
            Some((_, why)) => error.context(*why),
            None => error,
        };
        let mirror = if self.mirror.is_some() { "names this mirror" } else { "can name a mirror" };
        error.context(format!("fetching {address} ({} {mirror})", self.variable))
    }
}

/// How apt says that there is no such file, with the server's own words behind it.
const MISSING: &str = "  404  ";

/// Words of apt's errors, and what they mean.
const KNOWN: [(&str, &str); 6] = [
    ("Hash Sum mismatch", "what came is another file than its publisher's list of digests, or the lock, names"),
    ("unexpected size", "what came has another size than the lock names"),
    ("more data than expected", "it has more bytes than the lock names, so it is not what it should be"),
    (MISSING, "the server has no such file"),
    ("  429  ", "the server has had too many requests; try again later"),
    ("ertificate", "the server can't be trusted: what the machine trusts is in the package ca-certificates"),
];

/// Whether a download failed because there is no such file.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    format!("{error:#}").contains(MISSING)
}

/// The file in the cache, read through and found to be what it was.
///
/// # Errors
/// It is not there or damaged; a damaged one is removed, so that it is fetched again.
pub fn cached(cache: &Cache, wanted: &Wanted<'_>) -> Result<PathBuf> {
    let about = || format!("{} in the cache", name(wanted.url));
    match cache.find(BUCKET, &key(wanted)) {
        Lookup::Miss => bail!("{} is not there", about()),
        Lookup::Damaged(why) => bail!("{} was damaged: {why}", about()),
        Lookup::Hit(entry) => {
            if let Err(error) = cache.verify(&entry) {
                cache.remove(&entry)?;
                return Err(error.context(format!("{} was damaged", about())));
            }
            Ok(entry.join(FILE))
        }
    }
}

/// The cache's folder for what is not whole yet, or not checked. It stays until somebody makes it whole, or until
/// `hab clean --cache`.
///
/// # Errors
/// It can't be made.
pub fn partial(cache: &Cache) -> Result<PathBuf> {
    cache.hold()?;
    let folder = cache.root().join(PARTIAL);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The last part of an address.
#[must_use]
pub fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn key(wanted: &Wanted<'_>) -> Key {
    KeyBuilder::new().add("sha256", wanted.sha256).key()
}

/// How much of a file there is.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_everything_below_the_hosts_names() {
        let cache = Cache::at("/nowhere".into());
        let of = |mirror: Option<&str>| Downloads::with(&cache, "MIRROR", mirror.map(str::to_owned), PACE);
        let url = "https://stable.example.net/amd64-usr/a.img";
        assert_eq!(of(None).address(url), url);
        assert_eq!(of(Some("")).address(url), url);
        for mirror in ["http://m/flatcar", "http://m/flatcar/"] {
            assert_eq!(of(Some(mirror)).address(url), "http://m/flatcar/stable.example.net/amd64-usr/a.img");
        }
    }
}
