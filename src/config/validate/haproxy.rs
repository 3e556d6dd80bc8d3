//! HAProxy's port, its timeouts and its stats page.

use super::super::components::RawHaproxy;
use super::super::settings::Haproxy;
use super::super::yaml::shown;
use super::ports::{API, NodePorts, Port};
use crate::problems::Problems;
use crate::role::Role;

/// HAProxy's own units of time (its configuration manual, section 2.5).
const UNITS: [&str; 6] = ["us", "ms", "s", "m", "h", "d"];

/// The port of the stats page in HAProxy's own examples.
const STATS: u16 = 8404;

/// Checks the section `haproxy`.
pub fn check(said: &RawHaproxy, node_ports: &NodePorts, problems: &mut Problems) -> Haproxy {
    for (name, time) in &said.timeout {
        if !is_time(&time.value) {
            let message = format!("`haproxy.timeout.{name}` is \"{}\", not a time", shown(&time.value));
            let hint = format!("a whole number above 0 with a unit, such as 750ms: {}", UNITS.join(", "));
            problems.error(time.place, message, Some(hint));
        }
    }
    let port = Port { key: "haproxy.port", role: Role::Worker, also: None, default: API };
    let port = port.check(said.port.as_ref(), node_ports, problems);
    let enabled = said.enabled.as_ref().is_some_and(|enabled| enabled.value);
    // A port that nobody said and nothing opens is in nobody's way.
    let stats = (enabled || said.stats_port.is_some()).then(|| {
        let stats = Port { key: "haproxy.stats.port", role: Role::Worker, also: None, default: STATS };
        let stats = stats.check(said.stats_port.as_ref(), node_ports, problems);
        if stats == port {
            let places = [&said.stats_port, &said.port].map(|said| said.as_ref().and_then(|said| said.place));
            let message = format!("`haproxy.stats.port` and `haproxy.port` are both {port}");
            let hint = format!("they are {STATS} and {API} if nothing is said");
            problems.error(places[0].or(places[1]), message, Some(hint));
        }
        stats
    });
    Haproxy {
        port,
        timeout: said.timeout.iter().map(|(name, time)| (*name, time.value.clone())).collect(),
        stats: stats.filter(|_| enabled),
    }
}

fn is_time(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    UNITS.contains(&unit) && number.len() <= 9 && number.parse::<u32>().is_ok_and(|number| number > 0)
}
