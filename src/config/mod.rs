//! The user's words: `hab.yaml` read, merged with the defaults and checked, with every problem at its place.

mod addons;
mod api_kinds;
mod audit;
mod base;
mod brought;
mod cni;
mod components;
mod conflist;
mod decode;
mod fields;
mod files;
mod free;
mod hardware;
mod images;
mod internet;
pub mod label;
mod load;
mod manifest;
mod memory;
mod merged;
pub mod qualified;
pub mod quantity;
mod raw;
pub mod reference;
mod routes;
pub mod settings;
pub mod template;
mod typed;
mod validate;
mod yaml;

pub use addons::{AddonSource, OwnAddon};
pub use cni::CniFiles;
pub use files::{Naming, UsersFiles};
pub use hardware::{ForwardedPort, Hardware, Protocol, SharedFolder};
pub use images::{ImageSource, Mirror, REGISTRY_PORT, Registries};
pub use internet::Internet;
pub use label::{Domain, Label};
pub use load::{FILE, OUT, PRIVATE, Reading, load, read};
pub use manifest::paths as object_paths;
pub use qualified::{Effect, LabelValue, QualifiedName, Taint};
pub use routes::{Route, host_routes};
pub use settings::{Components, Flags, Haproxy, Resources};
pub use validate::{HasFile, merge};

pub use crate::kinds::{Addon, Base, Cni, Provider, Release, Start, Supply};
use crate::role::PerRole;
use ipnet::Ipv4Net;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// A whole, checked `hab.yaml`: every value set, every rule kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The lab's name: part of box names, the libvirt network and machine ids.
    pub lab: Label,
    /// What the boxes start from.
    pub base: Base,
    /// Which of a vendor's images that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What runs them; never none. The first is for whom nothing else is said.
    pub providers: Vec<Provider>,
    /// Where the parts come from.
    pub supply: Supply,
    /// What `vagrant up` begins with.
    pub start: Start,
    /// Whether who may use the hypervisor has root's shell on the nodes.
    pub shell: bool,
    /// Kubernetes itself.
    pub kubernetes: Kubernetes,
    /// The three address ranges.
    pub network: Network,
    /// How nodes reach the internet; not at all if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internet: Option<Internet>,
    /// How many machines of each role, and how large.
    pub nodes: PerRole<Machines>,
    /// HAProxy on every worker.
    pub haproxy: Haproxy,
    /// The container images that every master and worker has from the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageSource>,
    /// How their registries are reached.
    #[serde(skip_serializing_if = "Registries::is_default")]
    pub registries: Registries,
    /// What the masters have the cluster run besides, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addons: Vec<AddonSource>,
    /// The user's own Ignition snippets: for all nodes, and per role.
    pub ignition: Snippets,
}

/// What is said about Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubernetes {
    /// Such as `v1.36.3`; one that the supply has.
    pub version: String,
    /// The DNS domain of services, such as `cluster.local`.
    pub domain: Domain,
    /// The pod network.
    pub cni: Cni,
    /// Its files, where it is the user's own.
    #[serde(skip_serializing_if = "CniFiles::is_empty")]
    pub cni_files: CniFiles,
    /// Whether hab enforces network policies, by a program of its own beside the pod network.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network_policies: bool,
    /// The settings of its programs.
    pub components: Components,
}

/// The lab's address ranges; none overlaps another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// The nodes' own network; its first address is the host.
    pub nodes: Ipv4Net,
    /// All pods; every master and worker gets a /24 of it.
    pub pods: Ipv4Net,
    /// All services; the first address is the API server, the tenth DNS.
    pub services: Ipv4Net,
    /// Further networks that nodes can be in, by their names; a node has the same number in each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<Label, Ipv4Net>,
}

/// The machines of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machines {
    /// How many.
    pub count: u32,
    /// Memory of each in MiB.
    pub memory: u32,
    /// Virtual processors of each.
    pub cpus: u32,
    /// The size of the data disk of each in GiB.
    pub disk: u32,
    /// Node names are `<prefix>-01`, `<prefix>-02`, ...
    pub prefix: Label,
    /// What else each has.
    pub hardware: Hardware,
    /// What each tells its kubelet; nothing for etcd nodes.
    pub kubelet: Kubelet,
    /// The addresses of single nodes, by their number, that do not follow from it.
    pub addresses: BTreeMap<u32, Ipv4Addr>,
    /// All that single nodes are, by their number, where they are not as the others.
    pub overrides: BTreeMap<u32, Machine>,
}

/// One machine that is not as the others of its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Memory in MiB.
    pub memory: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// The size of the data disk in GiB.
    pub disk: u32,
    /// What else it has.
    pub hardware: Hardware,
    /// What it tells its kubelet: its role's, with its own put over it.
    pub kubelet: Kubelet,
}

/// What a node tells its kubelet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kubelet {
    /// Labels of the node, besides those that hab and Kubernetes give it.
    pub labels: BTreeMap<QualifiedName, LabelValue>,
    /// Taints of the node, besides a master's.
    pub taints: Vec<Taint>,
    /// Fields of the `KubeletConfiguration`, put over hab's.
    pub config: Map<String, Value>,
}

/// Paths of the user's Ignition snippets, relative to the folder of `hab.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snippets {
    /// Merged into every node's config.
    pub common: Option<PathBuf>,
    /// Merged into the config of the role's nodes.
    pub roles: PerRole<Option<PathBuf>>,
}
