//! What goes on a payload, and from where: a role's table met with what the supply has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::contents::Contents;
use super::manifest::{ImportedImage, VersionCheck};
use crate::artifacts::{Artifacts, HashedFile};

/// A file to be put on the disk.
pub struct Source {
    pub from: PathBuf,
    pub sha256: String,
    pub mode: u32,
}

/// Path on the payload -> what goes there.
pub fn sources(contents: &Contents, artifacts: &Artifacts) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    for (folder, name) in contents.placed() {
        let program = artifacts.program(name)?;
        put(&mut sources, format!("{folder}/{name}"), &program.file, 0o755)?;
        for (library, file) in &program.libraries {
            put(&mut sources, format!("lib/{library}"), file, 0o755)?;
        }
    }
    for name in &contents.images {
        put(&mut sources, archive(name), &artifacts.image(name)?.file, 0o644)?;
    }
    Ok(sources)
}

/// Adds a file; the same library for two programs is one file, two different ones of one name are an error.
fn put(sources: &mut BTreeMap<String, Source>, path: String, file: &HashedFile, mode: u32) -> Result<()> {
    if let Some(other) = sources.get(&path) {
        ensure!(other.sha256 == file.sha256, "{path} would be two different files");
        return Ok(());
    }
    sources.insert(path, Source { from: file.path.clone(), sha256: file.sha256.clone(), mode });
    Ok(())
}

pub fn images(contents: &Contents, artifacts: &Artifacts) -> Result<Vec<ImportedImage>> {
    let images = contents.images.iter().map(|name| {
        let image = artifacts.image(name)?;
        Ok(ImportedImage { reference: image.reference.clone(), digest: image.digest.clone() })
    });
    images.collect()
}

pub fn checks(contents: &Contents, artifacts: &Artifacts) -> Result<Vec<VersionCheck>> {
    let checks = contents.placed().map(|(folder, name)| {
        let artifact = artifacts.program(name)?;
        let program = format!("{folder}/{name}");
        Ok(VersionCheck { program, argv: artifact.check.clone(), says: artifact.says.clone() })
    });
    checks.collect()
}

fn archive(image: &str) -> String {
    format!("images/{image}.tar")
}
