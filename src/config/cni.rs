//! `kubernetes.cni`: a word, or a section that also names the files of a network that is the user's own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::conflist::Conflist;
use super::fields::Section;
use super::files::good;
use super::images::ImageSource;
use super::manifest::Manifest;
use super::raw::Marked;
use super::reference::Reference;
use super::yaml::shown;
use super::{Config, free};
use crate::problems::Problems;

/// How the names of the images begin that every node has.
const OWN_IMAGES: &str = "localhost/hab/";

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
        if config.internet.is_some() || config.registries.in_lab {
            return;
        }
        for (place, image) in self.images.iter().filter(|(_, image)| !brought(image, &config.images)) {
            let message = format!("{place} wants the image {}, which nothing brings", shown(image));
            problems.warning(None, message, Some("name it in `images`".to_owned()));
        }
    }
}

/// Whether a node has the image that a manifest calls `name`: hab's own, or one that the lab brings along.
fn brought(name: &str, images: &[ImageSource]) -> bool {
    let Ok(wanted) = Reference::new(name) else { return false };
    let is_it = |own: &Reference| {
        let same =
            wanted.digest().map_or(own.tag() == wanted.tag(), |digest| own.digest().is_none_or(|own| own == digest));
        own.name() == wanted.name() && same
    };
    wanted.name().starts_with(OWN_IMAGES)
        || images.iter().any(|image| match image {
            ImageSource::Registry(own) => is_it(own),
            // Without a name it has the one that is in the file, which is read when the lab is built.
            ImageSource::Archive { name, .. } | ImageSource::Layout { name, .. } => name.as_ref().is_none_or(is_it),
        })
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

#[cfg(test)]
mod tests {
    use super::super::load;

    const NETWORK: &str = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: net}\nspec:\n  template:\n    spec:\n      \
        initContainers:\n      - {name: a, image: quay.io/net/cni:v1}\n      containers:\n      - name: b\n        \
        image: \"net@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n      \
        - {name: c, image: localhost/hab/pause:1}\n";

    fn said(more: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("net.yaml"), NETWORK).unwrap();
        std::fs::write(dir.path().join("a.tar"), "").unwrap();
        let text = format!("lab: a\nkubernetes: {{cni: {{name: files, manifests: [net.yaml]}}}}\n{more}\n");
        std::fs::write(dir.path().join("hab.yaml"), text).unwrap();
        let reading = load(dir.path()).unwrap();
        assert!(reading.config.is_some(), "{}", reading.problems);
        reading.problems.to_string()
    }

    #[test]
    fn an_image_that_nothing_brings_is_said_with_its_line() {
        let both = said("");
        assert!(
            both.contains("warning: net.yaml:8 wants the image quay.io/net/cni:v1, which nothing brings"),
            "{both}"
        );
        assert!(both.contains("warning: net.yaml:11 wants the image net@sha256:aaaa"), "{both}");
        assert!(!both.contains("pause"), "{both}");
        let one = said("images: [\"quay.io/net/cni:v1\", \"quay.io/net/cni:v2\"]");
        assert!(!one.contains("net.yaml:8") && one.contains("net.yaml:11"), "{one}");
        for brings in [
            "images: [\"quay.io/net/cni:v1\", \"docker.io/library/net:1\"]",
            "images: [{archive: a.tar}]",
            "network: {internet: true}",
            "registry: {inLab: true}",
        ] {
            assert_eq!(said(brings), "", "{brings}");
        }
        let other = said("images: [{archive: a.tar, name: \"quay.io/net/cni:v1\"}]");
        assert!(!other.contains("net.yaml:8") && other.contains("net.yaml:11"), "{other}");
    }
}
