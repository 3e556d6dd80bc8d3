//! What machines have besides memory, processors and their data disks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Component, Path};

use serde_json::Value;

use super::super::hardware::{ForwardedPort, Hardware, Protocol, RawFolder, RawHardware, RawPort, SharedFolder};
use super::super::label::Label;
use super::super::merged::{MergedMachines, MergedNodes};
use super::super::raw::Marked;
use super::super::yaml::shown;
use super::super::{Machine, Machines};
use super::super::{OUT, PRIVATE};
use super::choice;
use super::machines::MOST_DISK;
use crate::problems::{Place, Problems};
use crate::role::PerRole;

/// A virtio disk's serial number has at most so many bytes (`VIRTIO_BLK_ID_BYTES`, `linux/virtio_blk.h`).
const MAX_SERIAL: usize = 20;

/// How the serial numbers of hab's own disks begin.
const OURS: &str = "hab-";

/// The most disks of the user's that a machine has: with its own, and the most cards ([`network`](super::network)), they
/// leave slots of its bus free, which has 31.
const MOST_DISKS: usize = 8;

/// The hypervisor runs without the right to open ports below this one.
const UNPRIVILEGED: u32 = 1024;

/// Where shared folders may be on a node: nothing of the system's is there.
const FOLDERS: [&str; 4] = ["/home", "/media", "/mnt", "/srv"];

/// Checks what is said of a role or a node, `path`, over what its role has. `networks` are the names of those that the
/// lab has.
pub fn check(
    path: &str,
    said: &RawHardware,
    base: &Hardware,
    networks: &BTreeSet<&str>,
    problems: &mut Problems,
) -> Hardware {
    if let Some(cap) = &said.cpu_execution_cap
        && !(1..=100).contains(&cap.value)
    {
        let message = format!("`{path}.cpuExecutionCap` is {}; it must be 1 to 100, percent of a processor", cap.value);
        problems.error(cap.place, message, None);
    }
    let disks = said.disks.as_ref().map(|said| {
        let disk = |(name, size): &(Marked<String>, Marked<Value>)| disk(path, name, size, problems);
        let disks: BTreeMap<_, _> = said.iter().filter_map(disk).collect();
        if let Some((name, _)) = said.get(MOST_DISKS) {
            problems.error(name.place, format!("`{path}.disks` has more than {MOST_DISKS} disks"), None);
        }
        disks
    });
    let ports = said.forwarded_ports.as_ref();
    let ports = ports.map(|said| said.iter().filter_map(|said| port(path, said, problems)).collect());
    let folders = said.shared_folders.as_ref().map(|said| folders(path, said, problems));
    let said_networks = said.networks.as_ref().map(|said| of_networks(path, said, networks, problems));
    Hardware {
        disks: disks.unwrap_or_else(|| base.disks.clone()),
        networks: said_networks.unwrap_or_else(|| base.networks.clone()),
        forwarded_ports: ports.unwrap_or_else(|| base.forwarded_ports.clone()),
        shared_folders: folders.unwrap_or_else(|| base.shared_folders.clone()),
        gui: said.gui.as_ref().map_or(base.gui, |gui| gui.value),
        console: said.console.as_ref().map_or(base.console, |console| console.value),
        cpu_execution_cap: said.cpu_execution_cap.as_ref().map(|cap| cap.value).or(base.cpu_execution_cap),
    }
}

fn disk(path: &str, name: &Marked<String>, size: &Marked<Value>, problems: &mut Problems) -> Option<(Label, u32)> {
    let at = format!("{path}.disks.{}", shown(&name.value));
    let label = Label::new(&name.value).and_then(|label| match label.as_str() {
        text if text.len() > MAX_SERIAL => {
            Err(format!("is {} bytes long; at most {MAX_SERIAL} are allowed", text.len()))
        }
        text if text.starts_with(OURS) => Err(format!("begins with `{OURS}`, as hab's own disks do")),
        _ => Ok(label),
    });
    if let Err(why) = &label {
        problems.error(name.place, format!("`{at}` {why}"), Some("such as `scratch: 10`".to_owned()));
    }
    let gibibytes =
        size.value.as_u64().and_then(|size| u32::try_from(size).ok()).filter(|size| (1..=MOST_DISK).contains(size));
    if gibibytes.is_none() {
        let message = format!("`{at}` is {}; it must be 1 to {MOST_DISK}, in GiB", size.value);
        problems.error(size.place, message, None);
    }
    Some((label.ok()?, gibibytes?))
}

fn port(path: &str, said: &RawPort, problems: &mut Problems) -> Option<ForwardedPort> {
    let mut number = |key: &str, said: &Marked<u32>, least: u32| {
        let number = u16::try_from(said.value).ok().filter(|_| said.value >= least);
        if number.is_none() {
            let message =
                format!("`{path}.forwardedPorts` has {key} {}; it must be {least} to {}", said.value, u16::MAX);
            problems.error(said.place, message, None);
        }
        number
    };
    let (guest, host) = (number("guest", &said.guest, 1), number("host", &said.host, UNPRIVILEGED));
    let host_ip = match &said.host_ip {
        None => Some(Ipv4Addr::LOCALHOST),
        Some(said) => said.value.parse().ok().or_else(|| {
            let message = format!("`{path}.forwardedPorts` has hostIp \"{}\", not an IPv4 address", shown(&said.value));
            problems.error(said.place, message, Some("127.0.0.1, or 0.0.0.0 for all of the host's".to_owned()));
            None
        }),
    };
    let protocol = match &said.protocol {
        None => Some(Protocol::Tcp),
        Some(said) => choice(&format!("{path}.forwardedPorts.protocol"), said, Protocol::ALL, problems),
    };
    Some(ForwardedPort { guest: guest?, host: host?, host_ip: host_ip?, protocol: protocol? })
}

fn folders(path: &str, said: &[RawFolder], problems: &mut Problems) -> Vec<SharedFolder> {
    let (mut folders, mut seen): (_, Vec<&str>) = (Vec::new(), Vec::new());
    for RawFolder { host, guest } in said {
        if host.value.is_empty() || host.value.chars().any(char::is_control) || host.value.starts_with('~') {
            let message = format!("`{path}.sharedFolders` has host \"{}\", not a path", shown(&host.value));
            problems.error(
                host.place,
                message,
                Some("a path from the lab's folder, or one that begins with `/`".to_owned()),
            );
        }
        if shows_keys(&host.value) {
            let message =
                format!("`{path}.sharedFolders` has host \"{}\", where the lab's keys are", shown(&host.value));
            problems.error(host.place, message, Some("a folder of its own, such as `data`".to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let below =
            FOLDERS.iter().any(|folder| guest.value.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
        let parts = guest.value.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if !(below && parts && guest.value.chars().all(plain)) {
            let message = format!("`{path}.sharedFolders` has guest \"{}\"", shown(&guest.value));
            let hint =
                format!("a folder below {}, in letters, digits and `._-`, such as /srv/data", FOLDERS.join(", "));
            problems.error(guest.place, message, Some(hint));
        } else if let Some(other) = seen.iter().find(|other| nested(&guest.value, other)) {
            let message = format!("`{path}.sharedFolders` has {} and {other}: one would hide the other", guest.value);
            problems.error(guest.place, message, None);
        }
        seen.push(guest.value.as_str());
        folders.push(SharedFolder { host: host.value.clone(), guest: guest.value.clone() });
    }
    folders
}

/// Whether one of two paths is the other, or below it.
fn nested(one: &str, other: &str) -> bool {
    Path::new(one).starts_with(other) || Path::new(other).starts_with(one)
}

/// Whether a path from the lab's folder is that folder, or above it, or one of those with keys. Where links lead is seen
/// when a machine starts.
fn shows_keys(path: &str) -> bool {
    let path = Path::new(path);
    let mut parts: Vec<&OsStr> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    path.is_relative() && parts.first().is_none_or(|first| [OUT, PRIVATE].iter().any(|ours| first == ours))
}

fn of_networks(path: &str, said: &[Marked<Value>], networks: &BTreeSet<&str>, problems: &mut Problems) -> Vec<Label> {
    let mut found: Vec<Label> = Vec::new();
    for name in said {
        let known = name.value.as_str().filter(|text| networks.contains(text));
        match known.and_then(|text| Label::new(text).ok()) {
            Some(label) if found.contains(&label) => {
                problems.error(name.place, format!("`{path}.networks` names {} twice", label.as_str()), None);
            }
            Some(label) => found.push(label),
            None => {
                let message = format!("`{path}.networks` names {}, which is not in `network.extra`", name.value);
                let hint = if networks.is_empty() {
                    "add it there: `network: {extra: {storage: 192.168.57.0/24}}`".to_owned()
                } else {
                    format!("there is: {}", networks.iter().copied().collect::<Vec<_>>().join(", "))
                };
                problems.error(name.place, message, Some(hint));
            }
        }
    }
    found
}

/// No two nodes have the same port of the host.
pub fn apart(nodes: &PerRole<Machines>, said: &MergedNodes, problems: &mut Problems) {
    let mut taken: Vec<(ForwardedPort, String)> = Vec::new();
    for (role, machines) in nodes.iter() {
        // Where the role has ports, the second node ends the search at the latest, however many there are.
        let last = if machines.hardware.forwarded_ports.is_empty() { 0 } else { machines.count };
        let numbers = machines.overrides.keys().copied().filter(|number| *number > last).chain(1..=last);
        for number in numbers {
            let own = machines.overrides.get(&number).map(|Machine { hardware, .. }| hardware);
            let name = format!("{}-{number:02}", machines.prefix.as_str());
            for port in &own.unwrap_or(&machines.hardware).forwarded_ports {
                let clashes = |(other, _): &&(ForwardedPort, String)| {
                    let all = |ip: Ipv4Addr| ip.is_unspecified();
                    (other.host, other.protocol) == (port.host, port.protocol)
                        && (other.host_ip == port.host_ip || all(other.host_ip) || all(port.host_ip))
                };
                if let Some((_, other)) = taken.iter().find(clashes) {
                    let who = if *other == name {
                        format!("{name} twice has")
                    } else {
                        format!("{other} and {name} both have")
                    };
                    let message = format!("{who} the host's port {port}");
                    let hint = "give each its own, nodes in `override`".to_owned();
                    problems.error(place(said.get(role), port.host), message, Some(hint));
                    return;
                }
                taken.push((port.clone(), name.clone()));
            }
        }
    }
}

/// Where a role, or one of its nodes, names this port of the host, the last of them.
fn place(said: &MergedMachines, host: u16) -> Option<Place> {
    let all = std::iter::once(&said.hardware).chain(said.overrides.iter().map(|(_, own)| &own.hardware));
    let mut ports = all.flat_map(|hardware| hardware.forwarded_ports.iter().flatten());
    ports.rfind(|port| port.host.value == u32::from(host))?.host.place
}
