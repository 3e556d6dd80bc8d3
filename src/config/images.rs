//! `images` and `registry`: the container images that a lab brings along, and where they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::fields::{Section, is_null, read_like};
use super::free::{self, Entry, text};
use super::raw::Marked;
use super::reference::Reference;
use super::yaml::{Kind, YamlNode};
use crate::problems::{Place, Problems};

/// The port of the lab's own registry, on masters and on the loopback of workers; distribution's own default, and what
/// everybody's registry for a laboratory has.
pub const REGISTRY_PORT: u16 = 5000;

/// Where an image comes from. What it prints is what hab.lock calls it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A registry.
    Registry(Reference),
    /// A file of the lab's folder, as `docker save` or `podman save` writes it.
    Archive {
        /// Its path there.
        path: PathBuf,
        /// What the image is called; `None`: as the file says.
        name: Option<Reference>,
    },
    /// A folder in the lab's folder, with an OCI layout
    /// (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).
    Layout {
        /// Its path there.
        path: PathBuf,
        /// What the image is called; `None`: as the folder says.
        name: Option<Reference>,
    },
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, name) = match self {
            Self::Registry(reference) => return reference.fmt(f),
            Self::Archive { path, name } => ("archive", path, name),
            Self::Layout { path, name } => ("oci", path, name),
        };
        write!(f, "{kind}:{}", path.display())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, " as {name}"))
    }
}

impl Serialize for ImageSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Registries {
    /// Asked first, by the registry they stand for.
    pub mirrors: BTreeMap<String, Mirror>,
    /// Hosts, with their ports, to which plain HTTP and a certificate of nobody's will do.
    pub insecure: Vec<String>,
    /// Whether the masters have one of the lab's own, which its nodes ask for every image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_lab: bool,
}

impl Registries {
    /// True when nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is asked in a registry's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mirror {
    /// Host, port and path.
    pub location: String,
    /// It speaks plain HTTP.
    pub insecure: bool,
}

/// An item of `images`, as it is written.
#[derive(Debug)]
pub enum RawImage {
    /// A name.
    Reference(Marked<String>),
    /// A path, and the name of what is in it.
    File { folder: bool, path: Marked<String>, name: Option<Marked<String>> },
}

impl RawImage {
    /// Where it stands.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Reference(said) => said.place,
            Self::File { path, .. } => path.place,
        }
    }
}

/// Both sections, as they are written.
#[derive(Debug, Default)]
pub struct RawImages {
    pub list: Vec<RawImage>,
    pub mirrors: Vec<Entry<String>>,
    pub insecure: Vec<Marked<String>>,
    pub in_lab: Option<Marked<bool>>,
}

/// Reads `images` and `registry`.
pub fn read(top: &mut Section<'_>, problems: &mut Problems) -> RawImages {
    let mut raw = RawImages::default();
    // All commented out is as good as not there.
    let said = top
        .find("images")
        .filter(|(_, node)| !matches!(&node.kind, Kind::Scalar { text, plain: true } if is_null(text)));
    if said.is_some()
        && let Some(items) = top.list("images", problems)
    {
        raw.list = items.value.iter().filter_map(|node| image(node, problems)).collect();
    }
    if let Some(mut section) = top.section("registry", problems) {
        raw.mirrors = free::texts(&section, "mirrors", problems);
        raw.insecure = free::words(&mut section, "insecure", problems).unwrap_or_default();
        raw.in_lab = section.truth("inLab", problems);
    }
    raw
}

fn image(node: &YamlNode, problems: &mut Problems) -> Option<RawImage> {
    if !matches!(node.kind, Kind::Map(_)) {
        return Some(RawImage::Reference(Marked { value: text(node, "images", problems)?, place: Some(node.place) }));
    }
    let mut section = read_like(node, "images", "images.*", problems);
    let (archive, layout) = (section.text("archive", problems), section.text("oci", problems));
    let name = section.text("name", problems);
    let example =
        || Some("such as `{archive: images/app.tar}` or `{oci: images/layout, name: example.com/app:1}`".to_owned());
    match (archive, layout) {
        (Some(path), None) => Some(RawImage::File { folder: false, path, name }),
        (None, Some(path)) => Some(RawImage::File { folder: true, path, name }),
        (Some(_), Some(path)) => {
            problems.error(path.place, "an image comes from `archive` or from `oci`, not from both", example());
            None
        }
        (None, None) => {
            if !section.has("archive") && !section.has("oci") {
                problems.error(Some(node.place), "an image in `images` has neither `archive` nor `oci`", example());
            }
            None
        }
    }
}
