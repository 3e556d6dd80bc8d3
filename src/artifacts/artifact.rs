//! What a supply delivers, whichever it is: programs and images as files in the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Catalog;
use super::catalog::fill;
use crate::lock::Built;

/// What an entry with programs holds: artifact name -> [`Listed`].
const PROGRAMS: &str = "programs.json";

/// What an entry with an image holds: [`ListedImage`].
const IMAGE: &str = "image.json";

/// The image's file in its entry.
pub const IMAGE_TAR: &str = "image.tar";

/// Everything that was collected, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// Programs by their name on the node.
    pub programs: BTreeMap<String, Program>,
    /// Container images by their name in the catalog.
    pub images: BTreeMap<String, Image>,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub file: HashedFile,
    /// The shared libraries it needs, the loader among them, by file name; none for a static program.
    pub libraries: BTreeMap<String, HashedFile>,
    /// The arguments that make it say its version.
    pub check: Vec<String>,
    /// What it must say then.
    pub says: String,
}

/// One container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The OCI layout in a tar file.
    pub file: HashedFile,
    /// The full name it is imported under.
    pub reference: String,
    /// The digest of its manifest, `sha256:...`.
    pub digest: String,
}

/// A file in the cache and the digest it had when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A program in an entry: its file is `bin/NAME`, its libraries are in `lib/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its version, such as `v1.36.3`.
    pub version: String,
    /// File name -> SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libraries: BTreeMap<String, String>,
}

/// The image in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedImage {
    /// SHA-256 of the tar.
    pub sha256: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Its full name.
    pub reference: String,
}

/// Writes down what programs `entry` holds.
///
/// # Errors
/// It can't be written.
pub fn write_programs(entry: &Path, programs: &BTreeMap<&str, Listed>) -> Result<()> {
    Ok(fs::write(entry.join(PROGRAMS), serde_json::to_vec_pretty(programs)?)?)
}

/// Writes down what image `entry` holds.
///
/// # Errors
/// It can't be written.
pub fn write_image(entry: &Path, image: &ListedImage) -> Result<()> {
    Ok(fs::write(entry.join(IMAGE), serde_json::to_vec_pretty(image)?)?)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&fs::read(path)?).with_context(|| format!("reading {}", path.display()))
}

/// The digests of what `entry` holds, as the lock has them.
///
/// # Errors
/// It can't be read.
pub fn built(entry: &Path) -> Result<Built> {
    let mut built = Built::default();
    if entry.join(PROGRAMS).exists() {
        let programs: BTreeMap<String, Listed> = read(&entry.join(PROGRAMS))?;
        built.programs = programs.into_iter().map(|(name, listed)| (name, listed.sha256)).collect();
    }
    if entry.join(IMAGE).exists() {
        let image: ListedImage = read(&entry.join(IMAGE))?;
        built.images.insert(image.reference, image.digest);
    }
    Ok(built)
}

/// One program of an entry.
///
/// # Errors
/// The entry can't be read or does not have it.
pub fn program_file(entry: &Path, name: &str) -> Result<HashedFile> {
    let mut programs: BTreeMap<String, Listed> = read(&entry.join(PROGRAMS))?;
    let listed = programs.remove(name).with_context(|| format!("{} has no {name}", entry.display()))?;
    Ok(HashedFile { path: entry.join("bin").join(name), sha256: listed.sha256 })
}

impl Artifacts {
    /// Adds the programs of `entry`.
    ///
    /// # Errors
    /// It can't be read.
    pub fn add_programs(&mut self, catalog: &Catalog, entry: &Path) -> Result<()> {
        let programs: BTreeMap<String, Listed> = read(&entry.join(PROGRAMS))?;
        for (name, Listed { sha256, version, libraries }) in programs {
            let artifact = catalog.artifacts.get(&name).with_context(|| format!("the catalog has no {name}"))?;
            let libraries = libraries.into_iter().map(|(name, sha256)| {
                let path = entry.join("lib").join(&name);
                (name, HashedFile { path, sha256 })
            });
            let program = Program {
                file: HashedFile { path: entry.join("bin").join(&name), sha256 },
                libraries: libraries.collect(),
                check: artifact.check.clone(),
                says: fill(&artifact.says, &version),
            };
            self.programs.insert(name, program);
        }
        Ok(())
    }

    /// Adds the image `name` of `entry`.
    ///
    /// # Errors
    /// It can't be read.
    pub fn add_image(&mut self, name: &str, entry: &Path) -> Result<()> {
        let ListedImage { sha256, digest, reference } = read(&entry.join(IMAGE))?;
        let file = HashedFile { path: entry.join(IMAGE_TAR), sha256 };
        self.images.insert(name.to_owned(), Image { file, reference, digest });
        Ok(())
    }

    /// The program called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self, name: &str) -> Result<&Program> {
        self.programs.get(name).with_context(|| format!("the supply has no {name}"))
    }

    /// The image called `name` in the catalog.
    ///
    /// # Errors
    /// There is none.
    pub fn image(&self, name: &str) -> Result<&Image> {
        self.images.get(name).with_context(|| format!("the supply has no image {name}"))
    }
}
