//! The address ranges: each by itself, and none over another or over one the host has already.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

use super::super::Network;
use super::super::label::Label;
use super::super::merged::MergedNetwork;
use super::super::raw::Marked;
use super::super::yaml::shown;
use super::label;
use crate::addressing::{DNS_SERVICE, POD_PREFIX};
use crate::problems::{Place, Problems};

const fn net(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// Private networks (RFC 1918): the only ones a lab's machines may have.
const PRIVATE: [Ipv4Net; 3] = [net(10, 0, 0, 0, 8), net(172, 16, 0, 0, 12), net(192, 168, 0, 0, 16)];

/// Where no machine can have an address (RFC 6890): this network, loopback, link-local, multicast and reserved.
const UNUSABLE: [Ipv4Net; 4] =
    [net(0, 0, 0, 0, 8), net(127, 0, 0, 0, 8), net(169, 254, 0, 0, 16), net(224, 0, 0, 0, 3)];

/// Ranges that other programs on the host take by default.
const TAKEN: [(Ipv4Net, &str); 1] = [(net(172, 17, 0, 0, 16), "Docker's default network")];

/// The widest nodes' network: hardware addresses carry the last two bytes of the address.
const WIDEST_NODES: u8 = 16;

/// The widest service range kube-apiserver takes: 20 bits of addresses.
const WIDEST_SERVICES: u8 = 12;

/// The narrowest service range with a tenth address: a /28 has 14, a /29 only 6.
const NARROWEST_SERVICES: u8 = 28;

/// A range that could be read, and where it stands.
pub type Range = Option<(Ipv4Net, Option<Place>)>;

/// The ranges that could be read.
pub struct Ranges {
    pub nodes: Range,
    pub pods: Range,
    pub services: Range,
    pub extra: Vec<Extra>,
}

/// A further network: its name, its range, and where that stands.
pub type Extra = (Label, Ipv4Net, Option<Place>);

impl Ranges {
    /// All of them, if the three that every lab has could be read.
    pub fn whole(&self) -> Option<Network> {
        let extra: BTreeMap<Label, Ipv4Net> =
            self.extra.iter().map(|(name, range, _)| (name.clone(), *range)).collect();
        Some(Network { nodes: self.nodes?.0, pods: self.pods?.0, services: self.services?.0, extra })
    }
}

/// Reads the ranges and holds them against each other.
pub fn check(said: &MergedNetwork, taken: &[(Ipv4Net, &str)], problems: &mut Problems) -> Ranges {
    let ranges = Ranges {
        nodes: read("nodes", &said.nodes, "192.168.56.0/24", problems),
        pods: read("pods", &said.pods, "10.2.0.0/16", problems),
        services: read("services", &said.services, "10.3.0.0/24", problems),
        extra: extra(said, problems),
    };
    if let Some((range, place)) = ranges.nodes {
        nodes("nodes", range, place, taken, problems);
        for (name, other, place) in &ranges.extra {
            nodes(&format!("extra.{}", name.as_str()), *other, *place, taken, problems);
            if other.prefix_len() > range.prefix_len() {
                let message = format!(
                    "`network.extra.{}` {other} is narrower than `network.nodes` {range}: a node has the same number in both",
                    name.as_str()
                );
                problems.error(*place, message, Some(format!("a /{}", range.prefix_len())));
            }
        }
    }
    for (name, range) in [("pods", ranges.pods), ("services", ranges.services)] {
        if let Some((range, place)) = range {
            not_on_the_internet(name, range, place, taken, problems);
        }
    }
    sizes(&ranges, problems);
    overlaps(&ranges, problems);
    ranges
}

fn read(key: &str, said: &Marked<String>, example: &str, problems: &mut Problems) -> Range {
    match parse(&said.value) {
        Ok(range) => Some((range, said.place)),
        Err((why, hint)) => {
            let hint = hint.unwrap_or_else(|| format!("such as {example}"));
            problems.error(said.place, format!("`network.{key}` {why}"), Some(hint));
            None
        }
    }
}

fn extra(said: &MergedNetwork, problems: &mut Problems) -> Vec<Extra> {
    let read = |(name, range): &(Marked<String>, Marked<String>)| {
        let key = format!("extra.{}", shown(&name.value));
        let name = label(&format!("network.{key}"), name, problems);
        let (range, place) = read(&key, range, "192.168.57.0/24", problems)?;
        Some((name?, range, place))
    };
    said.extra.iter().filter_map(read).collect()
}

/// The error is what is wrong, and a better hint than an example where there is one.
fn parse(text: &str) -> Result<Ipv4Net, (String, Option<String>)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    if address.parse::<Ipv6Addr>().is_ok() {
        return Err(("is IPv6, which hab does not support yet".to_owned(), None));
    }
    let address: Ipv4Addr =
        address.parse().map_err(|_| (format!("is \"{}\", not an address range", shown(text)), None))?;
    let Some(prefix) = prefix else {
        return Err((
            format!("is one address, {address}, not a range"),
            Some(format!("add a length, such as {address}/24")),
        ));
    };
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|_| digits);
    let Some(range) = prefix.and_then(|prefix| Ipv4Net::new(address, prefix).ok()) else {
        return Err((format!("is \"{}\": the part behind `/` must be 0 to 32", shown(text)), None));
    };
    let whole = range.trunc();
    if whole.addr() != address {
        return Err((format!("is {range}, an address inside a range"), Some(format!("the range is {whole}"))));
    }
    Ok(range)
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// The range of a network that machines are in.
fn nodes(key: &str, range: Ipv4Net, place: Option<Place>, taken: &[(Ipv4Net, &str)], problems: &mut Problems) {
    if !PRIVATE.iter().any(|private| private.contains(&range)) {
        let message = format!("`network.{key}` is {range}, which is not private address space");
        let hint = "take one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16";
        problems.error(place, message, Some(hint.to_owned()));
    }
    if range.prefix_len() < WIDEST_NODES {
        let message = format!("`network.{key}` is {range}, wider than a /{WIDEST_NODES}");
        problems.error(place, message, Some("1000 workers fit into a /21".to_owned()));
    }
    for (taken, owner) in TAKEN.iter().chain(taken) {
        if overlap(range, *taken) {
            let message = format!("`network.{key}` {range} overlaps {taken}, {owner} on many hosts");
            problems.error(place, message, Some("such as 192.168.56.0/24".to_owned()));
        }
    }
}

fn not_on_the_internet(
    key: &str,
    range: Ipv4Net,
    place: Option<Place>,
    taken: &[(Ipv4Net, &str)],
    problems: &mut Problems,
) {
    if let Some(bad) = UNUSABLE.iter().find(|bad| overlap(range, **bad)) {
        let message = format!("`network.{key}` {range} overlaps {bad}, where no machine can have an address");
        problems.error(place, message, Some("take one inside 10.0.0.0/8".to_owned()));
    } else if !PRIVATE.iter().any(|private| private.contains(&range)) {
        let message = format!("`network.{key}` is {range}, which is not private address space");
        let hint = "whatever has these addresses on the internet can't be reached from pods";
        problems.warning(place, message, Some(hint.to_owned()));
    }
    for (taken, owner) in TAKEN.iter().chain(taken) {
        if overlap(range, *taken) {
            let message = format!("`network.{key}` {range} overlaps {taken}, {owner} on many hosts");
            problems.warning(place, message, Some("pods can't reach the host at its addresses there".to_owned()));
        }
    }
}

fn sizes(ranges: &Ranges, problems: &mut Problems) {
    if let Some((range, place)) = ranges.pods
        && range.prefix_len() > POD_PREFIX
    {
        let message = format!("`network.pods` is {range}, too small: every node takes a /{POD_PREFIX} of it");
        problems.error(place, message, Some("such as 10.2.0.0/16, for 256 nodes".to_owned()));
    }
    if let Some((range, place)) = ranges.services {
        if range.prefix_len() > NARROWEST_SERVICES {
            let message = format!("`network.services` is {range}, too small: DNS is its address number {DNS_SERVICE}");
            problems.error(place, message, Some(format!("a /{NARROWEST_SERVICES} or wider, such as 10.3.0.0/24")));
        }
        if range.prefix_len() < WIDEST_SERVICES {
            let message = format!("`network.services` is {range}, wider than kube-apiserver takes");
            problems.error(place, message, Some(format!("a /{WIDEST_SERVICES} or narrower, such as 10.3.0.0/24")));
        }
    }
}

fn overlaps(ranges: &Ranges, problems: &mut Problems) {
    let extra =
        ranges.extra.iter().map(|(name, range, place)| (format!("extra.{}", name.as_str()), Some((*range, *place))));
    let all = [("nodes", ranges.nodes), ("pods", ranges.pods), ("services", ranges.services)];
    let all: Vec<_> = all.into_iter().map(|(name, range)| (name.to_owned(), range)).chain(extra).collect();
    for (index, (name, one)) in all.iter().enumerate() {
        for (other_name, other) in &all[index + 1..] {
            if let (Some((one, place)), Some((other, other_place))) = (one, other)
                && overlap(*one, *other)
            {
                let message =
                    format!("`network.{other_name}` {other} and `network.{name}` {one} overlap: they must be apart");
                // A default stands nowhere; then the one the user wrote is shown.
                problems.error(other_place.or(*place), message, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::internet::RawInternet;
    use super::*;

    fn said(nodes: &str, pods: &str, services: &str) -> String {
        let marked = |value: &str| Marked { value: value.to_owned(), place: None };
        let mut problems = Problems::new("hab.yaml", "");
        let said = MergedNetwork {
            nodes: marked(nodes),
            pods: marked(pods),
            services: marked(services),
            extra: Vec::new(),
            internet: RawInternet::default(),
        };
        check(&said, crate::provider::facts(crate::kinds::Provider::Libvirt).taken, &mut problems);
        problems.to_string()
    }

    #[test]
    fn the_ranges_of_the_original_are_fine() {
        assert_eq!(said("192.168.56.0/24", "10.2.0.0/16", "10.3.0.0/24"), "");
        assert_eq!(said("192.168.56.0/21", "10.64.0.0/10", "10.3.0.0/28"), "");
    }

    #[test]
    fn each_wrong_range_has_its_own_words() {
        for (nodes, expected) in [
            ("192.168.56.7/24", "the range is 192.168.56.0/24"),
            ("192.168.56.0", "add a length, such as 192.168.56.0/24"),
            ("2001:db8::/64", "is IPv6, which hab does not support yet"),
            ("2001:db8::1", "is IPv6"),
            ("192.168.56.0/33", "must be 0 to 32"),
            ("192.168.56.0/+24", "must be 0 to 32"),
            ("192.168.056.0/24", "not an address range"),
            ("banana", "not an address range"),
            ("8.8.8.0/24", "not private address space"),
            ("10.128.0.0/9", "wider than a /16"),
            ("172.17.8.0/24", "Docker's default network"),
            ("192.168.121.0/24", "vagrant-libvirt's own"),
            ("10.2.7.0/24", "overlap: they must be apart"),
        ] {
            let said = said(nodes, "10.2.0.0/16", "10.3.0.0/24");
            assert!(said.contains(expected) && said.contains("error: `network."), "{nodes}: {said}");
        }
    }

    #[test]
    fn pods_and_services_have_limits_of_their_own() {
        for (pods, services, expected) in [
            ("10.2.0.0/25", "10.3.0.0/24", "too small: every node takes a /24"),
            ("10.2.0.0/16", "10.3.0.0/29", "too small: DNS is its address number 10"),
            ("192.168.128.0/17", "10.0.0.0/8", "wider than kube-apiserver takes"),
            ("10.2.0.0/16", "10.2.255.0/24", "`network.services` 10.2.255.0/24 and `network.pods` 10.2.0.0/16 overlap"),
            ("0.0.0.0/0", "10.3.0.0/24", "where no machine can have an address"),
            ("11.0.0.0/16", "10.3.0.0/24", "warning: `network.pods` is 11.0.0.0/16, which is not private"),
            ("172.17.0.0/16", "10.3.0.0/24", "warning: `network.pods` 172.17.0.0/16 overlaps"),
        ] {
            let said = said("192.168.56.0/24", pods, services);
            assert!(said.contains(expected), "{pods} {services}: {said}");
        }
    }
}
