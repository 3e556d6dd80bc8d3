//! Which ranges VirtualBox lets a host-only network have (its manual, section "Host-Only Networking").

use std::fmt;

use fs_err as fs;
use ipnet::{IpNet, Ipv4Net};

/// Where the administrator says so instead. VirtualBox and Vagrant read the same file.
const FILE: &str = "/etc/vbox/networks.conf";

/// Without that file.
const DEFAULT: &str = "* 192.168.56.0/21";

/// The ranges, and who said them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    ranges: Vec<Ipv4Net>,
    said_by: &'static str,
}

/// Those of this host.
#[must_use]
pub fn allowed() -> Allowed {
    match fs::read_to_string(FILE) {
        Ok(text) => Allowed { ranges: parse(&text), said_by: FILE },
        Err(_) => Allowed::by_default(),
    }
}

/// A line is `*` and ranges; a `#` begins a comment. What can't be read is left out: VirtualBox says what it thinks of it.
fn parse(text: &str) -> Vec<Ipv4Net> {
    let lines = text.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix('*'));
    let ranges = lines.flat_map(str::split_whitespace).filter_map(|range| range.parse().ok());
    ranges.filter_map(|range| if let IpNet::V4(range) = range { Some(range.trunc()) } else { None }).collect()
}

impl Allowed {
    /// Those of a host whose administrator says nothing.
    #[must_use]
    pub fn by_default() -> Self {
        Self { ranges: parse(DEFAULT), said_by: "VirtualBox' default" }
    }

    /// Why a network can't have this range, and what to do.
    #[must_use]
    pub fn refuses(&self, range: Ipv4Net) -> Option<(String, String)> {
        if self.ranges.iter().any(|allowed| allowed.contains(&range)) {
            return None;
        }
        let hint = format!("take one inside them, or have the administrator write `* {range}` into {FILE}");
        Some((format!("{range} is in none of the ranges that VirtualBox allows: {self}"), hint))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        write!(f, "{all} ({})", self.said_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(text: &str) -> Allowed {
        Allowed { ranges: parse(text), said_by: FILE }
    }

    #[test]
    fn the_file_replaces_the_default() {
        let range = |text: &str| text.parse::<Ipv4Net>().unwrap();
        let default = by(DEFAULT);
        assert_eq!(default.refuses(range("192.168.60.0/24")), None);
        assert_eq!(default.refuses(range("192.168.56.0/21")), None);
        let (why, hint) = default.refuses(range("192.168.56.0/20")).unwrap_or_default();
        assert!(why.contains("192.168.56.0/21") && hint.contains("`* 192.168.56.0/20`"), "{why} {hint}");
        let own = by("# ours\n* 10.77.0.0/16 fe80::/10 # and no more\n192.168.0.0/16\n*172.16.0.0/12 nonsense\n");
        assert_eq!(own.refuses(range("10.77.3.0/24")), None);
        assert_eq!(own.refuses(range("172.20.0.0/24")), None);
        let (why, _) = own.refuses(range("192.168.60.0/24")).unwrap();
        assert!(why.ends_with("10.77.0.0/16, 172.16.0.0/12 (/etc/vbox/networks.conf)"), "{why}");
        assert!(by("").refuses(range("192.168.56.0/24")).unwrap().0.ends_with("none (/etc/vbox/networks.conf)"));
    }
}
