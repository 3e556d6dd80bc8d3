//! The container images that the user's objects name: which of them a node will not have.

use super::addons::AddonSource;
use super::images::ImageSource;
use super::reference::Reference;
use super::yaml::shown;
use super::{Addon, Config};
use crate::problems::Problems;

/// The image that every node has, and the one of an addon, as far as they have no tags.
const PAUSE: &str = "localhost/hab/pause";
const BUSYBOX: &str = "localhost/hab/busybox";

/// Warns of each of these images, with where it is named, that nothing brings to the nodes.
pub fn warn(images: &[(String, String)], config: &Config, problems: &mut Problems) {
    if config.internet.is_some() || config.registries.in_lab {
        return;
    }
    let busybox = config.addons.contains(&AddonSource::BuiltIn(Addon::Busybox)).then_some(BUSYBOX);
    let own: Vec<&str> = [PAUSE].into_iter().chain(busybox).collect();
    for (place, image) in images.iter().filter(|(_, image)| !brought(image, &config.images, &own)) {
        let message = format!("{place} wants the image {}, which nothing brings", shown(image));
        problems.warning(None, message, Some("name it in `images`".to_owned()));
    }
}

/// Whether a node has the image that a manifest calls `name`: hab's own, or one that the lab brings along.
fn brought(name: &str, images: &[ImageSource], habs: &[&str]) -> bool {
    let Ok(wanted) = Reference::new(name) else { return false };
    let is_it = |own: &Reference| {
        let same =
            wanted.digest().map_or(own.tag() == wanted.tag(), |digest| own.digest().is_none_or(|own| own == digest));
        own.name() == wanted.name() && same
    };
    habs.iter().any(|own| wanted.name() == *own)
        || images.iter().any(|image| match image {
            ImageSource::Registry(own) => is_it(own),
            // Without a name it has the one that is in the file, which is read when the lab is built.
            ImageSource::Archive { name, .. } | ImageSource::Layout { name, .. } => name.as_ref().is_none_or(is_it),
        })
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
