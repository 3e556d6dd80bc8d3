//! Addresses of single nodes that do not follow from their numbers: free ones of the nodes' network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::super::label::Label;
use super::super::merged::MergedNodes;
use super::super::raw::Marked;
use super::super::yaml::shown;
use super::overrides::numbered;
use crate::addressing::{capacity, first_host};
use crate::problems::{Place, Problems};
use crate::role::{PerRole, Role};

/// An address that the user gave to a node.
struct Given {
    node: (Role, u32),
    address: Ipv4Addr,
    /// Where it is said, as a path and as a place.
    path: String,
    place: Option<Place>,
}

/// Checks every role's `override.*.address`; the result is by the nodes' numbers.
pub fn check(
    said: &MergedNodes,
    prefixes: &PerRole<Option<Label>>,
    network: Option<Ipv4Net>,
    problems: &mut Problems,
) -> PerRole<BTreeMap<u32, Ipv4Addr>> {
    let mut all: Vec<Given> = Vec::new();
    for (role, machines) in said.iter() {
        for (name, own) in &machines.overrides {
            let Some(said) = &own.address else { continue };
            let path = format!("nodes.{role}.override.{}.address", shown(&name.value));
            let Some(address) = read(&path, said, network, problems) else { continue };
            // What is wrong with the name is said with the rest of the section.
            let Some(number) = numbered(&name.value, machines.count.value, prefixes.get(role).as_ref()) else {
                continue;
            };
            all.push(Given { node: (role, number), address, path, place: said.place });
        }
    }
    for (index, given) in all.iter().enumerate() {
        let other = all[..index].iter().find(|other| other.address == given.address && other.node != given.node);
        let by_number = || by_number(given.address, said, network?).filter(|node| all.iter().all(|g| g.node != *node));
        let Some((role, number)) = other.map(|other| other.node).or_else(by_number) else { continue };
        let name = format!("{}-{number:02}", shown(&said.get(role).prefix.value));
        let message = format!("`{}` is {}, which {name} has", given.path, given.address);
        let hint = match other {
            Some(other) => format!("by `{}`; take another", other.path),
            None => "by its number; take another, or give that node one, too".to_owned(),
        };
        problems.error(given.place, message, Some(hint));
    }
    PerRole::from_fn(|role| {
        all.iter().filter(|given| given.node.0 == role).map(|given| (given.node.1, given.address)).collect()
    })
}

/// An address that a node can have.
fn read(path: &str, said: &Marked<String>, network: Option<Ipv4Net>, problems: &mut Problems) -> Option<Ipv4Addr> {
    let such =
        |network: Ipv4Net| format!("such as {}", Ipv4Addr::from_bits(network.broadcast().to_bits().saturating_sub(1)));
    let Ok(address) = said.value.parse::<Ipv4Addr>() else {
        let message = format!("`{path}` is \"{}\", not an IPv4 address", shown(&said.value));
        problems.error(said.place, message, network.map(such));
        return None;
    };
    let network = network?;
    let why = if !network.contains(&address) {
        format!("which is not in `network.nodes` {network}")
    } else if address == network.network() {
        "the network's own".to_owned()
    } else if address == network.broadcast() {
        "the network's broadcast address".to_owned()
    } else if address.to_bits() == network.network().to_bits() + 1 {
        "which the host has".to_owned()
    } else {
        return Some(address);
    };
    problems.error(said.place, format!("`{path}` is {address}, {why}"), Some(such(network)));
    None
}

/// The node that has an address by its number, if the lab has such a node.
fn by_number(address: Ipv4Addr, said: &MergedNodes, network: Ipv4Net) -> Option<(Role, u32)> {
    let host = address.to_bits() - network.network().to_bits();
    Role::ALL.into_iter().find_map(|role| {
        let number = (host + 1).checked_sub(first_host(role))?;
        let count = said.get(role).count.value.min(capacity(network, role));
        (1..=count).contains(&number).then_some((role, number))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn worker(address: &str) -> String {
        said(&format!("nodes: {{worker: {{override: {{\"02\": {{address: {address}}}}}}}}}"))
    }

    #[test]
    fn an_address_is_one_that_a_node_can_have() {
        assert_eq!(worker("192.168.56.50"), "");
        // Its own by its number, and that of a node that could come.
        assert_eq!(worker("192.168.56.102"), "");
        assert_eq!(worker("192.168.56.103"), "");
        for (bad, expected) in [
            ("192.168.57.1", "which is not in `network.nodes` 192.168.56.0/24"),
            ("192.168.56.0", "the network's own"),
            ("192.168.56.255", "the network's broadcast address"),
            ("192.168.56.1", "which the host has"),
            ("192.168.56.050", "not an IPv4 address"),
            ("192.168.56.50/24", "hint: such as 192.168.56.254"),
            ("fd00::1", "not an IPv4 address"),
            ("\"$(id)\"", "is \"$(id)\", not an IPv4 address"),
            ("50", "without quotes is a number in YAML"),
        ] {
            let said = worker(bad);
            assert!(said.starts_with("hab.yaml:2:45: error: `nodes.worker.override.02.address`"), "{bad}: {said}");
            assert!(said.contains(expected), "{bad}: {said}");
        }
    }

    #[test]
    fn an_address_is_of_one_node_only() {
        for (bad, expected) in [
            ("worker: {override: {\"02\": {address: 192.168.56.31}}}", "which kube-master-01 has"),
            ("etcd: {override: {\"01\": {address: 192.168.56.101}}}", "which kube-worker-01 has"),
            ("worker: {count: 3, override: {\"01\": {address: 192.168.56.103}}}", "which kube-worker-03 has"),
            (
                "etcd: {override: {etcd-01: {address: 192.168.56.9}}}, master: {override: {\"01\": {address: 192.168.56.9}}}",
                "2:99: error: `nodes.master.override.01.address` is 192.168.56.9, which etcd-01 has",
            ),
            ("worker: {count: 2000000000, override: {\"01\": {address: 192.168.56.103}}}", "which kube-worker-03 has"),
        ] {
            let said = said(&format!("nodes: {{{bad}}}"));
            assert!(said.contains(expected), "{bad}: {said}");
        }
        // Two that change places.
        let swapped = "worker: {override: {\"01\": {address: 192.168.56.102}, \"02\": {address: 192.168.56.101}}}";
        assert_eq!(said(&format!("nodes: {{{swapped}}}")), "");
    }
}
