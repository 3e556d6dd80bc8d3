//! Which groups of files a node gets: folders of `ignition/` and `templates/`, below which a path is a path on the node.

use crate::config::{Addon, AddonSource, Base, Cni};
use crate::plan::Plan;
use crate::role::Role;

/// All that decides which groups a node gets. Two nodes of one kind differ only in what the templates fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeKind {
    /// The operating system.
    pub base: Base,
    /// What the node is for.
    pub role: Role,
    /// Its network.
    pub network: NodeNetwork,
    /// Whether the lab brings container images along.
    pub images: bool,
    /// Whether the lab has a registry of its own.
    pub registry: bool,
    /// Whether the host has a shell there.
    pub shell: bool,
    /// What the cluster runs besides.
    pub addons: NodeAddons,
}

/// What the masters have the cluster run besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeAddons {
    /// Whether there is anything for the masters to apply.
    pub any: bool,
    /// Which of [`Addon::ALL`] are there.
    pub built_in: [bool; Addon::ALL.len()],
}

impl NodeAddons {
    /// Those of `plan`.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut built_in = [false; Addon::ALL.len()];
        for (there, (_, addon)) in built_in.iter_mut().zip(Addon::ALL) {
            *there = plan.built_in().any(|named| named == *addon);
        }
        Self { any: plan.addons.iter().any(AddonSource::has_objects), built_in }
    }

    /// What applies them, their objects, and what their pods find on a node.
    fn groups(self, role: Role) -> Vec<&'static str> {
        let named = Addon::ALL.iter().zip(self.built_in).filter(|(_, there)| *there);
        let on_nodes = named.clone().filter(|_| role.has_kubelet()).filter_map(|((_, addon), _)| addon.on_nodes());
        let objects = named.filter(|((_, addon), _)| addon.has_objects()).map(|((name, _), _)| *name);
        let on_masters = self.any.then_some("addons").into_iter().chain(objects);
        on_masters.filter(|_| role == Role::Master).chain(on_nodes).collect()
    }
}

/// What is said of the network of a lab's nodes and pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeNetwork {
    /// The pod network.
    pub cni: Cni,
    /// Whether hab enforces network policies.
    pub policies: bool,
    /// Whether the node reaches the internet.
    pub internet: bool,
}

impl NodeNetwork {
    /// That of `plan`.
    #[must_use]
    pub const fn of(plan: &Plan) -> Self {
        let (cni, policies) = (plan.kubernetes.cni, plan.kubernetes.network_policies);
        Self { cni, policies, internet: plan.internet.is_some() }
    }
}

impl From<Cni> for NodeNetwork {
    /// A pod network, and nothing besides.
    fn from(cni: Cni) -> Self {
        Self { cni, policies: false, internet: false }
    }
}

impl NodeKind {
    /// The nodes of `role` in `plan`.
    #[must_use]
    pub fn of(plan: &Plan, role: Role) -> Self {
        let (images, registry, shell) = (!plan.images.is_empty(), plan.registries.in_lab, plan.shell);
        let addons = NodeAddons::of(plan);
        Self { images, registry, shell, addons, ..Self::plain(plan.base, role, NodeNetwork::of(plan)) }
    }

    /// Nothing but what every lab has.
    #[must_use]
    pub fn plain(base: Base, role: Role, network: NodeNetwork) -> Self {
        Self { base, role, network, images: false, registry: false, shell: false, addons: NodeAddons::default() }
    }

    /// Its groups. A new base or pod network is one more line in a function below, and a folder.
    #[must_use]
    pub fn groups(self) -> Vec<&'static str> {
        let Self { base, role, network: NodeNetwork { cni, policies, internet }, images, registry, shell, addons } =
            self;
        let network = [of_cni(cni, role), of_policies(policies, role), of_internet(internet, role)].concat();
        let of_lab =
            [of_images(images, role), of_registry(registry, role), of_shell(shell), &addons.groups(role)].concat();
        [&["common"], of_base(base), of_role(role), &network, &of_lab].concat()
    }
}

/// What only this operating system needs.
const fn of_base(base: Base) -> &'static [&'static str] {
    match base {
        Base::Debian => &["base-debian"],
        Base::Flatcar => &["udev", "base-flatcar"],
        Base::FedoraCoreos => &["udev", "base-fedora-coreos"],
    }
}

/// What a role runs, on any base and with any pod network.
const fn of_role(role: Role) -> &'static [&'static str] {
    match role {
        Role::Etcd => &["etcd"],
        Role::Master => &["kubelet", "master"],
        Role::Worker => &["kubelet", "worker"],
    }
}

/// The pod network, and whether service addresses need kube-proxy with it.
const fn of_cni(cni: Cni, role: Role) -> &'static [&'static str] {
    match (cni, role) {
        (_, Role::Etcd) => &[],
        (Cni::Routed, Role::Master | Role::Worker) => &["network-routed", "kube-proxy"],
        (Cni::Flannel, Role::Master) => &["network-flannel", "pod-range", "flannel", "kube-proxy"],
        (Cni::Flannel, Role::Worker) => &["network-flannel", "pod-range", "kube-proxy"],
        (Cni::Weave, Role::Master) => &["network-own", "network-weave", "weave", "kube-proxy"],
        (Cni::Weave, Role::Worker) => &["network-own", "network-weave", "kube-proxy"],
        (Cni::Files | Cni::None, Role::Master | Role::Worker) => &["network-own", "pod-range", "kube-proxy"],
    }
}

/// What brings the lab's container images to what runs containers.
const fn of_images(images: bool, role: Role) -> &'static [&'static str] {
    if images && role.has_kubelet() { &["images"] } else { &[] }
}

/// The lab's own registry, and what asks it.
const fn of_registry(registry: bool, role: Role) -> &'static [&'static str] {
    match (registry, role) {
        (false, _) | (_, Role::Etcd) => &[],
        (true, Role::Master) => &["pulls", "registry"],
        (true, Role::Worker) => &["pulls"],
    }
}

/// What answers `hab shell`.
const fn of_shell(shell: bool) -> &'static [&'static str] {
    if shell { &["shell"] } else { &[] }
}

/// What shows the way out to what runs containers, and to pods.
const fn of_internet(internet: bool, role: Role) -> &'static [&'static str] {
    if internet && role.has_kubelet() { &["internet"] } else { &[] }
}

/// What enforces network policies, and what has the cluster run it.
const fn of_policies(policies: bool, role: Role) -> &'static [&'static str] {
    match (policies, role) {
        (false, _) | (_, Role::Etcd) => &[],
        (true, Role::Master) => &["network-policies", "kube-network-policies"],
        (true, Role::Worker) => &["network-policies"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::embedded::{IGNITION, TEMPLATES, embedded};

    #[test]
    fn a_node_is_its_base_its_role_and_its_network() {
        let network = NodeNetwork::from(Cni::Routed);
        let kind = |role, shell| NodeKind { shell, ..NodeKind::plain(Base::Debian, role, network) };
        let of = |role| kind(role, false).groups();
        assert_eq!(of(Role::Etcd), ["common", "base-debian", "etcd"]);
        assert_eq!(kind(Role::Etcd, true).groups(), ["common", "base-debian", "etcd", "shell"]);
        assert_eq!(of(Role::Master), ["common", "base-debian", "kubelet", "master", "network-routed", "kube-proxy"]);
        assert_eq!(of(Role::Worker), ["common", "base-debian", "kubelet", "worker", "network-routed", "kube-proxy"]);
    }

    #[test]
    fn a_registry_is_on_masters_and_asked_by_all_that_run_containers() {
        let of = |role| {
            let kind = NodeKind { registry: true, ..NodeKind::plain(Base::Debian, role, Cni::Routed.into()) };
            let without = NodeKind { registry: false, ..kind }.groups();
            kind.groups().into_iter().filter(|group| !without.contains(group)).collect::<Vec<_>>()
        };
        assert_eq!(of(Role::Etcd), [""; 0]);
        assert_eq!(of(Role::Master), ["pulls", "registry"]);
        assert_eq!(of(Role::Worker), ["pulls"]);
    }

    #[test]
    fn every_folder_is_a_group_of_some_node_and_every_group_has_a_folder() {
        let folders = embedded(&IGNITION).into_iter().chain(embedded(&TEMPLATES));
        let folders: BTreeSet<_> = folders.filter_map(|file| Some(file.name.split_once('/')?.0)).collect();
        let bases = Base::ALL.iter().map(|(_, base)| *base);
        let kinds = bases.flat_map(|base| Cni::ALL.iter().map(move |(_, cni)| (base, *cni)));
        let named = kinds.flat_map(|(base, cni)| {
            let network = NodeNetwork { cni, policies: true, internet: true };
            let addons = NodeAddons { any: true, built_in: [true; Addon::ALL.len()] };
            let of =
                |role| NodeKind { base, role, network, images: true, registry: true, shell: true, addons }.groups();
            Role::ALL.map(of).into_iter().flatten()
        });
        assert_eq!(named.collect::<BTreeSet<_>>(), folders);
    }
}
