//! Programs out of Debian's packages, with the libraries they need, made to run from the payload.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::Catalog;
use super::artifact::{Listed, write_programs};
use super::elf::{LIBRARIES, LOADER, is_static, needed, relocate};
use crate::arch::TARGET;
use crate::cache::{Cache, KeyBuilder};
use crate::debian;
use crate::digest::sha256;
use crate::exec::dpkg_deb;
use crate::lock::Deb;

/// Everything that could change the programs' bytes.
#[must_use]
pub fn key(catalog: &Catalog, debs: &[Deb], key: KeyBuilder) -> KeyBuilder {
    let mut key = key.add("libraries", LIBRARIES).add("loader", LOADER);
    for program in catalog.debian_programs() {
        key = key.add("name", program.name).add("package", program.package).add("file", program.file);
    }
    key.add_all("deb", debs.iter().map(|deb| &deb.sha256))
}

/// Puts the catalog's Debian programs into `entry`; the packages have been fetched.
///
/// # Errors
/// A package lacks what is taken from it, or a program can't be relocated.
pub fn build(cache: &Cache, catalog: &Catalog, debs: &[Deb], entry: &Path) -> Result<String> {
    let root = cache.scratch()?;
    for deb in debs {
        let package = debian::package(cache, deb)?;
        dpkg_deb::extract(&package, root.path()).with_context(|| format!("unpacking {}", deb.name))?;
    }
    let mut programs = BTreeMap::new();
    for program in catalog.debian_programs() {
        let deb = debs.iter().find(|deb| deb.name == program.package);
        let deb = deb.with_context(|| format!("the lock has no package {}", program.package))?;
        let about = || format!("taking {} out of {}", program.file, program.package);
        let mut listed = take(root.path(), entry, program.name, program.file).with_context(about)?;
        listed.version.clone_from(&deb.version);
        programs.insert(program.name, listed);
    }
    write_programs(entry, &programs)?;
    Ok(programs.into_keys().collect::<Vec<_>>().join(", "))
}

/// Relocates one program of the unpacked packages in `root` into `entry`, and copies every library it needs, directly
/// or through another.
fn take(root: &Path, entry: &Path, name: &str, file: &str) -> Result<Listed> {
    let bytes = fs::read(inside(root, file)?)?;
    let mut libraries = BTreeMap::new();
    if is_static(&bytes)? {
        write(&entry.join("bin"), name, &bytes)?;
        return Ok(Listed { sha256: sha256(&bytes), version: String::new(), libraries });
    }
    let mut waiting = needed(&bytes)?;
    // The loader need not be asked for: every program starts with it.
    waiting.push(TARGET.loader.to_owned());
    let moved = relocate(&bytes)?;
    write(&entry.join("bin"), name, &moved)?;
    while let Some(library) = waiting.pop() {
        let own = if library == TARGET.loader { LOADER } else { library.as_str() };
        if libraries.contains_key(own) {
            continue;
        }
        let bytes = fs::read(inside(root, &format!("{}/{library}", TARGET.libraries))?)?;
        waiting.extend(needed(&bytes).with_context(|| format!("reading {library}"))?);
        write(&entry.join("lib"), own, &bytes)?;
        libraries.insert(own.to_owned(), sha256(&bytes));
    }
    Ok(Listed { sha256: sha256(&moved), version: String::new(), libraries })
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
