//! How many machines, how large, and what they are called.

use std::collections::{BTreeMap, BTreeSet};

use super::super::label::Label;
use super::super::memory::least;
use super::super::merged::{MergedMachines, MergedNodes};
use super::super::raw::Marked;
use super::super::{Base, Hardware, Kubelet, Machines};
use super::network::Ranges;
use super::{addresses, hardware, kubelet, label, many, overrides};
use crate::addressing::{POD_PREFIX, capacity, pod_capacity};
use crate::problems::Problems;
use crate::role::{PerRole, Role};

/// The most memory in MiB that is believed: a tebibyte. More is almost surely bytes or KiB.
const MOST_MEMORY: u32 = 1 << 20;

/// The most processors qemu's pc machine has (qemu, `hw/i386/pc_piix.c`, `max_cpus`).
const MOST_CPUS: u32 = 255;

/// The largest data disk in GiB: the largest file of ext4 with blocks of 4 KiB, in which a disk may lie
/// (<https://www.kernel.org/doc/html/latest/filesystems/ext4/overview.html>). It takes only what is written to it.
pub const MOST_DISK: u32 = 16 << 10;

/// A node's certificate says `system:node:<name>`, and a common name has at most 64 characters (RFC 5280,
/// `ub-common-name`); this is stricter than the 63 of a host name.
const MAX_NODE_NAME: usize = 64 - "system:node:".len();

/// Checks every role's section and what the sections are together.
pub fn check(system: Base, said: &MergedNodes, ranges: &Ranges, problems: &mut Problems) -> Option<PerRole<Machines>> {
    for (role, machines) in said.iter() {
        count(role, &machines.count, problems);
        sizes(system, role, machines, problems);
    }
    room(said, ranges, problems);
    let prefixes = PerRole::from_fn(|role| prefix(role, said.get(role), problems));
    check_unique(said, problems);
    let kubelets = PerRole::from_fn(|role| {
        if !role.has_kubelet() {
            return Kubelet::default();
        }
        kubelet::check(&format!("nodes.{role}"), role, &said.get(role).kubelet, &Kubelet::default(), problems)
    });
    let networks: BTreeSet<&str> = ranges.extra.iter().map(|(name, ..)| name.as_str()).collect();
    let hardware = PerRole::from_fn(|role| {
        let said = &said.get(role).hardware;
        hardware::check(&format!("nodes.{role}"), said, &Hardware::default(), &networks, problems)
    });
    let overrides = PerRole::from_fn(|role| {
        let prefix = prefixes.get(role).as_ref();
        let (kubelet, hardware) = (kubelets.get(role), hardware.get(role));
        let defaults = overrides::RoleDefaults { system, kubelet, hardware, networks: &networks };
        overrides::check(role, said.get(role), prefix, &defaults, problems)
    });
    let addresses = addresses::check(said, &prefixes, ranges.nodes.map(|(network, _)| network), problems);
    let nodes = PerRole::try_from_fn(|role| {
        let machines = said.get(role);
        Ok::<_, ()>(Machines {
            hardware: hardware.get(role).clone(),
            kubelet: kubelets.get(role).clone(),
            addresses: addresses.get(role).clone(),
            overrides: overrides.get(role).clone(),
            count: machines.count.value,
            memory: machines.memory.value,
            cpus: machines.cpus.value,
            disk: machines.disk.value,
            prefix: prefixes.get(role).clone().ok_or(())?,
        })
    })
    .ok()?;
    hardware::apart(&nodes, said, problems);
    Some(nodes)
}

fn count(role: Role, count: &Marked<u32>, problems: &mut Problems) {
    match (role, count.value) {
        (Role::Etcd | Role::Master, 0) => {
            let message = format!("`nodes.{role}.count` is 0; a cluster needs at least one {role} node");
            problems.error(count.place, message, Some("write 1, or 3 to survive the loss of one".to_owned()));
        }
        (Role::Worker, 0) => {
            let message = "`nodes.worker.count` is 0: pods other than the control plane will have no place to run";
            problems.warning(count.place, message, None);
        }
        (Role::Etcd, even) if even % 2 == 0 => {
            let message = format!("{even} etcd members survive no more losses than {}", even - 1);
            let hint = format!("write {} or {}", even - 1, even.saturating_add(1));
            problems.warning(count.place, message, Some(hint));
        }
        _ => {}
    }
}

fn sizes(system: Base, role: Role, machines: &MergedMachines, problems: &mut Problems) {
    let path = format!("nodes.{role}");
    memory(&path, system, role, &machines.memory, problems);
    cpus(&path, &machines.cpus, problems);
    disk(&path, &machines.disk, problems);
}

/// The memory of the role's nodes, or of one of them, in MiB.
pub fn memory(path: &str, system: Base, role: Role, memory: &Marked<u32>, problems: &mut Problems) {
    let least = least(system, role);
    if memory.value < least {
        let message = format!("`{path}.memory` is {} MiB; it needs at least {least}", memory.value);
        let hint = match system {
            Base::Debian => None,
            _ => Some(format!("with the base {}; leave it out, and it follows the base", system.name())),
        };
        problems.error(memory.place, message, hint);
    }
    if memory.value > MOST_MEMORY {
        let message = format!("`{path}.memory` is {} MiB, more than a tebibyte", memory.value);
        problems.error(memory.place, message, Some("memory is in MiB".to_owned()));
    }
}

/// The processors of the role's nodes, or of one of them.
pub fn cpus(path: &str, cpus: &Marked<u32>, problems: &mut Problems) {
    if !(1..=MOST_CPUS).contains(&cpus.value) {
        let message = format!("`{path}.cpus` is {}; it must be 1 to {MOST_CPUS}", cpus.value);
        problems.error(cpus.place, message, None);
    }
}

/// The data disk of the role's nodes, or of one of them, in GiB.
pub fn disk(path: &str, disk: &Marked<u32>, problems: &mut Problems) {
    if !(1..=MOST_DISK).contains(&disk.value) {
        let message = format!("`{path}.disk` is {} GiB; it must be 1 to {MOST_DISK}", disk.value);
        problems.error(disk.place, message, Some("disk is in GiB".to_owned()));
    }
}

/// Holds the counts against the ranges.
fn room(said: &MergedNodes, ranges: &Ranges, problems: &mut Problems) {
    if let Some((network, network_place)) = ranges.nodes {
        for (role, machines) in said.iter() {
            let (count, most) = (machines.count.value, capacity(network, role));
            if count > most {
                let message = format!("{network} has room for {}, not {count}", many(most, format!("{role} node")));
                let wider = (16..network.prefix_len()).rev().find(|prefix| {
                    ipnet::Ipv4Net::new(network.addr(), *prefix).is_ok_and(|wider| capacity(wider, role) >= count)
                });
                let hint = wider.map(|prefix| format!("a wider `network.nodes`, a /{prefix}, has"));
                problems.error(machines.count.place.or(network_place), message, hint);
            }
        }
    }
    if let Some((pods, place)) = ranges.pods
        && pods.prefix_len() <= POD_PREFIX
    {
        let with_pods = || said.iter().filter(|(role, _)| role.has_kubelet());
        let count = with_pods().fold(0u32, |sum, (_, machines)| sum.saturating_add(machines.count.value));
        let most = pod_capacity(pods);
        if count > most {
            let message = format!(
                "`network.pods` {pods} is divided among {}, but there are {count} masters and workers",
                many(most, "node")
            );
            let wider = (0..pods.prefix_len()).rev().find(|prefix| 1u64 << (POD_PREFIX - prefix) >= u64::from(count));
            let hint = wider.map(|prefix| format!("a /{prefix} has enough"));
            let counts = with_pods().rev().find_map(|(_, machines)| machines.count.place);
            problems.error(place.or(counts), message, hint);
        }
    }
}

fn prefix(role: Role, machines: &MergedMachines, problems: &mut Problems) -> Option<Label> {
    let prefix = label(&format!("nodes.{role}.prefix"), &machines.prefix, problems)?;
    // At least two digits, as the names are written.
    let digits = machines.count.value.max(10).ilog10() as usize + 1;
    let most = MAX_NODE_NAME - 1 - digits;
    if prefix.as_str().len() > most {
        let message = format!(
            "`nodes.{role}.prefix` is {} characters long; with the number, node names may have {MAX_NODE_NAME}",
            prefix.as_str().len()
        );
        problems.error(machines.prefix.place, message, Some(format!("at most {most} characters")));
    }
    Some(prefix)
}

/// Two roles with one prefix would have nodes of one name. Different prefixes never do: the number is what follows
/// the last hyphen.
fn check_unique(said: &MergedNodes, problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for (role, machines) in said.iter() {
        let prefix = &machines.prefix;
        if let Some((first, place)) = seen.get(&prefix.value) {
            let message = format!("`nodes.{role}.prefix` and `nodes.{first}.prefix` are the same");
            let hint = "node names would come twice; give each role its own".to_owned();
            problems.error(prefix.place.or(*place), message, Some(hint));
        } else {
            seen.insert(&prefix.value, (role, prefix.place));
        }
    }
}
