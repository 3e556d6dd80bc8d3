//! Which groups of files a node gets: folders of `ignition/` and `templates/`, below which a path is a path on the node.

use crate::config::{Base, Cni};
use crate::plan::Plan;
use crate::role::Role;

/// All that decides which groups a node gets. Two nodes of one kind differ only in what the templates fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeKind {
    /// The operating system.
    pub base: Base,
    /// What the node is for.
    pub role: Role,
    /// The pod network.
    pub network: Cni,
    /// Whether the lab brings container images along.
    pub images: bool,
    /// Whether the lab has a registry of its own.
    pub registry: bool,
    /// Whether the host has a shell there.
    pub shell: bool,
}

impl NodeKind {
    /// The nodes of `role` in `plan`.
    #[must_use]
    pub const fn of(plan: &Plan, role: Role) -> Self {
        let (images, registry, shell) = (!plan.images.is_empty(), plan.registries.in_lab, plan.shell);
        Self { base: plan.base, role, network: plan.kubernetes.cni, images, registry, shell }
    }

    /// Its groups. A new base or pod network is one more line in a function below, and a folder.
    #[must_use]
    pub fn groups(self) -> Vec<&'static str> {
        let Self { base, role, network, images, registry, shell } = self;
        let of_lab = [of_images(images, role), of_registry(registry, role), of_shell(shell)].concat();
        [&["common"], of_base(base), of_role(role), of_network(network, role), &of_lab].concat()
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
const fn of_network(network: Cni, role: Role) -> &'static [&'static str] {
    match (network, role) {
        (_, Role::Etcd) => &[],
        (Cni::Routed, Role::Master | Role::Worker) => &["network-routed", "kube-proxy"],
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::embedded::{IGNITION, TEMPLATES, embedded};

    #[test]
    fn a_node_is_its_base_its_role_and_its_network() {
        let kind = |role, shell| NodeKind {
            base: Base::Debian,
            role,
            network: Cni::Routed,
            images: false,
            registry: false,
            shell,
        };
        let of = |role| kind(role, false).groups();
        assert_eq!(of(Role::Etcd), ["common", "base-debian", "etcd"]);
        assert_eq!(kind(Role::Etcd, true).groups(), ["common", "base-debian", "etcd", "shell"]);
        assert_eq!(of(Role::Master), ["common", "base-debian", "kubelet", "master", "network-routed", "kube-proxy"]);
        assert_eq!(of(Role::Worker), ["common", "base-debian", "kubelet", "worker", "network-routed", "kube-proxy"]);
    }

    #[test]
    fn a_registry_is_on_masters_and_asked_by_all_that_run_containers() {
        let of = |role| {
            let kind =
                NodeKind { base: Base::Debian, role, network: Cni::Routed, images: false, registry: true, shell: false };
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
        let named = bases.flat_map(|base| {
            let of = |role| {
                NodeKind { base, role, network: Cni::Routed, images: true, registry: true, shell: true }.groups()
            };
            Role::ALL.map(of).into_iter().flatten()
        });
        assert_eq!(named.collect::<BTreeSet<_>>(), folders);
    }
}
