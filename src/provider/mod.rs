//! What a provider is: what runs the virtual machines. One row of the table, one module and one folder `vagrant/NAME` a
//! provider.

mod libvirt;

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use ipnet::Ipv4Net;
use serde_json::Value;

use crate::exec::virsh::DomainState;
use crate::kinds::Provider;

/// The facts of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its name in Vagrant.
    pub name: &'static str,
    /// The format of a box's disks, as `qemu-img` calls it.
    pub disk_format: &'static str,
    /// Turns a raw disk into that format: the same bytes from the same disk.
    pub convert: fn(&Path, &Path) -> Result<()>,
    /// The options with which it does; part of every disk's key.
    pub convert_options: &'static [&'static str],
    /// What Ignition is told to run on, so that it finds its config
    /// (<https://coreos.github.io/ignition/supported-platforms/>).
    pub ignition_platform: &'static str,
    /// The first three bytes of every hardware address.
    pub mac_prefix: [u8; 3],
    /// Where a node finds its data disk: the link that udev makes for a disk with this serial number.
    pub data_disk: &'static str,
    /// The card that forwarded ports come by.
    pub forwarding: Forwarding,
    /// Ranges of its own networks, which a lab must not have, and what they are.
    pub taken: &'static [(Ipv4Net, &'static str)],
    /// How every machine is that there is on this host, a lab's or not, by name. Quick, but starts a program.
    pub domains: fn() -> Result<HashMap<String, DomainState>>,
    /// `metadata.json` of a box with these disks.
    pub box_metadata: fn(&[String]) -> Value,
    /// The Vagrantfile inside every box.
    pub box_vagrantfile: &'static str,
    /// The lab's Vagrantfile: the same bytes in every lab, with nothing of the user's in it.
    pub vagrantfile: &'static str,
}

/// The card of a machine that ports of the host lead to. Nothing but these ports comes by it, and nothing leads out.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding {
    /// Its hardware address; each machine's card is alone in its network.
    pub mac: &'static str,
    /// The node's address there.
    pub address: Ipv4Net,
}

/// The facts of `provider`.
#[must_use]
pub const fn facts(provider: Provider) -> &'static Facts {
    match provider {
        Provider::Libvirt => &libvirt::FACTS,
    }
}
