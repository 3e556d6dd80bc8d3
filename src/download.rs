//! Files that somebody publishes, each named by its address and its SHA-256, into the cache.
//!
//! apt's own downloader brings them: it knows the machine's proxies and certificates, goes on where it was cut off, and
//! compares digests. A mirror need not be trusted, because the digest decides.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail, ensure};
use fs_err as fs;

use crate::cache::{Cache, Key, KeyBuilder, Lookup};
use crate::digest::sha256_file;
use crate::exec::apt::{Apt, Limits};
use crate::progress::Step;

/// The bucket of what was downloaded, and the one file of an entry.
const BUCKET: &str = "download";
const FILE: &str = "file";

/// The cache's folder for what came of files that are not whole yet, by their digest: the next run goes on from there.
const PARTIAL: &str = "partial";

/// The address of a mirror. It has `HOST/PATH` of each address `https://HOST/PATH`.
pub const MIRROR: &str = "HAB_RELEASE_MIRROR";

/// What a file may take: the largest that hab wants, a toolchain, has about 70 MB. An hour for it is 20 kB a second.
const FILE_LIMITS: Limits =
    Limits { bytes: 1 << 30, silence: Duration::from_secs(30), time: Duration::from_secs(3600), retries: 3 };

/// The most bytes that a list of digests may have; the longest known has 40 lines.
const TEXT_BYTES: u64 = 1 << 20;

/// How often it is said how much of a file is there.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// A file to be had.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its address.
    pub url: &'a str,
    /// SHA-256, hexadecimal.
    pub sha256: &'a str,
    /// Bytes, where that is known.
    pub size: Option<u64>,
}

/// Where files come from, and where they go.
#[derive(Debug)]
pub struct Downloads<'c> {
    cache: &'c Cache,
    mirror: Option<String>,
    limits: Limits,
}

impl<'c> Downloads<'c> {
    /// From the publishers, or from the mirror that the environment names.
    #[must_use]
    pub fn new(cache: &'c Cache) -> Self {
        let mirror = std::env::var(MIRROR).ok().filter(|address| !address.is_empty());
        Self::with(cache, mirror, FILE_LIMITS)
    }

    /// From this mirror, if it is one, within these limits.
    #[must_use]
    pub fn with(cache: &'c Cache, mirror: Option<String>, limits: Limits) -> Self {
        Self { cache, mirror, limits }
    }

    /// The mirror, if there is one.
    #[must_use]
    pub fn mirror(&self) -> Option<&str> {
        self.mirror.as_deref()
    }

    /// A small text, whatever its digest.
    ///
    /// # Errors
    /// It can't be had, is too long, or no text.
    pub fn text(&self, url: &str) -> Result<String> {
        let work = self.cache.scratch()?;
        let path = work.path().join(FILE);
        let limits = Limits { bytes: TEXT_BYTES, ..self.limits };
        self.attempt(url, &[], &path, &limits)?;
        let bytes = fs::read(&path)?;
        String::from_utf8(bytes).with_context(|| format!("{} is no text", self.address(url)))
    }

    /// The file in the cache, downloaded if it is not there; with it there, no connection is tried.
    ///
    /// # Errors
    /// It can't be had, or is not what is wanted.
    pub fn fetch(&self, wanted: &Wanted<'_>, step: &Step<'_>) -> Result<PathBuf> {
        if let Ok(path) = cached(self.cache, wanted) {
            return Ok(path);
        }
        let waiting = || step.status("waiting: another run of hab is fetching it");
        let entry = self.cache.make(BUCKET, &key(wanted), &waiting, |entry| {
            let folder = self.cache.root().join(PARTIAL);
            fs::create_dir_all(&folder)?;
            let partial = folder.join(wanted.sha256);
            self.whole(wanted, &partial, step)?;
            Ok(fs::rename(&partial, entry.join(FILE))?)
        })?;
        Ok(entry.join(FILE))
    }

    /// Downloads the file to `partial`, from where an earlier run has stopped.
    fn whole(&self, wanted: &Wanted<'_>, partial: &Path, step: &Step<'_>) -> Result<()> {
        let digest = format!("SHA256:{}", wanted.sha256);
        let hashes: Vec<String> =
            [Some(digest), wanted.size.map(|size| format!("Checksum-FileSize:{size}"))].into_iter().flatten().collect();
        let goes_on = partial.exists();
        let attempt = || {
            watched(partial, wanted, step, || self.attempt(wanted.url, &hashes, partial, &self.limits)).inspect_err(
                |_| {
                    // What apt has put aside because it is not the file.
                    drop(fs::remove_file(partial.with_extension("FAILED")));
                },
            )
        };
        let mut result = attempt();
        if result.is_err() && goes_on && !partial.exists() {
            step.note(&format!("{}: what was there was no beginning of it; from the start", name(wanted.url)));
            result = attempt();
        }
        result?;
        ensure!(sha256_file(partial)? == wanted.sha256, "{} is not the file that is wanted", self.address(wanted.url));
        Ok(())
    }

    fn attempt(&self, url: &str, hashes: &[String], path: &Path, limits: &Limits) -> Result<()> {
        let work = self.cache.scratch()?;
        let apt = Apt::at(work.path(), "", "")?;
        let (address, start) = (self.address(url), Instant::now());
        let Err(error) = apt.download_one(&address, hashes, path, limits) else { return Ok(()) };
        let why = if fs::metadata(path).is_ok_and(|found| found.len() >= limits.bytes) {
            fs::remove_file(path)?;
            format!("it is larger than {} MiB, which hab takes for a mistake", limits.bytes >> 20)
        } else if start.elapsed() >= limits.time {
            format!("it was not there after {} s; what came is kept, so try again to go on", limits.time.as_secs())
        } else {
            self.explain(&error).to_owned()
        };
        Err(error.context(format!("fetching {address}: {why}")))
    }

    /// What to do about an error of apt, by its words for it.
    fn explain(&self, error: &Error) -> &'static str {
        let said = format!("{error:#}");
        let known = [
            ("Hash Sum mismatch", "what came is another file than its publisher's list of digests, or the lock, names"),
            ("unexpected size", "what came has another size than the lock names"),
            ("  404  ", "the server has no such file"),
            ("  429  ", "the server has had too many requests; try again later"),
            ("ertificate", "the server can't be trusted: what the machine trusts is in the package ca-certificates"),
        ];
        let found = known.iter().find(|(words, _)| said.contains(words));
        match (found, &self.mirror) {
            (Some((_, why)), _) => why,
            (None, None) => "HAB_RELEASE_MIRROR can name a mirror",
            (None, Some(_)) => "HAB_RELEASE_MIRROR names this mirror",
        }
    }

    fn address(&self, url: &str) -> String {
        match &self.mirror {
            Some(mirror) => {
                format!("{}/{}", mirror.trim_end_matches('/'), url.strip_prefix("https://").unwrap_or(url))
            }
            None => url.to_owned(),
        }
    }
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

/// The last part of an address.
#[must_use]
pub fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn key(wanted: &Wanted<'_>) -> Key {
    KeyBuilder::new().add("sha256", wanted.sha256).key()
}

/// Says how large the file at `partial` is, as long as `work` lasts.
fn watched<T>(partial: &Path, wanted: &Wanted<'_>, step: &Step<'_>, work: impl FnOnce() -> T) -> T {
    let of = wanted.size.map_or_else(String::new, |size| format!(" of {}", mib(size)));
    let (end, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(STATUS_EVERY) == Err(RecvTimeoutError::Timeout) {
                let size = fs::metadata(partial).map_or(0, |found| found.len());
                step.status(&format!("fetching {}: {}{of} MiB", name(wanted.url), mib(size)));
            }
        });
        let result = work();
        drop(end);
        result
    })
}

fn mib(bytes: u64) -> String {
    format!("{}", bytes >> 20)
}
