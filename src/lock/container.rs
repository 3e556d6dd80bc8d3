//! Container images in the lock: the bytes that their names meant on the day it was written.

use serde::{Deserialize, Serialize};

use super::{Deb, Upstream};

/// All that decides the bytes of the lab's disk of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// The packages whose programs fetch images and write their layers.
    pub packages: Vec<Deb>,
    /// The program that tells containerd of them on a node.
    pub linker: Upstream,
    /// The images, in the order of hab.yaml.
    pub list: Vec<ContainerImage>,
    /// The SHA-256 of the disk that the first build made of all this, hexadecimal; every later one must make the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerImage {
    /// Where it comes from, as hab.yaml has it.
    pub from: String,
    /// What it is called on a node, each with its registry, and a tag or a digest.
    pub names: Vec<String>,
    /// The list of the image's platforms, where there is one: then its digest is the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Blob>,
    /// The manifest for the nodes' platform.
    pub manifest: Blob,
    /// What is run in it.
    pub config: Blob,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

impl ContainerImage {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn unknown(from: String) -> Self {
        let none = || Blob { media_type: String::new(), size: 0, digest: String::new() };
        Self { from, names: Vec::new(), index: None, manifest: none(), config: none(), layers: Vec::new() }
    }

    /// What its names lead to: its index, or its manifest if it has none.
    #[must_use]
    pub fn target(&self) -> &Blob {
        self.index.as_ref().unwrap_or(&self.manifest)
    }

    /// All its blobs, each once.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        let mut seen = std::collections::BTreeSet::new();
        let all =
            self.index.iter().chain([&self.manifest, &self.config]).chain(self.layers.iter().map(|layer| &layer.blob));
        all.filter(move |blob| seen.insert(&blob.digest))
    }
}

/// Bytes with their digest (an OCI descriptor).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// What they are.
    pub media_type: String,
    /// How many.
    pub size: u64,
    /// `sha256:` and hexadecimal digits.
    pub digest: String,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// It as it is fetched, most often compressed.
    pub blob: Blob,
    /// The digest of the tar in it.
    pub diff_id: String,
}

/// The digits of a digest.
#[must_use]
pub fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}
