//! HAProxy's timeouts and its stats page.

use super::super::components::RawHaproxy;
use super::super::settings::Haproxy;
use super::super::yaml::shown;
use crate::problems::Problems;

/// HAProxy's own units of time (its configuration manual, section 2.5).
const UNITS: [&str; 6] = ["us", "ms", "s", "m", "h", "d"];

/// The port of the stats page in HAProxy's own examples.
const STATS: u32 = 8404;

/// Ports that a worker has already: the API server's through HAProxy, kube-proxy's and the kubelet's.
const TAKEN: [u32; 5] = [6443, 10248, 10249, 10250, 10256];

/// HAProxy runs without the right to open ports below this one.
const UNPRIVILEGED: u32 = 1024;

/// Checks the section `haproxy`.
pub fn check(said: &RawHaproxy, problems: &mut Problems) -> Haproxy {
    for (name, time) in &said.timeout {
        if !is_time(&time.value) {
            let message = format!("`haproxy.timeout.{name}` is \"{}\", not a time", shown(&time.value));
            let hint = format!("a whole number above 0 with a unit, such as 750ms: {}", UNITS.join(", "));
            problems.error(time.place, message, Some(hint));
        }
    }
    let port = said.port.as_ref().map_or(STATS, |port| port.value);
    let place = said.port.as_ref().and_then(|port| port.place);
    let stats = u16::try_from(port).ok().filter(|_| port >= UNPRIVILEGED);
    if stats.is_none() {
        let message = format!("`haproxy.stats.port` is {port}; it must be {UNPRIVILEGED} to {}", u16::MAX);
        problems.error(place, message, None);
    } else if TAKEN.contains(&port) {
        let message = format!("`haproxy.stats.port` is {port}, which something else on a worker has");
        problems.error(place, message, Some(format!("such as {STATS}")));
    }
    Haproxy {
        timeout: said.timeout.iter().map(|(name, time)| (*name, time.value.clone())).collect(),
        stats: stats.filter(|_| said.enabled.as_ref().is_some_and(|enabled| enabled.value)),
    }
}

fn is_time(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    UNITS.contains(&unit) && number.len() <= 9 && number.parse::<u32>().is_ok_and(|number| number > 0)
}
