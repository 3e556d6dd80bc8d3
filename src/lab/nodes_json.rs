//! `out/nodes.json`: all that the static Vagrantfile has to know about this lab.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::config::Label;
use crate::config::{Hardware, Provider, Start};
use crate::plan::{self, Plan};
use crate::provider::{MakeDrive, facts};
use crate::role::{PerRole, Role};

/// The layout's version; the Vagrantfile's `SCHEMA` refuses any other.
const SCHEMA: u32 = 8;

/// Where things lie below the lab's folder.
const BOXES: &str = "out/boxes";
const IGNITION: &str = "out/ignition";
const CONSOLES: &str = "out/console";

/// Where the disk of container images lies below the lab's folder.
pub const IMAGES: &str = "out/images";

/// What is known beside the plan once a lab is rendered.
#[derive(Debug)]
pub struct Rendered<'a> {
    /// The hab that `vagrant up` asks to wait for the cluster.
    pub hab: &'a Path,
    /// The version of each role's box, once it is built.
    pub versions: &'a PerRole<Option<String>>,
    /// The SHA-256 of each node's Ignition config, in the order of the plan's nodes.
    pub ignition: &'a [String],
    /// The SHA-256 of the disk of container images, once it is built.
    pub images: Option<&'a str>,
}

/// The file's content.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    schema: u32,
    lab: &'a str,
    providers: &'a [Provider],
    start: Start,
    shell: bool,
    hab: &'a str,
    network: Network,
    nodes: Vec<Node<'a>>,
}

#[derive(Debug, Serialize)]
struct Network {
    name: String,
    host: String,
    netmask: String,
    /// Whether it leads out, by the host's own address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    internet: bool,
}

#[derive(Debug, Serialize)]
struct Node<'a> {
    name: &'a str,
    /// What the provider calls the machine.
    domain: String,
    role: Role,
    address: String,
    mac: &'a str,
    memory: u32,
    cpus: u32,
    /// The size of its data disk in GiB.
    disk: u32,
    /// What else it has.
    hardware: &'a Hardware,
    /// Its cards on the lab's further networks.
    cards: Vec<Card>,
    #[serde(rename = "box")]
    box_name: String,
    box_url: String,
    box_version: Option<&'a str>,
    ignition: String,
    ignition_sha256: &'a str,
    /// The CD-ROM that it gets its config by, with a provider that wants one.
    config_drive: Option<String>,
    console: String,
    /// The disk of container images, on nodes of a lab that has one.
    images: Option<Images>,
}

#[derive(Debug, Serialize)]
struct Images {
    /// What the provider calls it; another disk is another volume.
    volume: String,
    /// Where it lies; none before it is built.
    file: Option<String>,
}

impl Images {
    fn new(plan: &Plan, sha256: Option<&str>) -> Self {
        let file = sha256.map(images_path);
        let name = file.as_deref().and_then(|file| file.rsplit_once('/')).map_or("none", |(_, name)| name);
        // A dot is in no label, so no machine's volume has this name.
        Self { volume: format!("hab-{}.images-{name}", plan.lab), file }
    }
}

/// A card on a further network, and that network.
#[derive(Debug, Serialize)]
struct Card {
    mac: String,
    address: String,
    network: Network,
}

impl Card {
    /// That of a card which is on a network of the lab.
    fn new(plan: &Plan, card: &plan::Card) -> Option<Self> {
        let name = card.network.as_ref()?;
        let range = plan.network.extra.get(name)?;
        Some(Self {
            mac: card.mac.clone(),
            address: card.address.addr().to_string(),
            network: Network {
                name: extra_network(plan, name),
                host: plan::host(*range, 1).to_string(),
                netmask: range.netmask().to_string(),
                internet: false,
            },
        })
    }
}

impl<'a> Data<'a> {
    /// Puts the plan's decisions into the Vagrantfile's words.
    ///
    /// # Errors
    /// The path of hab is not text, or a node has no Ignition config.
    pub fn new(plan: &'a Plan, rendered: &Rendered<'a>) -> Result<Self> {
        let mut nodes = Vec::with_capacity(plan.nodes.len());
        let has_images = !plan.images.is_empty();
        for (index, node) in plan.nodes.iter().enumerate() {
            let sha256 =
                rendered.ignition.get(index).with_context(|| format!("{} has no Ignition config", node.name))?;
            nodes.push(Node {
                name: &node.name,
                domain: domain(plan, &node.name),
                role: node.role,
                address: node.address.to_string(),
                mac: &node.mac,
                memory: node.memory,
                cpus: node.cpus,
                disk: node.disk,
                hardware: &node.hardware,
                cards: node.cards.iter().filter_map(|card| Card::new(plan, card)).collect(),
                box_name: plan.box_name(node.role),
                box_url: box_metadata_path(node.role),
                box_version: rendered.versions.get(node.role).as_deref(),
                ignition: ignition_path(&node.name),
                ignition_sha256: sha256,
                config_drive: maker(plan).map(|_| config_drive_path(&node.name)),
                console: console_path(&node.name),
                images: (has_images && node.role.has_kubelet()).then(|| Images::new(plan, rendered.images)),
            });
        }
        Ok(Self {
            schema: SCHEMA,
            lab: plan.lab.as_str(),
            providers: &plan.providers,
            start: plan.start,
            shell: plan.shell,
            hab: rendered.hab.to_str().context("the path of hab is not text")?,
            network: Network {
                name: network(plan),
                host: plan.host.to_string(),
                netmask: plan.network.nodes.netmask().to_string(),
                internet: plan.internet.is_some(),
            },
            nodes,
        })
    }

    /// The file's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("writing out/nodes.json as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Where a role's box metadata lies, from the lab's folder.
#[must_use]
pub fn box_metadata_path(role: Role) -> String {
    format!("{BOXES}/{role}.json")
}

/// Where a node's Ignition config lies, from the lab's folder.
#[must_use]
pub fn ignition_path(node: &str) -> String {
    format!("{IGNITION}/{node}.ign")
}

/// Where the CD-ROM with a node's Ignition config lies, from the lab's folder.
#[must_use]
pub fn config_drive_path(node: &str) -> String {
    format!("{IGNITION}/{node}.iso")
}

/// What makes such CD-ROMs, if a provider of the lab wants them.
#[must_use]
pub fn maker(plan: &Plan) -> Option<MakeDrive> {
    plan.providers.iter().find_map(|provider| facts(*provider).config_drive)
}

/// Where the disk of container images with this SHA-256 lies, from the lab's folder.
#[must_use]
pub fn images_path(sha256: &str) -> String {
    /// So many digits tell all disks of a lab apart.
    const SHOWN: usize = 16;
    format!("{IMAGES}/{}.qcow2", sha256.get(..SHOWN).unwrap_or(sha256))
}

/// Where what a node says on its console is recorded, from the lab's folder.
#[must_use]
pub fn console_path(node: &str) -> String {
    format!("{CONSOLES}/{node}.log")
}

/// What the provider calls the data disk of the machine of `node`.
#[must_use]
pub fn data_volume(plan: &Plan, node: &str) -> String {
    format!("{}.data", domain(plan, node))
}

/// What libvirt calls the lab's network.
#[must_use]
pub fn network(plan: &Plan) -> String {
    format!("hab-{}", plan.lab)
}

/// What libvirt calls a further network of the lab. A dot is in no label, so no other lab's network has this name.
#[must_use]
pub fn extra_network(plan: &Plan, name: &Label) -> String {
    format!("{}.{}", network(plan), name.as_str())
}

/// What libvirt calls the machine of a node.
#[must_use]
pub fn domain(plan: &Plan, node: &str) -> String {
    format!("hab-{}-{node}", plan.lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vagrantfile() -> String {
        crate::provider::VAGRANTFILE.concat()
    }

    #[test]
    fn the_vagrantfile_reads_the_schema_that_is_written() {
        for place in [format!("SCHEMA = {SCHEMA}\n"), format!("HabLab.define(config, __dir__, {SCHEMA}) ")] {
            assert!(vagrantfile().contains(&place), "{place}");
        }
    }

    /// Both sides of the trial guest: what it writes, and where.
    #[test]
    fn the_vagrantfile_looks_for_what_the_trial_guest_writes() {
        use crate::exec::qemu::{EXIT_VALUE, RESULT_ADDRESS};
        assert!(vagrantfile().contains(&format!("RESULT = [{EXIT_VALUE:#x}].pack(\"Q<\")\n")));
        assert!(vagrantfile().contains(&format!("RESULT_ADDRESS = {RESULT_ADDRESS:#x}\n")));
    }

    /// Both sides of the card that forwarded ports come by.
    #[test]
    fn the_vagrantfile_gives_a_machine_the_card_that_its_node_looks_for() {
        let forwarding = crate::provider::facts(Provider::Libvirt).forwarding;
        for said in [format!("\"{}\"", forwarding.mac), format!("\"{}\"", forwarding.address.trunc())] {
            assert!(vagrantfile().contains(&said), "{said}");
        }
    }

    #[test]
    fn the_vagrantfile_reads_every_field_it_is_given() {
        let node = Node {
            name: "n",
            domain: String::new(),
            role: Role::Etcd,
            address: String::new(),
            mac: "",
            memory: 1,
            cpus: 1,
            disk: 1,
            hardware: &Hardware { console: false, ..Hardware::default() },
            cards: Vec::new(),
            box_name: String::new(),
            box_url: String::new(),
            box_version: None,
            ignition: String::new(),
            ignition_sha256: "",
            config_drive: None,
            console: String::new(),
            images: None,
        };
        let json = serde_json::to_value(&node).unwrap();
        let hardware = json["hardware"].as_object().unwrap().keys().filter(|key| *key != "networks");
        for field in json.as_object().unwrap().keys().filter(|key| *key != "role").chain(hardware) {
            assert!(vagrantfile().contains(&format!("[:{field}]")), "{field} is not read");
        }
    }
}
