//! Programs out of Debian's packages, with the libraries they need, relocated into the payload.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::{Deserialize, Serialize};

use super::{Origin, Summed, Table};
use crate::artifacts::elf::{DEBIAN_LOADER, LIBRARIES, LOADER, needed, relocate};
use crate::cache::{Cache, Inputs, Key, Made, sha256};
use crate::debian;
use crate::exec::dpkg_deb;
use crate::lock::Deb;
use crate::progress::Progress;

/// Where trixie keeps libraries; the older places are links to it (<https://wiki.debian.org/UsrMerge>).
const LIBRARY_FOLDER: &str = "usr/lib/x86_64-linux-gnu";

/// The shelf of relocated programs.
const KIND: &str = "relocated";

/// What progress calls it.
pub const WHAT: &str = "Debian's programs";

/// What an entry holds, so that using it again does not read its files.
const CONTENTS: &str = "contents.json";

/// A program, relocated or not in need of it.
#[derive(Debug, Clone)]
pub struct Program {
    pub file: Summed,
    pub version: String,
    pub libraries: BTreeMap<String, Summed>,
}

/// [`Program`] as it is written down in the entry, paths being known.
#[derive(Serialize, Deserialize)]
struct Listed {
    sha256: String,
    version: String,
    libraries: BTreeMap<String, String>,
}

/// Artifact name, package and file of each program of the table.
type Wanted<'a> = Vec<(&'a str, &'a str, &'a str)>;

/// Downloads the packages, unless what is wanted of them is there already.
pub fn fetch(cache: &Cache, table: &Table, debs: &[Deb], progress: &dyn Progress) -> Result<()> {
    if cache.get(KIND, &key(&wanted(table), debs)).is_some() {
        return Ok(());
    }
    debian::fetch(cache, &debs.iter().collect::<Vec<_>>(), progress)
}

/// The table's Debian programs, by artifact name.
pub fn build(cache: &Cache, table: &Table, debs: &[Deb], progress: &dyn Progress) -> Result<BTreeMap<String, Program>> {
    let wanted = wanted(table);
    let (entry, made) = cache.get_or_make(KIND, &key(&wanted, debs), |entry| {
        debian::fetch(cache, &debs.iter().collect::<Vec<_>>(), progress)?;
        progress.begin(WHAT);
        let root = tempfile::tempdir_in(entry).context("making a folder")?;
        for deb in debs {
            let package = debian::path(cache, deb)?;
            dpkg_deb::extract(&package, root.path()).with_context(|| format!("unpacking {}", deb.name))?;
        }
        let mut contents = BTreeMap::new();
        for &(name, package, file) in &wanted {
            let deb = debs.iter().find(|deb| deb.name == package);
            let deb = deb.with_context(|| format!("the package {package} was not fetched"))?;
            let listed = take(root.path(), entry, name, file, &deb.version);
            contents.insert(name, listed.with_context(|| format!("taking {file} out of {package}"))?);
        }
        Ok(fs::write(entry.join(CONTENTS), serde_json::to_vec_pretty(&contents)?)?)
    })?;
    if made == Made::Now {
        let names: Vec<&str> = wanted.iter().map(|(name, ..)| *name).collect();
        progress.end(WHAT, &format!("{} relocated", names.join(", ")));
    }
    let contents: BTreeMap<String, Listed> = serde_json::from_slice(&fs::read(entry.join(CONTENTS))?)
        .with_context(|| format!("reading {CONTENTS} of {}", entry.display()))?;
    Ok(contents.into_iter().map(|(name, listed)| (name.clone(), program(&entry, &name, listed))).collect())
}

fn wanted(table: &Table) -> Wanted<'_> {
    let wanted = table.artifacts.iter().filter_map(|(name, entry)| match &entry.origin {
        Origin::Debian { package, file } => Some((name.as_str(), package.as_str(), file.as_str())),
        _ => None,
    });
    wanted.collect()
}

fn key(wanted: &Wanted, debs: &[Deb]) -> Key {
    let mut inputs = Inputs::new().add("libraries", LIBRARIES).add("loader", LOADER);
    for (name, package, file) in wanted {
        inputs = inputs.add("name", name).add("package", package).add("file", file);
    }
    for deb in debs {
        inputs = inputs.add("deb", &deb.sha256);
    }
    inputs.key()
}

fn program(entry: &Path, name: &str, listed: Listed) -> Program {
    let libraries = listed
        .libraries
        .into_iter()
        .map(|(name, sha256)| (name.clone(), Summed { path: entry.join("lib").join(name), sha256 }))
        .collect();
    let file = Summed { path: entry.join("bin").join(name), sha256: listed.sha256 };
    Program { file, version: listed.version, libraries }
}

/// Relocates one program of the unpacked packages in `root` into `entry`, and copies every library it needs, directly
/// or through another.
fn take(root: &Path, entry: &Path, name: &str, file: &str, version: &str) -> Result<Listed> {
    let bytes = fs::read(inside(root, file)?)?;
    let mut waiting = needed(&bytes)?;
    // The loader need not be asked for: every program starts with it.
    waiting.push(DEBIAN_LOADER.to_owned());
    let moved = relocate(&bytes)?;
    write(&entry.join("bin"), name, &moved)?;
    let mut libraries = BTreeMap::new();
    while let Some(library) = waiting.pop() {
        let own = if library == DEBIAN_LOADER { LOADER } else { library.as_str() };
        if libraries.contains_key(own) {
            continue;
        }
        let path = inside(root, &format!("{LIBRARY_FOLDER}/{library}"))?;
        let bytes = fs::read(path)?;
        waiting.extend(needed(&bytes).with_context(|| format!("reading {library}"))?);
        write(&entry.join("lib"), own, &bytes)?;
        libraries.insert(own.to_owned(), sha256(&bytes));
    }
    Ok(Listed { sha256: sha256(&moved), version: version.to_owned(), libraries })
}

/// The file behind `path`, links followed; one that leads out of the packages is refused.
fn inside(root: &Path, path: &str) -> Result<PathBuf> {
    let file = fs::canonicalize(root.join(path))?;
    ensure!(file.starts_with(fs::canonicalize(root)?), "{path} leads out of the packages");
    Ok(file)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    fs::create_dir_all(folder)?;
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(folder.join(name))?;
    Ok(file.write_all(bytes)?)
}
