//! Packages into the cache, each under its digest.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::index::SUITE;
use super::mirror::Mirror;
use crate::cache::{Cache, Inputs, Key, sha256_file};
use crate::exec::apt::Apt;
use crate::lock::Deb;
use crate::progress::Progress;

/// The cache's shelf of packages, and the one file of an entry.
const KIND: &str = "deb";
const FILE: &str = "package.deb";

/// Downloads those of `debs` that the cache does not have; with all of them there, no connection is tried.
///
/// # Errors
/// One can't be had, or is not what the lock says.
pub fn fetch(cache: &Cache, debs: &[&Deb], progress: &dyn Progress) -> Result<()> {
    let mut missing: Vec<&Deb> = debs.iter().copied().filter(|deb| path(cache, deb).is_err()).collect();
    missing.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    missing.dedup_by(|one, other| one.sha256 == other.sha256);
    if missing.is_empty() {
        return Ok(());
    }
    let what = "Debian packages";
    progress.begin(what);
    download(cache, &missing).context(
        "fetching Debian packages (one that is not found was replaced by a newer version on the mirror: \
         `hab lock --update` pins that)",
    )?;
    let size: u64 = missing.iter().map(|deb| deb.size).sum();
    progress.end(what, &format!("{} fetched, {} MiB", missing.len(), size >> 20));
    Ok(())
}

/// The package's file in the cache, read through and found to be what the lock says.
///
/// # Errors
/// It is not there or damaged; a damaged one is removed, so that it is fetched again.
pub fn path(cache: &Cache, deb: &Deb) -> Result<PathBuf> {
    let entry = cache.get(KIND, &key(deb)).with_context(|| format!("the package {} is not in the cache", deb.name))?;
    let file = entry.join(FILE);
    if sha256_file(&file)? == deb.sha256 {
        return Ok(file);
    }
    fs::remove_dir_all(&entry)?;
    anyhow::bail!("the package {} in the cache was damaged", deb.name)
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
        cache.get_or_make(KIND, &key(deb), |entry| Ok(fs::rename(path, entry.join(FILE))?))?;
    }
    Ok(())
}

fn key(deb: &Deb) -> Key {
    Inputs::new().add("sha256", &deb.sha256).key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::sha256;
    use crate::lock::Archive;
    use crate::progress::Silent;

    fn shelved(cache: &Cache, bytes: &[u8]) -> Deb {
        let deb = Deb {
            name: "acpid".into(),
            version: "1".into(),
            archive: Archive::Main,
            path: "pool/acpid.deb".into(),
            size: 2,
            sha256: sha256(b"hi"),
        };
        cache.get_or_make(KIND, &key(&deb), |entry| Ok(fs::write(entry.join(FILE), bytes)?)).unwrap();
        deb
    }

    #[test]
    fn what_is_there_is_not_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let deb = shelved(&cache, b"hi");
        fetch(&cache, &[&deb, &deb], &Silent).unwrap();
        assert_eq!(fs::read(path(&cache, &deb).unwrap()).unwrap(), b"hi");
    }

    #[test]
    fn a_damaged_package_is_found_and_put_away() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().into());
        let deb = shelved(&cache, b"ho");
        assert!(path(&cache, &deb).unwrap_err().to_string().contains("damaged"));
        assert!(path(&cache, &deb).unwrap_err().to_string().contains("not in the cache"));
    }
}
