//! What a machine has besides memory, processors and its data disk: as it is written, and as it is once it is checked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::Value;

use super::fields::Section;
use super::free::{self, Entry, Item};
use super::label::Label;
use super::raw::Marked;
use super::yaml::YamlNode;
use crate::problems::Problems;

/// What a role's machines, or one of them, have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hardware {
    /// More disks besides the data disk: their names, which are also their serial numbers, and their sizes in GiB.
    pub disks: BTreeMap<Label, u32>,
    /// The lab's further networks that they are in.
    pub networks: Vec<Label>,
    /// Ports of the host that lead to theirs.
    pub forwarded_ports: Vec<ForwardedPort>,
    /// Folders of the host that they can read.
    pub shared_folders: Vec<SharedFolder>,
    /// They have a screen.
    pub gui: bool,
    /// What they say on their serial ports is recorded. It is written only where it is not: a machine that was started by a
    /// hab which did not know the word is no other one for that.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub console: bool,
    /// How much of a processor of the host each of theirs may take, in percent; all of it if it is not said.
    pub cpu_execution_cap: Option<u32>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            disks: BTreeMap::new(),
            networks: Vec::new(),
            forwarded_ports: Vec::new(),
            shared_folders: Vec::new(),
            gui: false,
            console: true,
            cpu_execution_cap: None,
        }
    }
}

/// A port of the host that leads to one of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForwardedPort {
    /// The node's.
    pub guest: u16,
    /// The host's.
    pub host: u16,
    /// The address of the host that has it.
    pub host_ip: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
}

/// What goes through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// By their names in `hab.yaml`.
    pub const ALL: &[(&str, Self)] = &[("tcp", Self::Tcp), ("udp", Self::Udp)];
}

impl fmt::Display for ForwardedPort {
    /// The host's side: `127.0.0.1:8080/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = Protocol::ALL.iter().find(|(_, protocol)| *protocol == self.protocol);
        write!(f, "{}:{}/{}", self.host_ip, self.host, protocol.map_or("", |(name, _)| name))
    }
}

/// A folder of the host that a node can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedFolder {
    /// Where it is on the host, from the lab's folder.
    pub host: String,
    /// Where the node has it.
    pub guest: String,
}

/// As it is written.
#[derive(Debug, Clone, Default)]
pub struct RawHardware {
    pub disks: Option<Vec<Entry<Value>>>,
    pub networks: Option<Vec<Marked<Value>>>,
    pub forwarded_ports: Option<Vec<RawPort>>,
    pub shared_folders: Option<Vec<RawFolder>>,
    pub gui: Option<Marked<bool>>,
    pub console: Option<Marked<bool>>,
    pub cpu_execution_cap: Option<Marked<u32>>,
}

/// A forwarded port as it is written.
#[derive(Debug, Clone)]
pub struct RawPort {
    pub guest: Marked<u32>,
    pub host: Marked<u32>,
    pub host_ip: Option<Marked<String>>,
    pub protocol: Option<Marked<String>>,
}

/// A shared folder as it is written.
#[derive(Debug, Clone)]
pub struct RawFolder {
    pub host: Marked<String>,
    pub guest: Marked<String>,
}

/// Reads the keys of a role or a node that are about its machine.
pub fn read(section: &mut Section<'_>, problems: &mut Problems) -> RawHardware {
    RawHardware {
        disks: section.has("disks").then(|| free::values(section, "disks", problems)),
        networks: networks(section, problems),
        forwarded_ports: ends(section, "forwardedPorts", "{host: 8080, guest: 30080}", problems, |port, problems| {
            Some(RawPort {
                guest: port.number("guest", problems)?,
                host: port.number("host", problems)?,
                host_ip: port.text("hostIp", problems),
                protocol: port.text("protocol", problems),
            })
        }),
        shared_folders: ends(
            section,
            "sharedFolders",
            "{host: data, guest: /srv/data}",
            problems,
            |folder, problems| {
                Some(RawFolder { host: folder.text("host", problems)?, guest: folder.text("guest", problems)? })
            },
        ),
        gui: section.truth("gui", problems),
        console: section.truth("console", problems),
        cpu_execution_cap: section.number("cpuExecutionCap", problems),
    }
}

fn networks(section: &Section<'_>, problems: &mut Problems) -> Option<Vec<Marked<Value>>> {
    let list = section.list("networks", problems)?;
    let path = section.name("networks");
    let name = |node: &YamlNode| Some(Marked { value: free::value(node, &path, problems)?, place: Some(node.place) });
    Some(list.value.iter().filter_map(name).collect())
}

/// The list under `key` of what has a side on the host and one on the guest.
fn ends<T>(
    section: &Section<'_>,
    key: &str,
    example: &'static str,
    problems: &mut Problems,
    read: impl Fn(&mut Section<'_>, &mut Problems) -> Option<T>,
) -> Option<Vec<T>> {
    let item = Item { named: "an item of", required: ["host", "guest"], example };
    free::sections(section, key, item, problems, read).map(|list| list.value)
}
