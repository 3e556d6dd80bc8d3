//! `kubernetes.cni`: a word, or a section that also names the files of a network that is the user's own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::conflist::Conflist;
use super::fields::Section;
use super::free;
use super::manifest::Manifest;
use super::raw::Marked;
use super::yaml::Kind;
use crate::problems::Problems;

/// What is said about the pod network.
#[derive(Debug, Default)]
pub struct RawCni {
    pub name: Option<Marked<String>>,
    pub conflist: Option<Marked<String>>,
    pub manifests: Vec<Marked<String>>,
}

/// The files of a network that is the user's own: paths in the lab's folder. None with any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CniFiles {
    /// What containerd is told of the network on every node, if it is known before.
    pub conflist: Option<PathBuf>,
    /// Objects that the first masters apply, in this order.
    pub manifests: Vec<PathBuf>,
}

impl CniFiles {
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conflist.is_none() && self.manifests.is_empty()
    }
}

/// What is in these files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnNetwork {
    /// What containerd is told.
    pub conflist: Option<Conflist>,
    /// Objects, as `hab-probe apply` reads them, by the names of their files.
    pub manifests: Vec<(String, String)>,
    /// Where network policies are among them, such as `network.yaml:12`.
    pub policies: Vec<String>,
}

impl OwnNetwork {
    /// Reads and checks the files in the folder `lab`.
    ///
    /// # Errors
    /// The first that can't be read or is wrong, with everything that is wrong with it.
    pub fn read(lab: &Path, files: &CniFiles) -> Result<Self, Problems> {
        let conflist = files.conflist.as_ref().map(|file| Conflist::read(&lab.join(file))).transpose()?;
        let read = files.manifests.iter().map(|file| Manifest::read(&lab.join(file)));
        let read = read.collect::<Result<Vec<_>, _>>()?;
        let defined: Vec<_> = read.iter().flat_map(Manifest::defines).collect();
        let mut own = Self { conflist, ..Self::default() };
        for (file, manifest) in files.manifests.iter().zip(&read) {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            own.manifests.push((name, manifest.text(&defined)?));
            let lines = manifest.lines_of("NetworkPolicy");
            own.policies.extend(lines.map(|line| format!("{}:{line}", file.display())));
        }
        Ok(own)
    }
}

/// Reads `cni`.
pub fn read(kubernetes: &mut Section, problems: &mut Problems) -> RawCni {
    match kubernetes.find("cni") {
        Some((key, node)) if matches!(node.kind, Kind::Map(_)) => {
            let Some(mut section) = kubernetes.section("cni", problems) else { return RawCni::default() };
            if !section.has("name") {
                let hint = "such as `cni: {name: files, manifests: [network.yaml]}`".to_owned();
                problems.error(Some(key.place), "the key `kubernetes.cni.name` is missing", Some(hint));
            }
            RawCni {
                name: section.text("name", problems),
                conflist: section.text("conflist", problems),
                manifests: free::words(&mut section, "manifests", problems).unwrap_or_default(),
            }
        }
        _ => RawCni { name: kubernetes.text("cni", problems), ..RawCni::default() },
    }
}
