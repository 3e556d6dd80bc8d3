//! Backups of etcd: what the cluster knows at one moment, in a file that a new etcd can begin from.
//!
//! They are what `etcdctl snapshot save` makes: the database and, behind it, its SHA-256. All secrets of the cluster are in
//! them, so they lie in the lab's private folder.

mod kept;
mod restore;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::Serialize;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

pub use kept::copy_from;
pub use restore::{Target, restore};

use crate::atomic_fs;
use crate::cluster::Cluster;
use crate::config::PRIVATE;
use crate::digest::{hex, sha256_of};

/// The folder of a lab's backups, below its private one.
const FOLDER: &str = "backups";

/// The end of a backup's name.
const END: &str = ".db";

/// What comes before it: the moment, in UTC, so that names sort by age.
const NAME: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// How long the digest is that stands behind the database, in bytes.
const DIGEST: u64 = 32;

/// bbolt's pages are at least so large; a database is a whole number of them
/// (etcd `client/v3/snapshot/v3_snapshot.go`, `hasChecksum`).
const PAGE: u64 = 512;

/// A backup of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Its file's name, without the end.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// How large that is.
    pub bytes: u64,
}

/// All backups of the lab in the folder `lab`, the oldest first.
///
/// # Errors
/// Their folder can't be read.
pub fn list(lab: &Path) -> Result<Vec<Backup>> {
    let folder = folder(lab);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = file.strip_suffix(END).filter(|name| !name.starts_with('.')) {
            all.push(Backup { name: name.to_owned(), path: entry.path(), bytes: entry.metadata()?.len() });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The backup that is meant: a file, one of the lab's by its name, or else the newest of them.
///
/// # Errors
/// There is none.
pub fn find(lab: &Path, wanted: Option<&str>) -> Result<PathBuf> {
    let all = list(lab)?;
    let Some(wanted) = wanted else {
        return Ok(all.into_iter().next_back().context("this lab has no backup; `hab backup` makes one")?.path);
    };
    if let Some(found) = all.iter().find(|backup| backup.name == wanted) {
        return Ok(found.path.clone());
    }
    let path = PathBuf::from(wanted);
    if path.is_file() {
        return Ok(path);
    }
    let names: Vec<&str> = all.iter().map(|backup| backup.name.as_str()).collect();
    bail!("{wanted} is no file and no backup of this lab; its own are: {}", names.join(", "))
}

/// Removes one of the lab's backups.
///
/// # Errors
/// There is none of this name.
pub fn remove(lab: &Path, name: &str) -> Result<()> {
    let all = list(lab)?;
    let found = all.iter().find(|backup| backup.name == name).with_context(|| format!("there is no backup {name}"))?;
    atomic_fs::remove_file(&found.path).map(drop)
}

/// Makes a backup of the cluster that runs, and checks it.
///
/// # Errors
/// No etcd member that is well gives it whole, or the disk is full; then nothing is left of it.
pub fn create(lab: &Path, cluster: &Cluster<'_>, now: OffsetDateTime) -> Result<Backup> {
    write(&writable(lab)?, now, |file| {
        let state = cluster.probe();
        cluster.snapshot(&state, file)
    })
}

/// A new backup in `folder`, of what `fill` brings.
fn write(folder: &Path, now: OffsetDateTime, fill: impl FnOnce(&mut std::fs::File) -> Result<()>) -> Result<Backup> {
    let name = now.format(NAME).context("writing the time")?;
    let path = folder.join(format!("{name}{END}"));
    atomic_fs::write_from(&path, atomic_fs::SECRET, |file| {
        fill(file)?;
        std::io::Seek::rewind(file)?;
        check_whole(file)
    })?;
    let bytes = fs::metadata(&path)?.len();
    Ok(Backup { name, path, bytes })
}

/// The file has its own digest at its end, and is no other file.
///
/// # Errors
/// It is not whole, or can't be read.
pub fn check(path: &Path) -> Result<()> {
    check_whole(fs::File::open(path)?.file()).with_context(|| format!("{} is no whole backup", path.display()))
}

fn check_whole(file: &std::fs::File) -> Result<()> {
    let size = file.metadata()?.len();
    ensure!(size > DIGEST && size % PAGE == DIGEST, "{size} bytes are no database with its digest");
    let digest = sha256_of(file.take(size - DIGEST))?;
    let mut said = Vec::new();
    let mut rest = file;
    rest.read_to_end(&mut said)?;
    ensure!(digest == hex(&said), "its digest is another than that of its bytes");
    Ok(())
}

/// The lab's folder of backups, without what a run that was killed has left in it.
fn writable(lab: &Path) -> Result<PathBuf> {
    let folder = folder(lab);
    atomic_fs::create_private_dir(&folder)?;
    atomic_fs::remove_stale(&folder, |_| true)?;
    Ok(folder)
}

/// A folder inside `folder` for what is large and has the cluster's secrets in it; gone with what is returned.
fn scratch(folder: &Path) -> Result<TempDir> {
    let about = || format!("making a folder in {}", folder.display());
    tempfile::Builder::new().prefix(atomic_fs::PREFIX).tempdir_in(folder).with_context(about)
}

fn folder(lab: &Path) -> PathBuf {
    lab.join(PRIVATE).join(FOLDER)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn database(file: &mut std::fs::File) -> Result<()> {
        let bytes = [7; 1024];
        file.write_all(&bytes)?;
        Ok(file.write_all(&Sha256::digest(bytes))?)
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_796_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_backup_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path();
        let made = write(&writable(lab).unwrap(), at(0), database).unwrap();
        assert_eq!((made.name.as_str(), made.bytes), ("20261130T005320Z", 1056));
        check(&made.path).unwrap();
        for damage in [0, 1030] {
            let mut bytes = std::fs::read(&made.path).unwrap();
            bytes[damage] ^= 1;
            let other = lab.join("other");
            std::fs::write(&other, &bytes).unwrap();
            assert!(format!("{:#}", check(&other).unwrap_err()).contains("its digest is another"));
            std::fs::write(&other, &bytes[..1000]).unwrap();
            assert!(format!("{:#}", check(&other).unwrap_err()).contains("no database with its digest"));
        }
        let half = |file: &mut std::fs::File| Ok(file.write_all(&[1; 512 + 32])?);
        assert!(write(&writable(lab).unwrap(), at(1), half).unwrap_err().to_string().contains("its digest"));
        assert_eq!(list(lab).unwrap(), [made]);
    }

    #[test]
    fn the_newest_is_meant_if_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path();
        assert!(find(lab, None).unwrap_err().to_string().contains("`hab backup` makes one"));
        let [one, two] = [2, 1].map(|seconds| write(&writable(lab).unwrap(), at(seconds), database).unwrap());
        assert_eq!(find(lab, None).unwrap(), one.path);
        assert_eq!(find(lab, Some(&two.name)).unwrap(), two.path);
        assert_eq!(find(lab, one.path.to_str()).unwrap(), one.path);
        let error = find(lab, Some("none")).unwrap_err().to_string();
        assert!(error.contains(&one.name) && error.contains(&two.name), "{error}");
        remove(lab, &one.name).unwrap();
        assert_eq!(list(lab).unwrap(), [two]);
        remove(lab, &one.name).unwrap_err();
    }
}
