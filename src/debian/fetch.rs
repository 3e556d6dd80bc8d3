//! Packages into the cache, each under its digest.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;

use super::index::SUITE;
use super::mirror::Mirror;
use crate::cache::{Cache, Key, KeyBuilder, Lookup};
use crate::digest::sha256_file;
use crate::exec::apt::Apt;
use crate::lock::Deb;
use crate::progress::StepHandle;

/// The bucket of packages, and the one file of an entry.
const BUCKET: &str = "deb";
const FILE: &str = "package.deb";

/// Downloads those of `debs` that the cache does not have; with all of them there, no connection is tried.
///
/// # Errors
/// One can't be had, or is not what the lock says.
pub fn fetch<'d>(cache: &Cache, debs: impl IntoIterator<Item = &'d Deb>, step: &StepHandle<'_>) -> Result<()> {
    let mut missing: Vec<&Deb> = debs.into_iter().filter(|deb| package(cache, deb).is_err()).collect();
    missing.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    missing.dedup_by(|one, other| one.sha256 == other.sha256);
    if missing.is_empty() {
        return Ok(());
    }
    let size: u64 = missing.iter().map(|deb| deb.size).sum();
    step.status(&format!("fetching {} Debian packages, {} MiB", missing.len(), size >> 20));
    download(cache, &missing).context(
        "fetching Debian packages (one that is not found was replaced by a newer version on the mirror: \
         `hab lock --update` pins that)",
    )
}

/// The package's file in the cache, read through and found to be what the lock says.
///
/// # Errors
/// It is not there or damaged; a damaged one is removed, so that it is fetched again.
pub fn package(cache: &Cache, deb: &Deb) -> Result<PathBuf> {
    match cache.find(BUCKET, &key(deb)) {
        Lookup::Miss => bail!("the package {} is not in the cache", deb.name),
        Lookup::Hit(entry) if sha256_file(&entry.join(FILE))? == deb.sha256 => Ok(entry.join(FILE)),
        Lookup::Hit(entry) => {
            cache.remove(&entry)?;
            bail!("the package {} in the cache was damaged", deb.name)
        }
        Lookup::Damaged(why) => bail!("the package {} in the cache was damaged: {why}", deb.name),
    }
}

fn download(cache: &Cache, missing: &[&Deb]) -> Result<()> {
    let mirror = Mirror::find()?;
    // In the cache's own file system, from where the files need only be renamed.
    let work = cache.scratch()?;
    let apt = Apt::at(&work.path().join("apt"), &mirror.sources(SUITE), "")?;
    let files: Vec<(String, PathBuf)> = missing
        .iter()
        .map(|deb| (mirror.url(deb.archive, &deb.path), work.path().join(format!("{}.deb", deb.sha256))))
        .collect();
    let asked =
        missing.iter().zip(&files).map(|(deb, (url, path))| (url.as_str(), deb.sha256.as_str(), path.as_path()));
    apt.download(asked)?;
    for (deb, (url, path)) in missing.iter().zip(&files) {
        ensure!(sha256_file(path)? == deb.sha256, "{url} is not the file that the lock names");
        cache.make(BUCKET, &key(deb), &|| (), |entry| Ok(fs::rename(path, entry.join(FILE))?))?;
    }
    Ok(())
}

fn key(deb: &Deb) -> Key {
    KeyBuilder::new().add("sha256", &deb.sha256).key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;
    use crate::lock::Archive;
    use crate::progress::{Progress, Silent};

    fn cached(cache: &Cache, bytes: &[u8]) -> Deb {
        let deb = Deb {
            name: "acpid".into(),
            version: "1".into(),
            archive: Archive::Main,
            path: "pool/acpid.deb".into(),
            size: 2,
            sha256: sha256(b"hi"),
        };
        cache.make(BUCKET, &key(&deb), &|| (), |entry| Ok(fs::write(entry.join(FILE), bytes)?)).unwrap();
        deb
    }

    #[test]
    fn what_is_there_is_not_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let deb = cached(&cache, b"hi");
        let progress: &dyn Progress = &Silent;
        fetch(&cache, [&deb, &deb], &progress.step("test", None)).unwrap();
        assert_eq!(fs::read(package(&cache, &deb).unwrap()).unwrap(), b"hi");
    }

    #[test]
    fn a_package_of_other_bytes_is_found_and_put_away() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let deb = cached(&cache, b"ho");
        assert!(package(&cache, &deb).unwrap_err().to_string().contains("damaged"));
        assert!(package(&cache, &deb).unwrap_err().to_string().contains("not in the cache"));
    }
}
