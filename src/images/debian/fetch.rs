//! Packages into the store, each under its digest.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::index::SUITE;
use super::mirror::Mirror;
use crate::lock::Deb;
use crate::report::Progress;
use crate::store::{Inputs, Key, Store, sha256_file};
use crate::tool::apt::Apt;

/// The store's shelf of packages, and the one file of an entry.
const KIND: &str = "deb";
const FILE: &str = "package.deb";

/// Downloads those of `debs` that the store does not have; with all of them there, no connection is tried.
///
/// # Errors
/// One can't be had, or is not what the lock says.
pub fn fetch(store: &Store, debs: &[&Deb], progress: &dyn Progress) -> Result<()> {
    let mut missing: Vec<&Deb> = debs.iter().copied().filter(|deb| path(store, deb).is_err()).collect();
    missing.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    missing.dedup_by(|one, other| one.sha256 == other.sha256);
    if missing.is_empty() {
        return Ok(());
    }
    let what = "Debian packages";
    progress.begin(what);
    download(store, &missing).context(
        "fetching Debian packages (one that is not found was replaced by a newer version on the mirror: \
         `hab lock --update` pins that)",
    )?;
    let size: u64 = missing.iter().map(|deb| deb.size).sum();
    progress.end(what, &format!("{} fetched, {} MiB", missing.len(), size >> 20));
    Ok(())
}

/// The package's file in the store, read through and found to be what the lock says.
///
/// # Errors
/// It is not there or damaged; a damaged one is removed, so that it is fetched again.
pub fn path(store: &Store, deb: &Deb) -> Result<PathBuf> {
    let entry = store.get(KIND, &key(deb)).with_context(|| format!("the package {} is not in the store", deb.name))?;
    let file = entry.join(FILE);
    if sha256_file(&file)? == deb.sha256 {
        return Ok(file);
    }
    fs::remove_dir_all(&entry)?;
    anyhow::bail!("the package {} in the store was damaged", deb.name)
}

fn download(store: &Store, missing: &[&Deb]) -> Result<()> {
    let mirror = Mirror::find()?;
    // In the store's own file system, from where the files need only be renamed.
    let work = store.scratch()?;
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
        store.get_or_make(KIND, &key(deb), |entry| Ok(fs::rename(path, entry.join(FILE))?))?;
    }
    Ok(())
}

fn key(deb: &Deb) -> Key {
    Inputs::new().add("sha256", &deb.sha256).key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Archive;
    use crate::report::Silent;
    use crate::store::sha256;

    fn shelved(store: &Store, bytes: &[u8]) -> Deb {
        let deb = Deb {
            name: "acpid".into(),
            version: "1".into(),
            archive: Archive::Main,
            path: "pool/acpid.deb".into(),
            size: 2,
            sha256: sha256(b"hi"),
        };
        store.get_or_make(KIND, &key(&deb), |entry| Ok(fs::write(entry.join(FILE), bytes)?)).unwrap();
        deb
    }

    #[test]
    fn what_is_there_is_not_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().into());
        let deb = shelved(&store, b"hi");
        fetch(&store, &[&deb, &deb], &Silent).unwrap();
        assert_eq!(fs::read(path(&store, &deb).unwrap()).unwrap(), b"hi");
    }

    #[test]
    fn a_damaged_package_is_found_and_put_away() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().into());
        let deb = shelved(&store, b"ho");
        assert!(path(&store, &deb).unwrap_err().to_string().contains("damaged"));
        assert!(path(&store, &deb).unwrap_err().to_string().contains("not in the store"));
    }
}
