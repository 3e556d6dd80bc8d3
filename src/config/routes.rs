//! The host's own networks, held against the one of the nodes. A provider may refuse a network that the host has already,
//! but only at `vagrant up`; one that overlaps takes addresses away.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Provider;
use super::load::Reading;
use crate::provider::{Allowed, Facts, facts};

/// What the kernel says of its routes (proc(5)).
const TABLE: &str = "/proc/net/route";

/// `RTF_UP` and `RTF_REJECT` of linux/route.h.
const UP: u16 = 0x0001;
const REJECT: u16 = 0x0200;

/// A network that the host reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    network: Ipv4Net,
    device: String,
}

/// The host's routes; none where the kernel does not say.
#[must_use]
pub fn host_routes() -> Vec<Route> {
    parse(&fs_err::read_to_string(TABLE).unwrap_or_default())
}

/// The routes in a table like [`TABLE`], without the default one.
fn parse(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let number = |column: usize| u32::from_str_radix(columns.get(column)?, 16).ok();
        // Addresses are in network order, printed as a number of the machine's own.
        let address = |column: usize| Some(Ipv4Addr::from(number(column)?.to_ne_bytes()));
        let flags = u16::from_str_radix(columns.get(3)?, 16).ok()?;
        let network = Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?;
        let counts = flags & UP != 0 && flags & REJECT == 0 && network.prefix_len() > 0;
        counts.then(|| Route { network, device: columns[0].to_owned() })
    };
    table.lines().filter_map(route).collect()
}

impl Reading {
    /// The ranges of the networks that machines are in, by their keys below `network`.
    fn ranges(&self) -> Vec<(String, Ipv4Net)> {
        let Some(network) = self.config.as_ref().map(|config| &config.network) else { return Vec::new() };
        let extra = network.extra.iter().map(|(name, range)| (format!("extra.{}", name.as_str()), *range));
        std::iter::once(("nodes".to_owned(), network.nodes)).chain(extra).collect()
    }

    fn providers(&self) -> Vec<Provider> {
        self.config.as_ref().map(|config| config.providers.clone()).unwrap_or_default()
    }

    /// Refuses what a provider of the lab would, at `vagrant up`; `allowed` says which ranges each lets networks have, if
    /// it minds.
    pub(super) fn refuse_ranges(&mut self, allowed: impl Fn(&Facts) -> Option<Allowed>) {
        let all: Vec<Allowed> = self.providers().into_iter().filter_map(|provider| allowed(facts(provider))).collect();
        for (key, range) in self.ranges() {
            for (why, hint) in all.iter().filter_map(|allowed| allowed.refuses(range)) {
                let place = self.network_places.get(&key).copied();
                self.problems.error(place, format!("`network.{key}` {why}"), Some(hint));
            }
        }
        self.problems.sort();
        if self.problems.has_errors() {
            self.config = None;
        }
    }

    /// Adds a warning for each route of the host that a network of the machines is in the way of.
    pub fn warn_of_routes(&mut self, routes: &[Route]) {
        let providers = self.providers();
        for (key, range) in self.ranges() {
            let place = self.network_places.get(&key).copied();
            let in_the_way = |route: &Route| route.in_the_way(&key, range, &providers);
            for (message, hint) in routes.iter().filter_map(in_the_way) {
                self.problems.warning(place, message, Some(hint));
            }
        }
        self.problems.sort();
    }
}

impl Route {
    /// The network.
    #[must_use]
    pub const fn network(&self) -> Ipv4Net {
        self.network
    }

    /// What is wrong with a lab's network `range` on a host with this route, and what will come of it.
    fn in_the_way(&self, key: &str, range: Ipv4Net, providers: &[Provider]) -> Option<(String, String)> {
        let Self { network, device } = self;
        // While the lab runs, the provider's interface for it has this very network. Another lab's looks the same.
        let own = *network == range && providers.iter().any(|provider| device.starts_with(facts(*provider).interfaces));
        let overlap = network.contains(&range) || range.contains(network);
        if own || !overlap {
            return None;
        }
        let (what, hint) = if *network == range {
            ("is", providers.first().map(|provider| facts(*provider).same_range).unwrap_or_default().to_owned())
        } else if network.contains(&range) {
            ("overlaps", format!("while the lab runs, the host reaches nothing else in {range}"))
        } else {
            ("overlaps", "the host would look there for nodes with these addresses".to_owned())
        };
        Some((format!("`network.{key}` {range} {what} {network}, which the host reaches by {device}"), hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    /// What a machine printed, with a running lab on it, and `tun0` and a rejected network added.
    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
virbr1\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t50\t000000FF\t0\t0\t0
*\t000010AC\t00000000\t0201\t0\t0\t0\t0000F0FF\t0\t0\t0
";

    fn warned(nodes: &str, table: &str) -> String {
        let text = format!("lab: a\nnetwork: {{nodes: {nodes}}}\n");
        let mut reading = read("hab.yaml", text.as_bytes(), &|_| Ok(()));
        assert!(reading.problems.list.is_empty(), "{}", reading.problems);
        reading.warn_of_routes(&parse(table));
        assert!(reading.config.is_some());
        reading.problems.to_string()
    }

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        // The numbers are those of a little-endian machine, as all that hab runs on.
        let routes = parse(TABLE).into_iter().map(|route| format!("{} {}", route.network, route.device));
        let expected = ["192.0.2.0/24 eth0", "192.168.56.0/24 virbr1", "10.0.0.0/8 tun0"];
        assert_eq!(routes.collect::<Vec<_>>(), expected);
        assert_eq!(parse("x y\n"), []);
    }

    #[test]
    fn a_network_of_the_host_is_warned_of() {
        let same = warned("192.168.56.0/24", &TABLE.replace("virbr1", "vboxnet0"));
        let at =
            "hab.yaml:2:18: warning: `network.nodes` 192.168.56.0/24 is 192.168.56.0/24, which the host reaches by";
        assert!(same.starts_with(&format!("{at} vboxnet0\n")), "{same}");
        let inside = warned("10.1.2.0/24", TABLE);
        assert!(inside.contains("10.1.2.0/24 overlaps 10.0.0.0/8, which the host reaches by tun0"), "{inside}");
        assert!(inside.contains("nothing else in 10.1.2.0/24"), "{inside}");
        let around = warned("192.168.56.0/21", TABLE);
        assert!(around.contains("overlaps 192.168.56.0/24, which the host reaches by virbr1"), "{around}");
        assert!(around.contains("look there for nodes"), "{around}");
    }

    #[test]
    fn what_comes_of_the_same_range_is_said_of_the_labs_own_provider() {
        let said = |provider: &str| {
            let text = format!("lab: a\nprovider: {provider}\n");
            let mut reading = read("hab.yaml", text.as_bytes(), &|_| Ok(()));
            reading.warn_of_routes(&parse(&TABLE.replace("virbr1", "eth1")));
            reading.problems.to_string()
        };
        assert!(said("libvirt").contains("libvirt will refuse it"), "{}", said("libvirt"));
        let virtualbox = said("virtualbox");
        assert!(virtualbox.contains("two networks of that range") && !virtualbox.contains("libvirt"), "{virtualbox}");
    }

    #[test]
    fn ranges_that_virtualbox_would_refuse_are_refused_where_they_stand() {
        let said = |provider: &str| {
            let text = format!("lab: a\nprovider: {provider}\nnetwork: {{nodes: 192.168.16.0/24}}\n");
            let mut reading = read("hab.yaml", text.as_bytes(), &|_| Ok(()));
            assert!(reading.config.is_some(), "{}", reading.problems);
            reading.refuse_ranges(|facts| facts.allowed.map(|_| Allowed::by_default()));
            assert_eq!(reading.config.is_none(), reading.problems.has_errors());
            reading.problems.to_string()
        };
        assert_eq!(said("libvirt"), "");
        let at =
            "hab.yaml:3:18: error: `network.nodes` 192.168.16.0/24 is in none of the ranges that VirtualBox allows";
        for provider in ["virtualbox", "[libvirt, virtualbox]"] {
            assert!(said(provider).starts_with(at), "{}", said(provider));
        }
    }

    #[test]
    fn the_labs_own_bridge_is_none_of_them() {
        assert_eq!(warned("192.168.56.0/24", TABLE), "");
        assert_eq!(warned("172.20.0.0/24", TABLE), "");
    }
}
