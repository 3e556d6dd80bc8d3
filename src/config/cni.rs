//! `kubernetes.cni`: a word, or a section that also names the files of a network that is the user's own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::conflist::Conflist;
use super::fields::Section;
use super::files::good;
use super::manifest::{Defined, Manifest};
use super::raw::Marked;
use super::{Config, brought, free};
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
    /// The kinds that they bring along.
    pub(super) defines: Vec<Defined>,
    /// Where network policies are among them, such as `network.yaml:12`.
    policies: Vec<String>,
    /// The container images that they name, and where.
    images: Vec<(String, String)>,
}

impl OwnNetwork {
    /// Reads and checks the files in the folder `lab`; what is wrong with any goes to `wrong`.
    pub fn read(lab: &Path, files: &CniFiles, wrong: &mut Vec<Problems>) -> Self {
        let conflist = files.conflist.as_ref().and_then(|file| good(Conflist::read(&lab.join(file)), wrong));
        let mut own = Self { conflist, ..Self::default() };
        let read =
            files.manifests.iter().filter_map(|file| Some((file, good(Manifest::read(&lab.join(file)), wrong)?)));
        let read: Vec<_> = read.collect();
        if read.len() < files.manifests.len() {
            // What the others define is not known.
            return own;
        }
        let defined: Vec<_> = read.iter().flat_map(|(_, manifest)| manifest.defines()).collect();
        for (file, manifest) in &read {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            own.manifests.extend(good(manifest.text(&defined), wrong).map(|text| (name, text)));
            let at = |line: usize| format!("{}:{line}", file.display());
            own.policies.extend(manifest.lines_of("NetworkPolicy").map(at));
            own.defines.extend(manifest.defines().cloned());
            own.images.extend(manifest.images().map(|(line, image)| (at(line), image.to_owned())));
        }
        own
    }

    /// Warns of what will not be as somebody may expect who reads these files.
    pub fn warn(&self, config: &Config, problems: &mut Problems) {
        for place in self.policies.iter().filter(|_| !config.kubernetes.network_policies) {
            let message = format!("{place} is a NetworkPolicy, which your own network enforces or not");
            let hint = "with `kubernetes.networkPolicies: true` hab does".to_owned();
            problems.warning(None, message, Some(hint));
        }
        brought::warn(&self.images, config, problems);
    }
}

/// Reads `cni`.
pub fn read(kubernetes: &mut Section, problems: &mut Problems) -> RawCni {
    let (name, section) = kubernetes.named("cni", "cni: {name: files, manifests: [network.yaml]}", problems);
    let mut raw = RawCni { name, ..RawCni::default() };
    if let Some(mut section) = section {
        raw.conflist = section.text("conflist", problems);
        raw.manifests = free::words(&mut section, "manifests", problems).unwrap_or_default();
    }
    raw
}
