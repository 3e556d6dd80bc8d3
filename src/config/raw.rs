//! The YAML tree as fields: every key optional, every value of the right type and at its place. Nothing is decided here.

use super::addons;
use super::base::{self, RawBase};
use super::cni::{self, RawCni};
use super::components::{self, RawComponents, RawHaproxy};
use super::fields::{Section, read_like, read_section};
use super::free::{self, Entry, RawKubelet};
use super::hardware::{self, RawHardware};
use super::images::{self, RawImages};
use super::internet::{self, RawInternet};
use super::yaml::YamlNode;
use crate::problems::{Place, Problems};
use crate::role::{PerRole, Role};

/// A value and where the user wrote it; no place when it is a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Option<Place>,
}

/// What `hab.yaml` says, and nothing it does not say.
#[derive(Debug, Default)]
pub struct Raw {
    pub lab: Option<Marked<String>>,
    pub base: RawBase,
    pub provider: Option<Vec<Marked<String>>>,
    pub supply: Option<Marked<String>>,
    pub start: Option<Marked<String>>,
    pub shell: Option<Marked<bool>>,
    pub version: Option<Marked<String>>,
    pub domain: Option<Marked<String>>,
    pub cni: RawCni,
    pub network_policies: Option<Marked<bool>>,
    pub network: RawNetwork,
    pub nodes: PerRole<RawMachines>,
    pub components: RawComponents,
    pub haproxy: RawHaproxy,
    pub images: RawImages,
    pub addons: Vec<Marked<String>>,
    pub common: Option<Marked<String>>,
    pub snippets: PerRole<Option<Marked<String>>>,
}

/// The section `network`.
#[derive(Debug, Default)]
pub struct RawNetwork {
    pub nodes: Option<Marked<String>>,
    pub pods: Option<Marked<String>>,
    pub services: Option<Marked<String>>,
    pub extra: Vec<Entry<String>>,
    pub internet: RawInternet,
}

/// One role's section under `nodes`.
#[derive(Debug, Default)]
pub struct RawMachines {
    pub count: Option<Marked<u32>>,
    pub memory: Option<Marked<u32>>,
    pub cpus: Option<Marked<u32>>,
    pub disk: Option<Marked<u32>>,
    pub prefix: Option<Marked<String>>,
    pub hardware: RawHardware,
    pub kubelet: RawKubelet,
    /// By what the user calls the node.
    pub overrides: Vec<(Marked<String>, RawOverride)>,
}

/// What one node has in place of its role's.
#[derive(Debug, Default)]
pub struct RawOverride {
    pub address: Option<Marked<String>>,
    pub memory: Option<Marked<u32>>,
    pub cpus: Option<Marked<u32>>,
    pub disk: Option<Marked<u32>>,
    pub hardware: RawHardware,
    pub kubelet: RawKubelet,
}

/// Reads the tree of a whole file; every wrong key and type is noted.
pub fn read(root: &YamlNode, problems: &mut Problems) -> Raw {
    let mut top = read_section(root, "", problems);
    if !top.has("lab") {
        let hint = "the lab needs a name: add a line such as `lab: demo`".to_owned();
        problems.error(None, "the key `lab` is missing", Some(hint));
    }
    let mut raw = Raw {
        lab: top.text("lab", problems),
        base: base::read(&mut top, problems),
        provider: free::words(&mut top, "provider", problems),
        supply: top.text("supply", problems),
        start: top.text("start", problems),
        shell: top.truth("shell", problems),
        images: images::read(&mut top, problems),
        addons: addons::read(&top, problems),
        ..Raw::default()
    };
    if let Some(mut section) = top.section("kubernetes", problems) {
        raw.version = section.text("version", problems);
        raw.domain = section.text("domain", problems);
        raw.cni = cni::read(&mut section, problems);
        raw.network_policies = section.truth("networkPolicies", problems);
        raw.components = components::read(&mut section, problems);
    }
    if let Some(mut section) = top.section("network", problems) {
        raw.network.nodes = section.text("nodes", problems);
        raw.network.pods = section.text("pods", problems);
        raw.network.services = section.text("services", problems);
        raw.network.extra = free::texts(&section, "extra", problems);
        raw.network.internet = internet::read(&mut section, problems);
    }
    if let Some(mut section) = top.section("nodes", problems) {
        raw.nodes = PerRole::from_fn(|role| match section.section(role.name(), problems) {
            Some(mut section) => machines(&mut section, role, problems),
            None => RawMachines::default(),
        });
    }
    if let Some(mut section) = top.section("haproxy", problems) {
        raw.haproxy = components::haproxy(&mut section, problems);
    }
    if let Some(mut section) = top.section("ignition", problems) {
        raw.common = section.text("common", problems);
        raw.snippets = PerRole::from_fn(|role| section.text(role.name(), problems));
    }
    raw
}

fn machines(section: &mut Section, role: Role, problems: &mut Problems) -> RawMachines {
    let kind = if role.has_kubelet() { "nodes.*.override.*" } else { "nodes.etcd.override.*" };
    let overrides = section.entries("override", problems).into_iter().map(|(key, node, path)| {
        let mut section = read_like(node, &path, kind, problems);
        let node = RawOverride {
            address: section.text("address", problems),
            memory: section.number("memory", problems),
            cpus: section.number("cpus", problems),
            disk: section.number("disk", problems),
            hardware: hardware::read(&mut section, problems),
            kubelet: free::kubelet(&mut section, problems),
        };
        (Marked { value: key.text.clone(), place: Some(key.place) }, node)
    });
    let overrides = overrides.collect();
    RawMachines {
        hardware: hardware::read(section, problems),
        kubelet: free::kubelet(section, problems),
        overrides,
        count: section.number("count", problems),
        memory: section.number("memory", problems),
        cpus: section.number("cpus", problems),
        disk: section.number("disk", problems),
        prefix: section.text("prefix", problems),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    fn said(text: &str) -> String {
        let mut problems = Problems::new("hab.yaml", text);
        let root = parse(text, &mut problems).unwrap();
        read(&root, &mut problems);
        problems.to_string()
    }

    #[test]
    fn unknown_keys_come_with_the_nearest_right_name() {
        for (text, expected) in [
            ("lab: a\nnodez: {}\n", "did you mean `nodes`?"),
            ("lab: a\nnodes: {worker: {cuont: 1}}\n", "did you mean `count`?"),
            ("lab: a\nworker: {count: 1}\n", "`worker` belongs under `nodes`"),
            ("lab: a\nversion: v1\n", "`version` belongs under `kubernetes`"),
            ("lab: a\nnodes: {worker: {domain: x}}\n", "`domain` belongs under `kubernetes`"),
            (
                "lab: a\nnetwork: {quux: x}\n",
                "known here: nodes, pods, services, extra, internet, proxy, trustedCertificates",
            ),
        ] {
            assert!(said(text).contains(expected), "{text:?}: {}", said(text));
        }
    }

    #[test]
    fn types_are_checked_one_by_one() {
        let text = "lab: a\nnodes:\n  etcd: {count: three}\n  master: {memory: 0644, cpus: 1e3}\n  worker: {count: \"2\", memory: 2G, cpus: -1}\n";
        let said = said(text);
        for expected in [
            "3:17: error: `nodes.etcd.count` must be a whole number, not the text \"three\"",
            "hint: write it without the leading zero: 644",
            "hint: write 1000",
            "hint: remove the quotes: 2",
            "hint: memory is in MiB: 2048",
            "`nodes.worker.cpus` must be a whole number, not \"-1\"",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }

    #[test]
    fn words_yaml_reads_in_its_own_way_must_be_quoted() {
        for word in ["no", "Off", "true", "0644", "1e3", "12", "0x1F", ".5", "1:30"] {
            assert!(said(&format!("lab: {word}\n")).contains("in quotes"), "{word}");
            assert_eq!(said(&format!("lab: \"{word}\"\n")), "", "{word}");
        }
        assert!(said("lab:\n").contains("`lab` has no value"));
        assert!(said("lab: ~\n").contains("`lab` has no value"));
    }

    #[test]
    fn a_section_whose_keys_are_all_commented_out_is_fine() {
        assert_eq!(said("lab: a\nnodes:\n  # etcd:\nignition:\n"), "");
        assert!(said("lab: a\nnodes: [1]\n").contains("`nodes` must be a section of its own, not a list"));
        assert!(said("- lab\n").contains("hab.yaml must be a section"));
    }
}
