//! Ports that the user chooses: none that something else on such a node has.

use super::super::free::Entry;
use super::super::raw::Marked;
use crate::problems::{Place, Problems};
use crate::role::Role;

/// Ports that masters and workers have given away (<https://kubernetes.io/docs/reference/networking/ports-and-protocols/>,
/// and the programs' own defaults for the loopback), and who has them. Only a master has the control plane.
const TAKEN: [(u16, &str, bool); 6] = [
    (10248, "the kubelet's health", false),
    (10249, "kube-proxy's metrics", false),
    (10250, "the kubelet", false),
    (10256, "kube-proxy's health", false),
    (10257, "kube-controller-manager", true),
    (10259, "kube-scheduler", true),
];

/// kube-apiserver's own port, and HAProxy's, so that one address is right on every node.
pub const API: u16 = 6443;

/// Below this port only root may listen (ip(7), `ip_unprivileged_port_start`).
const UNPRIVILEGED: u16 = 1024;

/// The ports that services of the type `NodePort` get.
pub struct NodePorts {
    first: u16,
    last: u16,
    place: Option<Place>,
}

impl NodePorts {
    /// Those of a kube-apiserver with these flags; its own default where they do not say, or make no sense.
    pub fn of(flags: &[Entry<String>]) -> Self {
        let said = flags.iter().find(|(key, _)| key.value == "service-node-port-range").map(|(_, value)| value);
        let range = said.and_then(|said| Some((parse(&said.value)?, said.place)));
        let ((first, last), place) = range.unwrap_or(((30000, 32767), None));
        Self { first, last, place }
    }
}

/// As `ParsePortRange` of `k8s.io/apimachinery/pkg/util/net` reads it: `a-b`, or `a+n`.
fn parse(text: &str) -> Option<(u16, u16)> {
    if let Some((first, more)) = text.split_once('+') {
        let first: u16 = first.trim().parse().ok()?;
        return Some((first, first.checked_add(more.trim().parse().ok()?)?));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// A port that can be chosen.
pub struct Port {
    /// Where it is said.
    pub key: &'static str,
    /// On which nodes it is.
    pub role: Role,
    /// One below [`UNPRIVILEGED`] that is allowed.
    pub also: Option<u16>,
    /// What it is if it is not said.
    pub default: u16,
}

impl Port {
    /// What is said, or the default; a port that is not free is noted.
    pub fn check(&self, said: Option<&Marked<u32>>, node_ports: &NodePorts, problems: &mut Problems) -> u16 {
        let number = said.map_or(u32::from(self.default), |said| said.value);
        let port = u16::try_from(number).ok().filter(|port| *port >= UNPRIVILEGED || self.also == Some(*port));
        let also = self.also.map(|also| format!("{also}, or ")).unwrap_or_default();
        let why = match port {
            None => Some(format!("it must be {also}{UNPRIVILEGED} to {}", u16::MAX)),
            Some(port) if (node_ports.first..=node_ports.last).contains(&port) => {
                let NodePorts { first, last, .. } = node_ports;
                Some(format!("services of the type NodePort have {first} to {last}"))
            }
            Some(port) => TAKEN
                .into_iter()
                .find(|(taken, _, of_masters)| *taken == port && (!of_masters || self.role == Role::Master))
                .map(|(_, owner, _)| format!("{owner} has that on every {}", self.role)),
        };
        if let Some(why) = why {
            let place = said.map_or(node_ports.place, |said| said.place);
            let hint = said.map(|_| format!("it is {} if nothing is said", self.default));
            problems.error(place, format!("`{}` is {number}; {why}", self.key), hint);
        }
        port.unwrap_or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    #[test]
    fn ports_that_are_free_are_taken() {
        for good in [
            "kubernetes: {apiServer: {port: 443}}",
            "kubernetes: {apiServer: {port: 8443}}",
            "haproxy: {port: 1024}",
            "haproxy: {port: 65535}",
            // A worker has no control plane, and the stats page is off.
            "haproxy: {port: 10257}",
            "haproxy: {port: 8404}",
            "haproxy: {port: 6444, stats: {enabled: true, port: 6443}}",
            "kubernetes: {apiServer: {port: 30000, extraArgs: {service-node-port-range: 31000+100}}}",
        ] {
            assert_eq!(said(good), "", "{good}");
        }
        let reading = read(
            "hab.yaml",
            b"lab: a\nkubernetes: {apiServer: {port: 443}}\nhaproxy: {port: 7443, stats: {enabled: true}}\n",
            &|_| Ok(()),
        );
        let config = reading.config.unwrap();
        let ports = (config.kubernetes.components.api_server.port, config.haproxy.port, config.haproxy.stats);
        assert_eq!(ports, (443, 7443, Some(8404)));
    }

    #[test]
    fn ports_that_others_have_are_refused_at_their_place() {
        for (bad, expected) in [
            (
                "kubernetes: {apiServer: {port: 80}}",
                "2:32: error: `kubernetes.apiServer.port` is 80; it must be 443, or",
            ),
            ("kubernetes: {apiServer: {port: 0}}", "it must be 443, or 1024 to 65535"),
            ("kubernetes: {apiServer: {port: 65536}}", "it must be 443, or 1024 to 65535"),
            ("kubernetes: {apiServer: {port: 10250}}", "the kubelet has that on every master"),
            ("kubernetes: {apiServer: {port: 10257}}", "kube-controller-manager has that on every master"),
            ("kubernetes: {apiServer: {port: 32767}}", "services of the type NodePort have 30000 to 32767"),
            ("kubernetes: {apiServer: {port: https}}", "must be a whole number"),
            ("kubernetes: {apiServer: {prot: 443}}", "did you mean `port`?"),
            (
                "kubernetes: {apiServer: {extraArgs: {service-node-port-range: 6000-7000}}}",
                "2:63: error: `kubernetes.apiServer.port` is 6443; services of the type NodePort have 6000 to 7000",
            ),
            ("haproxy: {port: 443}", "2:17: error: `haproxy.port` is 443; it must be 1024 to 65535"),
            ("haproxy: {port: 10256}", "kube-proxy's health has that on every worker"),
            ("haproxy: {port: 30000}", "services of the type NodePort"),
            (
                "haproxy: {port: 8404, stats: {enabled: true}}",
                "2:17: error: `haproxy.stats.port` and `haproxy.port` are both",
            ),
            (
                "haproxy: {port: 9000, stats: {port: 9000}}",
                "2:37: error: `haproxy.stats.port` and `haproxy.port` are both",
            ),
            ("kubernetes: {apiServer: {extraArgs: {secure-port: 443}}}", "hint: say it as `kubernetes.apiServer.port`"),
        ] {
            let said = said(bad);
            assert!(said.starts_with("hab.yaml:2:") && said.contains(expected), "{bad}: {said}");
        }
    }
}
