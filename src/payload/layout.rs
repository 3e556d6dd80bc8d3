//! What goes on a payload, and from where: a role's table met with what the supply has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::manifest::{Check, Image};
use crate::artifacts::Artifacts;
use crate::payload::contents::Load;

/// A file to be put on the disk.
pub struct Source {
    pub from: PathBuf,
    pub sha256: String,
    pub mode: u32,
}

/// Path on the payload -> what goes there.
pub fn sources(load: &Load, artifacts: &Artifacts) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    for (folder, names) in [("bin", &load.programs), ("cni", &load.cni)] {
        for name in names {
            let program = artifacts.program(name)?;
            put(&mut sources, format!("{folder}/{name}"), &program.file.path, &program.file.sha256, 0o755)?;
            for (library, file) in &program.libraries {
                put(&mut sources, format!("lib/{library}"), &file.path, &file.sha256, 0o755)?;
            }
        }
    }
    for name in &load.images {
        let file = &artifacts.image(name)?.file;
        put(&mut sources, archive(name), &file.path, &file.sha256, 0o644)?;
    }
    Ok(sources)
}

/// Adds a file; the same library for two programs is one file, two different ones of one name are an error.
fn put(sources: &mut BTreeMap<String, Source>, path: String, from: &Path, sha256: &str, mode: u32) -> Result<()> {
    if let Some(other) = sources.get(&path) {
        ensure!(other.sha256 == sha256, "{path} would be two different files");
        return Ok(());
    }
    sources.insert(path, Source { from: from.to_owned(), sha256: sha256.to_owned(), mode });
    Ok(())
}

pub fn images(load: &Load, artifacts: &Artifacts) -> Result<Vec<Image>> {
    let images = load.images.iter().map(|name| {
        let image = artifacts.image(name)?;
        Ok(Image { reference: image.reference.clone(), digest: image.digest.clone() })
    });
    images.collect()
}

pub fn checks(load: &Load, artifacts: &Artifacts) -> Result<Vec<Check>> {
    let placed = [("bin", &load.programs), ("cni", &load.cni)];
    let placed = placed.into_iter().flat_map(|(folder, names)| names.iter().map(move |name| (folder, name)));
    let checks = placed.map(|(folder, name)| {
        let artifact = artifacts.program(name)?;
        let program = format!("{folder}/{name}");
        Ok(Check { program, argv: artifact.check.clone(), says: artifact.says.clone() })
    });
    checks.collect()
}

fn archive(image: &str) -> String {
    format!("images/{image}.tar")
}
