//! VirtualBox, 7.0 or newer.

mod config_drive;
mod host_only;
mod vmdk;

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;
use serde_json::json;

use super::{BoxFile, Can, Facts, libvirt};
use crate::exec::vboxmanage;

pub use host_only::Allowed;

/// See [`Facts`]. What is not VirtualBox' own is the same as libvirt's: so a node's Ignition config is the same, too, and
/// one lab has both.
pub const FACTS: Facts = Facts {
    name: "virtualbox",
    title: "VirtualBox",
    can: Can {
        virsh: false,
        images: false,
        shared_folders: Err("a node has no guest additions, by which VirtualBox shares folders"),
        lead_out: false,
        // It gives a machine eight cards with any chipset. The first is for forwarded ports, the second for the nodes'
        // network.
        extra_networks: 6,
    },
    disk_format: "vmdk",
    convert: vmdk::convert,
    convert_options: &vmdk::OPTIONS,
    // The base is the same for both. Its `init` sees by DMI that it runs in VirtualBox, and reads the config drive.
    ignition_platform: libvirt::FACTS.ignition_platform,
    config_drive: Some(config_drive::config_drive),
    mac_prefix: libvirt::FACTS.mac_prefix,
    data_disk: libvirt::FACTS.data_disk,
    forwarding: libvirt::FACTS.forwarding,
    // A range that another program has is no trouble to a host-only network of another range.
    taken: &[],
    allowed: Some(host_only::allowed),
    interfaces: "vboxnet",
    same_range: "the host would have two networks of that range; `ip route` shows what it has",
    hypervisor: || Ok("VirtualBox".to_owned()),
    domains: vboxmanage::machines,
    // A host-only network never does.
    leads_out: |_| Ok(Some(false)),
    box_files,
    box_key: OVF,
    box_vagrantfile: libvirt::FACTS.box_vagrantfile,
    // In order: `provider.rb` names the others.
    vagrantfile: concat!(
        include_str!("../../../vagrant/virtualbox/manage.rb"),
        include_str!("../../../vagrant/virtualbox/version.rb"),
        include_str!("../../../vagrant/virtualbox/disks.rb"),
        include_str!("../../../vagrant/virtualbox/hardware.rb"),
        include_str!("../../../vagrant/virtualbox/console.rb"),
        include_str!("../../../vagrant/virtualbox/power.rb"),
        include_str!("../../../vagrant/virtualbox/provider.rb"),
    ),
};

const OVF: &str = include_str!("../../../vagrant/virtualbox/box.ovf");

/// What Vagrant's own provider wants in a box: `box.ovf`, which names the disks.
fn box_files(disks: &[(String, &Path)]) -> Result<Vec<BoxFile>> {
    let [(_, base), (_, payload)] = disks else { bail!("a box for VirtualBox has two disks, not {}", disks.len()) };
    let mut ovf = OVF.to_owned();
    for (number, disk) in [(1, base), (2, payload)] {
        ovf = ovf.replace(&format!("@SIZE{number}@"), &fs::metadata(disk)?.len().to_string());
        ovf = ovf.replace(&format!("@CAPACITY{number}@"), &vmdk::capacity(disk)?.to_string());
    }
    // Vagrant keeps boxes apart by architecture from 2.4 on, and takes one that says nothing of it for any.
    let metadata = json!({ "provider": FACTS.name }).to_string();
    Ok(vec![BoxFile { name: "box.ovf", text: ovf }, BoxFile { name: "metadata.json", text: metadata }])
}
