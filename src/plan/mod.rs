//! Every decision that follows from the [`Config`]: names, addresses, ports, ranges. Pure: no clock, no files, no chance.

mod slots;

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use ipnet::Ipv4Net;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::addressing::{DNS_SERVICE, capacity};
use crate::config::{
    AddonSource, Base, Config, Haproxy, Hardware, ImageSource, Internet, Kubelet, Kubernetes, Label, Network, Provider,
    Registries, Release, Snippets, Start, Supply,
};
use crate::kinds::{Addon, INTERNET, NETWORK_POLICIES, REGISTRY};
use crate::provider;
use crate::role::{PerRole, Role};

pub use slots::Slot;

/// Fixed ports of the cluster; the others are settings, such as [`Plan::api_port`](super::Plan::api_port).
pub mod port {
    /// etcd for its clients (IANA `etcd-client`).
    pub const ETCD_CLIENT: u16 = 2379;
    /// etcd for its peers (IANA `etcd-server`).
    pub const ETCD_PEER: u16 = 2380;
    /// The kubelet's API.
    pub const KUBELET: u16 = 10250;
    /// The lab's own registry of container images.
    pub const REGISTRY: u16 = crate::config::REGISTRY_PORT;
}

/// The whole lab, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: Label,
    /// What the boxes start from.
    pub base: Base,
    /// Which of a vendor's images that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What runs the machines that there are, or will be if nothing else is said.
    pub provider: Provider,
    /// All that there are boxes for.
    pub providers: Vec<Provider>,
    /// Where the parts come from.
    pub supply: Supply,
    /// What `vagrant up` begins with.
    pub start: Start,
    /// Whether who may use the hypervisor has root's shell on the nodes.
    pub shell: bool,
    /// Kubernetes itself.
    pub kubernetes: Kubernetes,
    /// HAProxy on every worker.
    pub haproxy: Haproxy,
    /// The container images that every master and worker has from the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageSource>,
    /// How their registries are reached.
    #[serde(skip)]
    pub registries: Registries,
    /// The three ranges.
    pub network: Network,
    /// How nodes reach the internet; no packet leaves the lab if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internet: Option<Internet>,
    /// The host's own address on the nodes' network.
    pub host: Ipv4Addr,
    /// The API server's address as a service.
    pub api_service: Ipv4Addr,
    /// DNS for pods.
    pub dns_service: Ipv4Addr,
    /// All nodes: etcd, masters, workers, each in the order of their numbers.
    pub nodes: Vec<Node>,
    /// How the names of each role's nodes begin; a hyphen and the number follow.
    #[serde(skip)]
    pub prefixes: PerRole<Label>,
    /// All places for nodes that every node knows of; those of [`nodes`](Self::nodes) are among them.
    #[serde(skip)]
    pub slots: Vec<Slot>,
    /// What the masters have the cluster run besides, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addons: Vec<AddonSource>,
    /// The user's Ignition snippets.
    #[serde(skip)]
    pub snippets: Snippets,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Host name, node name and certificate name, such as `kube-worker-01`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its address on the nodes' network.
    pub address: Ipv4Addr,
    /// The hardware address of its network card, such as `52:54:00:1a:2b:65`.
    pub mac: String,
    /// systemd's machine id: 32 hexadecimal digits, the same on every build.
    pub machine_id: String,
    /// The addresses of its pods; none on etcd nodes.
    pub pods: Option<Ipv4Net>,
    /// Memory in MiB.
    pub memory: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// The size of its data disk in GiB.
    pub disk: u32,
    /// What else its machine has.
    pub hardware: Hardware,
    /// Its cards besides the one on the nodes' network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
    /// What it tells its kubelet; nothing on etcd nodes.
    pub kubelet: Kubelet,
}

/// A further network card of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// The network that it is in, of [`Network::extra`]; none for the one that forwarded ports come by.
    pub network: Option<Label>,
    /// Its hardware address.
    pub mac: String,
    /// Its address there, with the length of the range.
    pub address: Ipv4Net,
}

impl Plan {
    /// Decides everything.
    ///
    /// # Errors
    /// A range is too small for the nodes. A checked [`Config`] never ends so, because the check asks [`capacity`].
    pub fn new(config: &Config) -> Result<Self> {
        let mut nodes = Vec::new();
        for (role, machines) in config.nodes.iter() {
            ensure!(
                machines.count <= capacity(config.network.nodes, role),
                "{} has no room for {} {role} nodes",
                config.network.nodes,
                machines.count
            );
            for number in 1..=machines.count {
                let Slot { name, address, pods, .. } = Slot::new(config, role, number);
                ensure!(pods.is_some() == role.has_kubelet(), "{} has no pods left for {name}", config.network.pods);
                let own = machines.overrides.get(&number);
                let hardware = own.map_or(&machines.hardware, |own| &own.hardware).clone();
                nodes.push(Node {
                    role,
                    address,
                    mac: mac(config, address),
                    machine_id: machine_id(&config.lab, &name),
                    pods,
                    memory: own.map_or(machines.memory, |own| own.memory),
                    cpus: own.map_or(machines.cpus, |own| own.cpus),
                    disk: own.map_or(machines.disk, |own| own.disk),
                    cards: cards(config, &hardware, address)?,
                    hardware,
                    kubelet: own.map_or(&machines.kubelet, |own| &own.kubelet).clone(),
                    name,
                });
            }
        }
        Ok(Self {
            lab: config.lab.clone(),
            base: config.base,
            release: config.release.clone(),
            provider: first(config),
            providers: config.providers.clone(),
            supply: config.supply,
            start: config.start,
            shell: config.shell,
            kubernetes: config.kubernetes.clone(),
            haproxy: config.haproxy.clone(),
            images: config.images.clone(),
            registries: config.registries.clone(),
            network: config.network.clone(),
            internet: config.internet.clone(),
            host: host(config.network.nodes, 1),
            api_service: host(config.network.services, 1),
            dns_service: host(config.network.services, DNS_SERVICE),
            nodes,
            slots: slots::all(config),
            prefixes: PerRole::from_fn(|role| config.nodes.get(role).prefix.clone()),
            addons: config.addons.clone(),
            snippets: config.ignition.clone(),
        })
    }

    /// The nodes of one role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// The node of this name.
    ///
    /// # Errors
    /// There is none; the message says which there are.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| {
            let known: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("{name} is no node of this lab; it has: {}", known.join(", "))
        })
    }

    /// What this lab has that only some have, of [`PARTS`](crate::kinds::PARTS).
    #[must_use]
    pub fn parts(&self) -> Vec<&'static str> {
        let internet = self.internet.is_some().then_some(INTERNET);
        let policies = self.kubernetes.network_policies.then_some(NETWORK_POLICIES);
        let registry = self.registries.in_lab.then_some(REGISTRY);
        let addons = self.built_in().map(Addon::name);
        self.kubernetes.cni.part().into_iter().chain(internet).chain(policies).chain(registry).chain(addons).collect()
    }

    /// The addons that are hab's own.
    pub fn built_in(&self) -> impl Iterator<Item = Addon> {
        self.addons.iter().filter_map(AddonSource::built_in)
    }

    /// The port of kube-apiserver on every master.
    #[must_use]
    pub const fn api_port(&self) -> u16 {
        self.kubernetes.components.api_server.port
    }

    /// The URL of the API server on a master.
    #[must_use]
    pub fn api_server(&self, master: &Node) -> String {
        format!("https://{}:{}", master.address, self.api_port())
    }

    /// The box of a role, such as `hab/demo-worker`.
    #[must_use]
    pub fn box_name(&self, role: Role) -> String {
        format!("hab/{}-{role}", self.lab)
    }
}

/// The address with this number in a range.
#[must_use]
pub fn host(network: Ipv4Net, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.network().to_bits() + number)
}

/// The cards of a machine at `address` besides the one on the nodes' network.
fn cards(config: &Config, hardware: &Hardware, address: Ipv4Addr) -> Result<Vec<Card>> {
    let number = address.to_bits() - config.network.nodes.network().to_bits();
    let mut cards = Vec::new();
    for (name, range) in &config.network.extra {
        if hardware.networks.contains(name) {
            let address = host(*range, number);
            cards.push(Card {
                network: Some(name.clone()),
                mac: card_mac(address),
                address: Ipv4Net::new(address, range.prefix_len())?,
            });
        }
    }
    let forwarding = provider::facts(first(config)).forwarding;
    if !hardware.forwarded_ports.is_empty() {
        cards.push(Card { network: None, mac: forwarding.mac.to_owned(), address: forwarding.address });
    }
    Ok(cards)
}

/// The provider for whom nothing else is said.
fn first(config: &Config) -> Provider {
    config.providers.first().copied().unwrap_or(Provider::Libvirt)
}

/// After the provider's prefix a byte of the lab's name keeps labs on one bridge apart, and the last two bytes of the
/// address keep nodes apart.
fn mac(config: &Config, address: Ipv4Addr) -> String {
    let [one, two, three] = provider::facts(first(config)).mac_prefix;
    let [_, _, high, low] = address.octets();
    let lab = Sha256::digest(config.lab.as_str())[0];
    format!("{one:02x}:{two:02x}:{three:02x}:{lab:02x}:{high:02x}:{low:02x}")
}

/// That of a further card: locally administered (IEEE 802, 8.4), and with the whole address, which no other card has.
fn card_mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:01:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Derived from the names and marked as a version 4 UUID, which machine-id(5) asks for.
fn machine_id(lab: &Label, node: &str) -> String {
    let digest = Sha256::digest(format!("hab machine-id\n{lab}\n{node}\n"));
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    crate::digest::hex(&id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::read;

    fn plan(text: &str) -> Plan {
        let reading = read("hab.yaml", text.as_bytes(), &|_| Ok(()));
        Plan::new(reading.config().expect("a good file")).unwrap()
    }

    #[test]
    fn the_default_lab_is_the_original_one() {
        let plan = plan("lab: demo\n");
        let nodes: Vec<String> = plan.nodes.iter().map(|n| format!("{} {}", n.name, n.address)).collect();
        assert_eq!(
            nodes,
            [
                "etcd-01 192.168.56.11",
                "kube-master-01 192.168.56.31",
                "kube-worker-01 192.168.56.101",
                "kube-worker-02 192.168.56.102"
            ]
        );
        let pods: Vec<_> = plan.nodes.iter().map(|n| n.pods.map(|p| p.to_string()).unwrap_or_default()).collect();
        assert_eq!(pods, ["", "10.2.255.0/24", "10.2.0.0/24", "10.2.1.0/24"]);
        assert_eq!(
            [plan.host, plan.api_service, plan.dns_service].map(|a| a.to_string()),
            ["192.168.56.1", "10.3.0.1", "10.3.0.10"]
        );
        assert_eq!(plan.box_name(Role::Worker), "hab/demo-worker");
        assert_eq!(plan.of(Role::Worker).count(), 2);
    }

    #[test]
    fn machine_ids_stay_as_they_are_and_are_of_version_4() {
        let id = &plan("lab: demo\n").nodes[0].machine_id;
        // From the first release on: a node that changes it loses its journal.
        assert_eq!(id, "1bf9d880b8184211bc24f354a305513f");
        assert!(id[12..13] == *"4" && "89ab".contains(&id[16..17]), "{id}");
        assert_ne!(plan("lab: other\n").nodes[0].machine_id, *id);
    }

    #[test]
    fn more_nodes_move_no_other_node() {
        let before = plan("lab: a\n");
        for more in ["etcd: {count: 3}", "master: {count: 3}", "worker: {count: 5}"] {
            let after = plan(&format!("lab: a\nnodes: {{{more}}}\n"));
            assert!(before.nodes.iter().all(|node| after.nodes.contains(node)), "{more}");
            assert_eq!(before.slots, after.slots, "{more}");
        }
    }

    #[test]
    fn a_node_with_another_address_is_there_for_all() {
        let text = |count: u32| {
            format!(
                "lab: a\nnodes: {{worker: {{count: {count}, override: {{\"02\": {{address: 192.168.56.104}}}}}}}}\n"
            )
        };
        let (plan, before) = (plan(&text(2)), super::tests::plan("lab: a\n"));
        let of = |plan: &Plan, name: &str| plan.slots.iter().find(|slot| slot.name == name).map(|slot| slot.address);
        let address = Some(Ipv4Addr::new(192, 168, 56, 104));
        assert_eq!(of(&plan, "kube-worker-02"), address);
        assert_eq!(of(&before, "kube-worker-04"), address);
        // The slot to whose number the address belongs is no longer there, and no other differs.
        assert_eq!(of(&plan, "kube-worker-04"), None);
        assert_eq!(plan.slots.len() + 1, before.slots.len());
        let [one, other] = [&plan, &before].map(|plan| &plan.nodes[3]);
        assert_eq!((one.mac.as_str(), other.mac.as_str()), ("52:54:00:ca:38:68", "52:54:00:ca:38:66"));
        assert_eq!((&one.machine_id, one.pods), (&other.machine_id, other.pods));
        assert_eq!(plan.nodes[..3], before.nodes[..3]);
        let reading = read("hab.yaml", text(4).as_bytes(), &|_| Ok(()));
        assert!(reading.problems.to_string().contains("which kube-worker-04 has"), "{}", reading.problems);
    }

    #[test]
    fn a_thousand_workers_share_nothing() {
        let text = "lab: big\nnetwork: {nodes: 192.168.56.0/21, pods: 10.4.0.0/14}\nnodes: {worker: {count: 1000}}\n";
        let plan = plan(text);
        let all = plan.nodes.len();
        assert_eq!(all, 1002);
        let unique = |of: fn(&Node) -> String| plan.nodes.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(unique(|n| n.name.clone()), all);
        assert_eq!(unique(|n| n.address.to_string()), all);
        assert_eq!(unique(|n| n.mac.clone()), all);
        assert_eq!(unique(|n| n.machine_id.clone()), all);
        assert_eq!(plan.nodes.iter().filter_map(|n| n.pods).collect::<BTreeSet<_>>().len(), 1001);
        let last = &plan.nodes[all - 1];
        assert_eq!((last.name.as_str(), last.address.to_string().as_str()), ("kube-worker-1000", "192.168.60.76"));
        assert!(plan.network.nodes.contains(&last.address) && plan.network.pods.contains(&last.pods.unwrap()));
    }
}
