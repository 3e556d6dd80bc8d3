//! What fits into the address ranges: the layout the plan deals addresses by, and the check counts with.

use ipnet::Ipv4Net;

use crate::role::Role;

/// Where the addresses of each role begin, counted from the network's address. Blocks of their own, so that one
/// more etcd member moves no other node. The host itself is number 1; workers begin at 101 as in the original lab.
const FIRST_HOST: PerRoleNumbers = [(Role::Etcd, 11), (Role::Master, 31), (Role::Worker, 101)];

/// How many slots of each role a block has. All slots of the blocks that a lab has begun are known to every node, so one
/// more node in them changes no other. Five etcd members are the most a lab has, and a lab with more than eight masters
/// has other worries; 32 names and routes cost a node nothing that could be measured.
const BLOCK: PerRoleNumbers = [(Role::Etcd, 5), (Role::Master, 8), (Role::Worker, 32)];

type PerRoleNumbers = [(Role, u32); 3];

/// The size of a node's own pod range: 254 addresses, above the kubelet's default of 110 pods
/// (<https://kubernetes.io/docs/setup/best-practices/cluster-large/>).
pub const POD_PREFIX: u8 = 24;

/// The service addresses Kubernetes uses by convention: the first is the API server's (kube-apiserver takes it by
/// itself), the tenth DNS (kubeadm's `GetDNSIP`).
pub const DNS_SERVICE: u32 = 10;

/// The number of the first node of `role` in the nodes' network.
#[must_use]
pub const fn first_host(role: Role) -> u32 {
    FIRST_HOST[role as usize].1
}

/// How many nodes of `role` fit into `network`.
#[must_use]
pub fn capacity(network: Ipv4Net, role: Role) -> u32 {
    // The last address is the broadcast.
    let end = 1u32.checked_shl(32 - u32::from(network.prefix_len())).map_or(u32::MAX, |size| size - 1);
    let next = FIRST_HOST.iter().map(|(_, first)| *first).filter(|first| *first > first_host(role)).min();
    next.unwrap_or(end).min(end).saturating_sub(first_host(role))
}

/// How many slots of `role` a lab with `count` such nodes has, were there room for all.
#[must_use]
pub const fn slots(role: Role, count: u32) -> u32 {
    count.saturating_add(BLOCK[role as usize].1 - 1) / BLOCK[role as usize].1 * BLOCK[role as usize].1
}

/// The pods of the `number`-th node of `role`, counted from 1: workers from the first range up, masters from the last
/// range down, so neither moves when there are more of the other. `None` for a role without pods, or behind the end.
#[must_use]
pub fn pods(pods: Ipv4Net, role: Role, number: u32) -> Option<Ipv4Net> {
    let all = pod_capacity(pods);
    let index = match role {
        Role::Etcd => return None,
        Role::Master => all.checked_sub(number)?,
        Role::Worker => number.checked_sub(1).filter(|index| *index < all)?,
    };
    let address = pods.network().to_bits() + (index << (32 - POD_PREFIX));
    Ipv4Net::new(address.into(), POD_PREFIX).ok()
}

/// How many nodes can have pods in `pods`.
#[must_use]
pub fn pod_capacity(pods: Ipv4Net) -> u32 {
    match POD_PREFIX.checked_sub(pods.prefix_len()) {
        Some(bits) => 1 << bits,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(network: &str) -> [u32; 3] {
        Role::ALL.map(|role| capacity(network.parse().unwrap(), role))
    }

    #[test]
    fn a_network_has_room_up_to_its_broadcast_address() {
        assert_eq!(room("192.168.56.0/24"), [20, 70, 154]);
        assert_eq!(room("192.168.56.0/21"), [20, 70, 1946]);
        assert_eq!(room("192.168.56.0/26"), [20, 32, 0]);
        assert_eq!(room("192.168.56.0/28"), [4, 0, 0]);
        assert_eq!(room("192.168.56.0/32"), [0, 0, 0]);
        assert_eq!(room("0.0.0.0/0"), [20, 70, u32::MAX - 101]);
    }

    #[test]
    fn slots_come_in_whole_blocks() {
        let of = |role| [0, 1, 5, 6, 32, 33].map(|count| slots(role, count));
        assert_eq!(of(Role::Etcd), [0, 5, 5, 10, 35, 35]);
        assert_eq!(of(Role::Worker), [0, 32, 32, 32, 32, 64]);
    }

    #[test]
    fn pods_are_a_function_of_the_slot() {
        let of = |role, number| pods("10.2.0.0/16".parse().unwrap(), role, number).map(|range| range.to_string());
        assert_eq!(of(Role::Worker, 1).unwrap(), "10.2.0.0/24");
        assert_eq!(of(Role::Worker, 256).unwrap(), "10.2.255.0/24");
        assert_eq!(of(Role::Worker, 257), None);
        assert_eq!(of(Role::Master, 1).unwrap(), "10.2.255.0/24");
        assert_eq!(of(Role::Master, 257), None);
        assert_eq!(of(Role::Etcd, 1), None);
    }

    #[test]
    fn every_node_with_pods_takes_254_addresses() {
        for (range, nodes) in [("10.2.0.0/16", 256), ("10.2.0.0/24", 1), ("10.2.0.0/25", 0), ("10.0.0.0/8", 65536)] {
            assert_eq!(pod_capacity(range.parse().unwrap()), nodes, "{range}");
        }
    }
}
