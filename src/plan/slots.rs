//! Slots: the places for nodes, whether a machine is there or not. What a node is called and where it is follows from its
//! slot alone, so every node can know its neighbours before they come.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::host;
use crate::addressing::{self, capacity, first_host, pod_capacity};
use crate::config::Config;
use crate::role::{PerRole, Role};

/// A place for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// The name of the node that is there, or would be.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its address on the nodes' network.
    pub address: Ipv4Addr,
    /// The addresses of its pods; none on etcd nodes.
    pub pods: Option<Ipv4Net>,
}

impl Slot {
    /// The `number`-th of `role`, counted from 1.
    pub(super) fn new(config: &Config, role: Role, number: u32) -> Self {
        let machines = config.nodes.get(role);
        let by_number = host(config.network.nodes, first_host(role) + number - 1);
        Self {
            name: format!("{}-{number:02}", machines.prefix),
            role,
            address: machines.addresses.get(&number).copied().unwrap_or(by_number),
            pods: addressing::pods(config.network.pods, role, number),
        }
    }
}

/// All slots of the blocks that the lab has begun, as far as the ranges have room for them: etcd, masters, workers, each
/// in the order of their numbers. A place without a node whose address the user gave to another is none.
pub(super) fn all(config: &Config) -> Vec<Slot> {
    let counts = counts(config);
    let given: BTreeSet<Ipv4Addr> =
        config.nodes.iter().flat_map(|(_, machines)| machines.addresses.values().copied()).collect();
    let free = |role, number, slot: &Slot| number <= config.nodes.get(role).count || !given.contains(&slot.address);
    let slots = Role::ALL.into_iter().flat_map(|role| {
        let all = (1..=*counts.get(role)).map(move |number| (number, Slot::new(config, role, number)));
        all.filter(move |(number, slot)| free(role, *number, slot))
    });
    slots.map(|(_, slot)| slot).collect()
}

fn counts(config: &Config) -> PerRole<u32> {
    let counts = PerRole::from_fn(|role| {
        addressing::slots(role, config.nodes.get(role).count).min(capacity(config.network.nodes, role))
    });
    // Masters and workers share the pods' range: first come those that are there.
    let all = pod_capacity(config.network.pods);
    let workers = all.saturating_sub(config.nodes.get(Role::Master).count).min(*counts.get(Role::Worker));
    counts.map(|role, count| match role {
        Role::Etcd => count,
        Role::Master => count.min(all.saturating_sub(workers)),
        Role::Worker => workers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(text: &str) -> Vec<Slot> {
        let reading = crate::config::read("hab.yaml", text.as_bytes(), &|_| Ok(()));
        all(reading.config().expect("a good file"))
    }

    fn count(slots: &[Slot]) -> [usize; 3] {
        Role::ALL.map(|role| slots.iter().filter(|slot| slot.role == role).count())
    }

    #[test]
    fn a_lab_knows_more_places_than_it_has_nodes() {
        let slots = slots("lab: a\n");
        assert_eq!(count(&slots), [5, 8, 32]);
        let last = slots.last().unwrap();
        assert_eq!((last.name.as_str(), last.address.to_string().as_str()), ("kube-worker-32", "192.168.56.132"));
    }

    #[test]
    fn what_is_there_comes_before_what_may_come() {
        let of = |pods: &str| count(&slots(&format!("lab: a\nnetwork: {{pods: {pods}}}\n")));
        assert_eq!(of("10.2.0.0/22"), [5, 1, 3]);
        assert_eq!(of("10.2.0.0/20"), [5, 1, 15]);
        assert_eq!(of("10.2.0.0/18"), [5, 8, 32]);
        let small = slots("lab: a\nnetwork: {nodes: 192.168.56.0/25}\n");
        assert_eq!(count(&small), [5, 8, 26]);
    }

    #[test]
    fn nobody_shares_pods() {
        let slots = slots("lab: a\nnetwork: {pods: 10.2.0.0/19}\n");
        let mut pods: Vec<Ipv4Net> = slots.iter().filter_map(|slot| slot.pods).collect();
        let all = pods.len();
        pods.sort();
        pods.dedup();
        assert_eq!((pods.len(), count(&slots)), (all, [5, 1, 31]));
    }
}
