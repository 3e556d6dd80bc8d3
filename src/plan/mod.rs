//! Every decision that follows from the [`Spec`]: names, addresses, ports, ranges. Pure: no clock, no files, no chance.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::spec::{Base, Kubernetes, Label, Network, Provider, Role, Snippets, Spec, Supply};

/// Where the addresses of each role begin, counted from the network's address. Blocks of their own, so that one
/// more etcd member moves no other node. The host itself is number 1; workers begin at 101 as in the original lab.
const FIRST_HOST: [(Role, u32); 3] = [(Role::Etcd, 11), (Role::Master, 31), (Role::Worker, 101)];

/// The size of a node's own pod range: 254 addresses, above the kubelet's default of 110 pods
/// (<https://kubernetes.io/docs/setup/best-practices/cluster-large/>).
const POD_PREFIX: u8 = 24;

/// The service addresses Kubernetes uses by convention: the first is the API server's (kube-apiserver takes it by
/// itself), the tenth DNS (kubeadm's `GetDNSIP`).
const DNS_SERVICE: usize = 10;

/// Fixed ports of the cluster.
pub mod port {
    /// kube-apiserver on every master, and HAProxy on every worker's loopback.
    pub const API: u16 = 6443;
    /// etcd for its clients (IANA `etcd-client`).
    pub const ETCD_CLIENT: u16 = 2379;
    /// etcd for its peers (IANA `etcd-server`).
    pub const ETCD_PEER: u16 = 2380;
    /// The kubelet's API.
    pub const KUBELET: u16 = 10250;
}

/// The whole lab, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: Label,
    /// What the boxes start from.
    pub base: Base,
    /// What runs them.
    pub provider: Provider,
    /// Where the parts come from.
    pub supply: Supply,
    /// Kubernetes itself.
    pub kubernetes: Kubernetes,
    /// The three ranges.
    pub network: Network,
    /// The host's own address on the nodes' network.
    pub host: Ipv4Addr,
    /// The API server's address as a service.
    pub api_service: Ipv4Addr,
    /// DNS for pods.
    pub dns_service: Ipv4Addr,
    /// All nodes: etcd, masters, workers, each in the order of their numbers.
    pub nodes: Vec<Node>,
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
}

impl Plan {
    /// Decides everything.
    ///
    /// # Errors
    /// A range is too small for the nodes. A checked [`Spec`] never ends so, because the check asks [`capacity`].
    pub fn new(spec: &Spec) -> Result<Self> {
        let mut nodes = Vec::new();
        let mut pods = spec
            .network
            .pods
            .subnets(POD_PREFIX)
            .with_context(|| format!("dividing the pod range {} into /{POD_PREFIX}", spec.network.pods))?;
        for (role, machines) in spec.nodes.iter() {
            ensure!(
                machines.count <= capacity(spec.network.nodes, role),
                "{} has no room for {} {role} nodes",
                spec.network.nodes,
                machines.count
            );
            for number in 1..=machines.count {
                let name = format!("{}-{number:02}", machines.prefix);
                let address = host(spec.network.nodes, first_host(role) + number - 1);
                nodes.push(Node {
                    role,
                    address,
                    mac: mac(&spec.lab, address),
                    machine_id: machine_id(&spec.lab, &name),
                    pods: if role.has_kubelet() {
                        Some(
                            pods.next()
                                .with_context(|| format!("{} has no pods left for {name}", spec.network.pods))?,
                        )
                    } else {
                        None
                    },
                    memory: machines.memory,
                    cpus: machines.cpus,
                    name,
                });
            }
        }
        let service = |n: usize| {
            let all = spec.network.services;
            all.hosts().nth(n - 1).with_context(|| format!("the service range {all} is too small"))
        };
        Ok(Self {
            lab: spec.lab.clone(),
            base: spec.base,
            provider: spec.provider,
            supply: spec.supply,
            kubernetes: spec.kubernetes.clone(),
            network: spec.network,
            host: host(spec.network.nodes, 1),
            api_service: service(1)?,
            dns_service: service(DNS_SERVICE)?,
            nodes,
            snippets: spec.ignition.clone(),
        })
    }

    /// The nodes of one role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// The box of a role, such as `hab/demo-worker`.
    #[must_use]
    pub fn box_name(&self, role: Role) -> String {
        format!("hab/{}-{role}", self.lab)
    }
}

/// How many nodes of `role` fit into `network`.
#[must_use]
pub fn capacity(network: Ipv4Net, role: Role) -> u32 {
    // The last address is the broadcast.
    let end = 1u32.checked_shl(32 - u32::from(network.prefix_len())).map_or(u32::MAX, |size| size - 1);
    let next = FIRST_HOST.iter().map(|(_, first)| *first).filter(|first| *first > first_host(role)).min();
    next.unwrap_or(end).min(end).saturating_sub(first_host(role))
}

/// How many nodes can have pods in `pods`.
#[must_use]
pub fn pod_capacity(pods: Ipv4Net) -> u32 {
    if pods.prefix_len() > POD_PREFIX { 0 } else { 1 << (POD_PREFIX - pods.prefix_len()) }
}

fn first_host(role: Role) -> u32 {
    FIRST_HOST[role as usize].1
}

fn host(network: Ipv4Net, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.network().to_bits() + number)
}

/// 52:54:00 is the prefix qemu and libvirt use for their guests; a byte of the lab's name keeps labs on one bridge
/// apart, and the last two bytes of the address keep nodes apart.
fn mac(lab: &Label, address: Ipv4Addr) -> String {
    let [_, _, high, low] = address.octets();
    let lab = Sha256::digest(lab.as_str())[0];
    format!("52:54:00:{lab:02x}:{high:02x}:{low:02x}")
}

/// Derived from the names and marked as a version 4 UUID, which machine-id(5) asks for.
fn machine_id(lab: &Label, node: &str) -> String {
    let digest = Sha256::digest(format!("hab machine-id\n{lab}\n{node}\n"));
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    crate::store::hex(&id)
}
