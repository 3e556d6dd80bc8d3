//! `out/addons.json`: what the masters have the cluster run besides, for those who ask whether it is there.

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::OUT;
use crate::atomic_fs::{self, Batch};
use crate::node::addons::Addon;

const FILE: &str = "addons.json";

/// Writes the file, in a lab with addons.
pub(super) fn write(lab: &Path, addons: &[Addon], batch: &mut Batch) -> Result<()> {
    if addons.is_empty() {
        return Ok(());
    }
    batch.add(&lab.join(OUT).join(FILE), atomic_fs::PUBLIC, &serde_json::to_vec_pretty(addons)?)
}

/// Removes the file, in a lab without.
pub(super) fn remove(lab: &Path, addons: &[Addon]) -> Result<()> {
    if addons.is_empty() {
        atomic_fs::remove_file(&lab.join(OUT).join(FILE))?;
    }
    Ok(())
}

/// The addons of the lab in `lab` as they were rendered; none if there is no file.
///
/// # Errors
/// The file is damaged.
pub fn read(lab: &Path) -> Result<Vec<Addon>> {
    let path = lab.join(OUT).join(FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
}
