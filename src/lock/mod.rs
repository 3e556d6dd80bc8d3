//! What a lab is made of, written down: `hab.lock`, beside hab.yaml and for git like it.

mod deb;
mod supply;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

pub use deb::{Archive, Base, Deb};
pub use supply::{Built, Supply, Toolchain, Upstream};

/// The file's name in the lab's folder.
pub const FILE: &str = "hab.lock";

/// The layout's version; a hab reads only its own.
const SCHEMA: u32 = 1;

/// Everything that decides the bytes of a lab's boxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: u32,
    /// The base's packages.
    pub base: Base,
    /// The parts of the cluster.
    pub supply: Supply,
}

impl Lock {
    /// A lock of these parts.
    #[must_use]
    pub fn new(base: Base, supply: Supply) -> Self {
        Self { schema: SCHEMA, base, supply }
    }

    /// Reads the lab's lock; `None` when it has none yet.
    ///
    /// # Errors
    /// It is there and can't be read, or is damaged, or of another hab.
    pub fn read(lab: &Path) -> Result<Option<Self>> {
        let path = lab.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        ensure!(path.is_file(), "{} is not a file", path.display());
        let about = || format!("reading {} (`hab lock --update` writes a new one)", path.display());
        let lock: Self = serde_json::from_slice(&fs::read(&path)?).with_context(about)?;
        ensure!(lock.schema == SCHEMA, "{}: it is of another hab", about());
        Ok(Some(lock))
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// It can't be put into JSON, which does not happen.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("writing the lock as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn lock() -> Lock {
        let toolchain = Toolchain { go: "go1.26.8".into(), gcc: "gcc 12".into() };
        let supply = Supply { toolchain, upstreams: BTreeMap::new(), debs: Vec::new(), built: None };
        Lock::new(Base { node: Vec::new(), tools: Vec::new() }, supply)
    }

    #[test]
    fn a_lock_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(dir.path()).unwrap(), None);
        fs::write(dir.path().join(FILE), lock().to_bytes().unwrap()).unwrap();
        assert_eq!(Lock::read(dir.path()).unwrap(), Some(lock()));
    }

    #[test]
    fn a_damaged_or_foreign_lock_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let good = String::from_utf8(lock().to_bytes().unwrap()).unwrap();
        for bad in [&good[..20], &good.replace("\"schema\": 1", "\"schema\": 2"), ""] {
            fs::write(dir.path().join(FILE), bad).unwrap();
            let error = format!("{:#}", Lock::read(dir.path()).unwrap_err());
            assert!(error.contains("hab lock --update"), "{error}");
        }
    }
}
