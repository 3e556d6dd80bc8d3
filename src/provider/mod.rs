//! What a provider is: what runs the virtual machines. One row of the table, one module and one folder `vagrant/NAME` a
//! provider.

mod libvirt;
mod virtualbox;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, bail};
use ipnet::Ipv4Net;

use crate::exec::virsh::DomainState;
use crate::kinds::Provider;
pub use virtualbox::{Allowed, allowed};

/// A lab's Vagrantfile: the same bytes in every lab, for every provider, with nothing of the user's in it. One run of
/// Vagrant can be about several labs, and then has the code of the first.
pub const VAGRANTFILE: [&str; 5] = [
    include_str!("../../vagrant/Vagrantfile"),
    include_str!("../../vagrant/lab.rb"),
    include_str!("../../vagrant/steps.rb"),
    libvirt::FACTS.vagrantfile,
    virtualbox::FACTS.vagrantfile,
];

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
    /// Makes the CD-ROM that a machine gets its Ignition config by, where it is none of the provider's own channels.
    pub config_drive: Option<MakeDrive>,
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
    /// Whether the network of this name leads out of the host; none if there is no such network.
    pub leads_out: fn(&str) -> Result<Option<bool>>,
    /// What a box has beside its Vagrantfile and these disks, which have their names in the box.
    pub box_files: MakeFiles,
    /// What that says of no disk in particular: part of a box's key.
    pub box_key: &'static str,
    /// The Vagrantfile inside every box.
    pub box_vagrantfile: &'static str,
    /// The provider's part of [`VAGRANTFILE`].
    pub vagrantfile: &'static str,
}

/// Makes a CD-ROM with this Ignition config in it.
pub type MakeDrive = fn(&[u8]) -> Result<Vec<u8>>;

/// Makes what describes a box with these disks, by their names in it.
pub type MakeFiles = fn(&[(String, &Path)]) -> Result<Vec<BoxFile>>;

/// A file of a box that is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub text: String,
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
        Provider::Virtualbox => &virtualbox::FACTS,
    }
}

/// What only libvirt can do; `what` is a user's words for it.
///
/// # Errors
/// It is not libvirt.
pub fn only_libvirt(provider: Provider, what: &str) -> Result<()> {
    match provider {
        Provider::Libvirt => Ok(()),
        Provider::Virtualbox => bail!("{what} needs `provider: libvirt`: the machines of this lab run in VirtualBox"),
    }
}
