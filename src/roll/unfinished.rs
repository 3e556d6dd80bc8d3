//! What a roll has begun, noted so that one that was cut off is gone on with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::atomic_fs;
use crate::config::PRIVATE;

/// The nodes that a roll has begun with and not finished: they may be drained, without a machine, or not Ready yet.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    nodes: BTreeSet<String>,
}

impl Unfinished {
    /// Those of the lab in the folder `lab`.
    ///
    /// # Errors
    /// The note is damaged.
    pub fn read(lab: &Path) -> Result<Self> {
        let path = lab.join(PRIVATE).join("roll.json");
        if !path.exists() {
            return Ok(Self { path, nodes: BTreeSet::new() });
        }
        let nodes = serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { path, nodes })
    }

    /// Their names.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeSet<String> {
        &self.nodes
    }

    /// These are begun with.
    ///
    /// # Errors
    /// The note can't be written.
    pub fn begin(&mut self, names: &[&str]) -> Result<()> {
        self.nodes.extend(names.iter().map(|name| (*name).to_owned()));
        self.write()
    }

    /// These are done.
    ///
    /// # Errors
    /// The note can't be written.
    pub fn done(&mut self, names: &[&str]) -> Result<()> {
        self.nodes.retain(|name| !names.contains(&name.as_str()));
        if self.nodes.is_empty() { atomic_fs::remove_file(&self.path).map(drop) } else { self.write() }
    }

    fn write(&self) -> Result<()> {
        atomic_fs::write(&self.path, atomic_fs::SECRET, &serde_json::to_vec(&self.nodes)?).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_known_until_it_is_done() {
        let lab = tempfile::tempdir().unwrap();
        std::fs::create_dir(lab.path().join(PRIVATE)).unwrap();
        let read = || Unfinished::read(lab.path()).unwrap().nodes().iter().cloned().collect::<Vec<_>>();
        let mut unfinished = Unfinished::read(lab.path()).unwrap();
        unfinished.begin(&["w-02", "w-01"]).unwrap();
        assert_eq!(read(), ["w-01", "w-02"]);
        unfinished.done(&["w-01"]).unwrap();
        assert_eq!(read(), ["w-02"]);
        unfinished.done(&["w-02"]).unwrap();
        assert!(read().is_empty() && !lab.path().join("private/roll.json").exists());
    }
}
