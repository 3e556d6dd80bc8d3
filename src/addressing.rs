//! What fits into the address ranges: the layout the plan deals addresses by, and the check counts with.

use ipnet::Ipv4Net;

use crate::role::Role;

/// Where the addresses of each role begin, counted from the network's address. Blocks of their own, so that one
/// more etcd member moves no other node. The host itself is number 1; workers begin at 101 as in the original lab.
const FIRST_HOST: PerRoleNumbers = [(Role::Etcd, 11), (Role::Master, 31), (Role::Worker, 101)];

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
    fn every_node_with_pods_takes_254_addresses() {
        for (range, nodes) in [("10.2.0.0/16", 256), ("10.2.0.0/24", 1), ("10.2.0.0/25", 0), ("10.0.0.0/8", 65536)] {
            assert_eq!(pod_capacity(range.parse().unwrap()), nodes, "{range}");
        }
    }
}
