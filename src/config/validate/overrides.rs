//! What single nodes have in place of their role's.

use std::collections::{BTreeMap, BTreeSet};

use super::super::merged::MergedMachines;
use super::super::raw::Marked;
use super::super::yaml::shown;
use super::super::{Hardware, Kubelet, Label, Machine};
use super::machines::{cpus, disk, memory};
use super::{hardware, kubelet, many};
use crate::problems::Problems;
use crate::role::Role;

/// What a role's nodes are, and the networks that the lab has.
pub struct RoleDefaults<'a> {
    pub system: crate::kinds::Base,
    pub kubelet: &'a Kubelet,
    pub hardware: &'a Hardware,
    pub networks: &'a BTreeSet<&'a str>,
}

/// Checks a role's overrides; each becomes all that its node is, by the node's number.
pub fn check(
    role: Role,
    said: &MergedMachines,
    prefix: Option<&Label>,
    defaults: &RoleDefaults<'_>,
    problems: &mut Problems,
) -> BTreeMap<u32, Machine> {
    let mut nodes = BTreeMap::new();
    for (name, own) in &said.overrides {
        let path = format!("nodes.{role}.override.{}", shown(&name.value));
        if let Some(said) = &own.memory {
            memory(&path, defaults.system, role, said, problems);
        }
        if let Some(said) = &own.cpus {
            cpus(&path, said, problems);
        }
        if let Some(said) = &own.disk {
            disk(&path, said, problems);
        }
        let machine = Machine {
            memory: own.memory.as_ref().unwrap_or(&said.memory).value,
            cpus: own.cpus.as_ref().unwrap_or(&said.cpus).value,
            disk: own.disk.as_ref().unwrap_or(&said.disk).value,
            hardware: hardware::check(&path, &own.hardware, defaults.hardware, defaults.networks, problems),
            kubelet: if role.has_kubelet() {
                kubelet::check(&path, role, &own.kubelet, defaults.kubelet, problems)
            } else {
                Kubelet::default()
            },
        };
        let Some(number) = number(role, name, said.count.value, prefix, problems) else { continue };
        if nodes.insert(number, machine).is_some() {
            let message = format!("`nodes.{role}.override` names node {number:02} twice");
            problems.error(name.place, message, Some("keep one".to_owned()));
        }
    }
    nodes
}

/// The number of the node that the user calls `name`, if it is one of `count` and written as its name has it.
pub fn numbered(name: &str, count: u32, prefix: Option<&Label>) -> Option<u32> {
    let own = own(name, prefix);
    own.parse::<u32>().ok().filter(|number| (1..=count).contains(number) && own == format!("{number:02}"))
}

/// What stands behind the role's prefix, if that is there.
fn own<'n>(name: &'n str, prefix: Option<&Label>) -> &'n str {
    prefix.and_then(|prefix| name.strip_prefix(prefix.as_str())?.strip_prefix('-')).unwrap_or(name)
}

/// The number of the node that the user calls `name`: the number as its name has it, or the whole name.
fn number(
    role: Role,
    name: &Marked<String>,
    count: u32,
    prefix: Option<&Label>,
    problems: &mut Problems,
) -> Option<u32> {
    let text = name.value.as_str();
    if let Some(number) = numbered(text, count, prefix) {
        return Some(number);
    }
    let own = own(text, prefix);
    let digits = !own.is_empty() && own.bytes().all(|b| b.is_ascii_digit());
    let number = own.parse::<u32>().ok().filter(|_| digits);
    if let Some(number) = number.filter(|number| (1..=count).contains(number)) {
        let message = format!("`nodes.{role}.override` names no node: {}", shown(text));
        problems.error(name.place, message, Some(format!("write the number as the name has it: \"{number:02}\"")));
        return None;
    }
    let message = format!("`nodes.{role}.override` names a node that is not there: {}", shown(text));
    let hint = match (count, number) {
        (0, _) => format!("there are no {role} nodes"),
        (1, _) => "there is one, \"01\"".to_owned(),
        _ => format!("there are {}, \"01\" to \"{count:02}\"", many(count, format!("{role} node"))),
    };
    problems.error(name.place, message, Some(hint));
    None
}
