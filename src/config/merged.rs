//! Fields and defaults together: every value is set, and still knows its place.

use super::base::RawBase;
use super::cni::RawCni;
use super::components::{self, RawComponents, RawHaproxy};
use super::free::{Entry, RawKubelet};
use super::hardware::RawHardware;
use super::images::RawImages;
use super::internet::RawInternet;
use super::memory;
use super::raw::{Marked, Raw, RawMachines, RawNetwork, RawOverride};
use crate::kinds::{Base, Supply};
use crate::role::{PerRole, Role};

/// The newest Kubernetes of the default supply.
#[must_use]
pub fn newest() -> &'static str {
    Supply::Source.kubernetes_versions().last().copied().unwrap_or_default()
}

/// Everything `hab.yaml` can say, said; only the lab's name has no default.
#[derive(Debug)]
pub struct Merged {
    pub lab: Option<Marked<String>>,
    pub base: Marked<String>,
    pub release: RawBase,
    pub providers: Vec<Marked<String>>,
    pub supply: Marked<String>,
    pub start: Marked<String>,
    pub shell: bool,
    pub version: Marked<String>,
    pub domain: Marked<String>,
    pub cni: Marked<String>,
    pub cni_files: RawCni,
    pub network_policies: Marked<bool>,
    pub network: MergedNetwork,
    pub nodes: MergedNodes,
    pub components: RawComponents,
    pub haproxy: RawHaproxy,
    pub images: RawImages,
    pub addons: Vec<Marked<String>>,
    pub common: Option<Marked<String>>,
    pub snippets: PerRole<Option<Marked<String>>>,
}

/// The section `nodes`.
pub type MergedNodes = PerRole<MergedMachines>;

/// The section `network`.
#[derive(Debug)]
pub struct MergedNetwork {
    pub nodes: Marked<String>,
    pub pods: Marked<String>,
    pub services: Marked<String>,
    pub extra: Vec<Entry<String>>,
    pub internet: RawInternet,
}

/// One role's section under `nodes`.
#[derive(Debug)]
pub struct MergedMachines {
    pub count: Marked<u32>,
    pub memory: Marked<u32>,
    pub cpus: Marked<u32>,
    pub disk: Marked<u32>,
    pub prefix: Marked<String>,
    pub hardware: RawHardware,
    pub kubelet: RawKubelet,
    pub overrides: Vec<(Marked<String>, RawOverride)>,
}

/// The network of the machines when nothing else is said.
pub const NODES: &str = "192.168.56.0/24";

/// Sets what is not said. The numbers are the original lab's (1 etcd, 1 master, 2 workers; pods 10.2.0.0/16, services
/// 10.3.0.0/24); the nodes' network lies in the one range VirtualBox allows without configuration (192.168.56.0/21).
pub fn merge(raw: Raw) -> Merged {
    // What is none is refused later, by its name.
    let named = raw.base.name.as_ref().and_then(|said| Base::ALL.iter().find(|(name, _)| *name == said.value));
    let base = named.map_or(Base::Debian, |(_, base)| *base);
    let Raw { network: RawNetwork { nodes, pods, services, extra, internet }, nodes: machines, .. } = raw;
    Merged {
        lab: raw.lab,
        base: or(raw.base.name.clone(), "debian"),
        release: raw.base,
        providers: raw.provider.unwrap_or_else(|| vec![or(None, "libvirt")]),
        supply: or(raw.supply, "source"),
        start: or(raw.start, "boot"),
        shell: raw.shell.is_none_or(|said| said.value),
        version: or(raw.version, newest()),
        domain: or(raw.domain, "cluster.local"),
        cni: or(raw.cni.name.clone(), "routed"),
        cni_files: raw.cni,
        network_policies: or(raw.network_policies, false),
        network: MergedNetwork {
            nodes: or(nodes, NODES),
            pods: or(pods, "10.2.0.0/16"),
            services: or(services, "10.3.0.0/24"),
            extra,
            internet,
        },
        nodes: machines.map(|role, raw| machine_defaults(base, role, raw)),
        components: components::merge(raw.components),
        haproxy: components::merge_haproxy(raw.haproxy),
        images: raw.images,
        addons: raw.addons,
        common: raw.common,
        snippets: raw.snippets,
    }
}

fn machine_defaults(base: Base, role: Role, raw: RawMachines) -> MergedMachines {
    let (count, cpus, disk, prefix): (u32, u32, u32, &str) = match role {
        Role::Etcd => (1, 1, 4, "etcd"),
        Role::Master => (1, 2, 8, "kube-master"),
        Role::Worker => (2, 1, 16, "kube-worker"),
    };
    MergedMachines {
        count: or(raw.count, count),
        memory: or(raw.memory, memory::default(base, role)),
        cpus: or(raw.cpus, cpus),
        disk: or(raw.disk, disk),
        prefix: or(raw.prefix, prefix),
        hardware: raw.hardware,
        kubelet: raw.kubelet,
        overrides: raw.overrides,
    }
}

fn or<T>(said: Option<Marked<T>>, default: impl Into<T>) -> Marked<T> {
    said.unwrap_or_else(|| Marked { value: default.into(), place: None })
}
