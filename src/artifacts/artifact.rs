//! What a supply delivers, whichever it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::lock::Built;

/// Everything a table describes, as files in the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// Programs by their name on the node.
    pub programs: BTreeMap<String, Artifact>,
    /// Container images by their name in the table.
    pub images: BTreeMap<String, Archive>,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The file.
    pub file: Summed,
    /// Its version, such as `v1.36.3`.
    pub version: String,
    /// The shared libraries it needs, the loader among them, by file name; none for a static program.
    pub libraries: BTreeMap<String, Summed>,
    /// The arguments that make it say its version.
    pub check: Vec<String>,
    /// What it must say then.
    pub says: String,
}

/// One container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The OCI layout in a tar file.
    pub file: Summed,
    /// The full name it is imported under.
    pub reference: String,
    /// The digest of its manifest, `sha256:...`.
    pub digest: String,
}

/// A file in the cache and the digest it had when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summed {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl Artifacts {
    /// The program called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self, name: &str) -> Result<&Artifact> {
        self.programs.get(name).with_context(|| format!("the supply has no {name}"))
    }

    /// The image called `name` in the table.
    ///
    /// # Errors
    /// There is none.
    pub fn image(&self, name: &str) -> Result<&Archive> {
        self.images.get(name).with_context(|| format!("the supply has no image {name}"))
    }

    /// The digests, for the lock.
    #[must_use]
    pub fn built(&self) -> Built {
        Built {
            programs: self.programs.iter().map(|(name, a)| (name.clone(), a.file.sha256.clone())).collect(),
            images: self.images.values().map(|image| (image.reference.clone(), image.digest.clone())).collect(),
        }
    }
}
