//! What a provider is: what runs the virtual machines. One row of the table, one module and one folder `vagrant/NAME` a
//! provider.

mod libvirt;
mod virtualbox;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, ensure};
use ipnet::Ipv4Net;

use crate::exec::virsh::DomainState;
use crate::kinds::Provider;
pub use virtualbox::Allowed;

/// The provider that was there before any other: names of its steps and boxes, and their digests in the lock, name none.
pub const FIRST: Provider = Provider::Libvirt;

/// Whose disks the boot test boots: qemu's own. The same raw disks are in the boxes of every provider.
pub const BOOTED: Provider = Provider::Libvirt;

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
    /// What people call it.
    pub title: &'static str,
    /// What it can do of that which not all can.
    pub can: Can,
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
    /// Which ranges it lets a lab's networks have on this host; `None` where any will do.
    pub allowed: Option<fn() -> Allowed>,
    /// What the names of the host's interfaces begin with that it makes.
    pub interfaces: &'static str,
    /// What comes of a lab's network with the very range of another network of the host, in a user's words.
    pub same_range: &'static str,
    /// What runs the machines, with its version where that is known, such as `QEMU 7.2.22`.
    pub hypervisor: fn() -> Result<String>,
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

/// What a provider can do that not all can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Can {
    /// hab works with its machines by virsh: saves, sessions on nodes, reading and making data disks.
    pub virsh: bool,
    /// A machine has the disk of container images.
    pub images: bool,
    /// A machine has folders of the host; if not, why, in a user's words.
    pub shared_folders: Result<(), &'static str>,
    /// A lab's network can lead out of the host.
    pub lead_out: bool,
    /// How many further networks a machine has cards for.
    pub extra_networks: usize,
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

/// What tells the steps and boxes of `provider` from those of others, in their names; nothing for [`FIRST`].
#[must_use]
pub fn qualifier(provider: Provider) -> Option<&'static str> {
    (provider != FIRST).then(|| facts(provider).name)
}

/// The first provider that can do this.
#[must_use]
pub fn able(can: impl Fn(&Can) -> bool) -> Option<Provider> {
    Provider::ALL.iter().map(|(_, provider)| *provider).find(|provider| can(&facts(*provider).can))
}

/// Where to turn to for what another provider can do, in a user's words.
#[must_use]
pub fn hint(can: impl Fn(&Can) -> bool) -> Option<String> {
    able(can).map(|provider| format!("`provider: {}` can", facts(provider).name))
}

/// For what hab does by virsh; `what` is a user's words for it.
///
/// # Errors
/// The provider's machines are not virsh's.
pub fn by_virsh(provider: Provider, what: &str) -> Result<()> {
    let able = able(|can| can.virsh).map_or("", |able| facts(able).name);
    let Facts { can, title, .. } = facts(provider);
    ensure!(can.virsh, "{what} needs `provider: {able}`: the machines of this lab run in {title}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_can_not_do_is_said_with_the_one_that_can() {
        by_virsh(Provider::Libvirt, "a save").unwrap();
        let error = by_virsh(Provider::Virtualbox, "a save").unwrap_err().to_string();
        assert_eq!(error, "a save needs `provider: libvirt`: the machines of this lab run in VirtualBox");
        assert_eq!(hint(|can| can.extra_networks == 7).as_deref(), Some("`provider: libvirt` can"));
        assert_eq!(hint(|can| can.extra_networks > 7), None);
    }

    #[test]
    fn names_say_which_provider_they_are_of_except_for_the_first() {
        assert_eq!(Provider::ALL.iter().filter(|(_, provider)| qualifier(*provider).is_none()).count(), 1);
        assert_eq!(qualifier(Provider::Virtualbox), Some("virtualbox"));
    }
}
