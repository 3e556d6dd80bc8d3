//! qemu through libvirt.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{BoxFile, Can, Facts, Forwarding};
use crate::exec::{qemu_img, virsh};

/// See [`Facts`].
pub const FACTS: Facts = Facts {
    name: "libvirt",
    title: "libvirt",
    // vagrant-libvirt gives a machine eight cards (its `nic_adapter_count`), and one is for the nodes' network.
    can: Can { virsh: true, images: true, shared_folders: Ok(()), lead_out: true, extra_networks: 7 },
    disk_format: "qcow2",
    convert: qemu_img::to_qcow2,
    convert_options: &qemu_img::QCOW2,
    // Its config comes through qemu's fw_cfg.
    ignition_platform: "qemu",
    config_drive: None,
    // The prefix that qemu and libvirt use for their guests.
    mac_prefix: [0x52, 0x54, 0x00],
    // The Vagrantfile gives it the serial number `hab-data`; see rules.d/60-persistent-storage.rules of udev.
    data_disk: "/dev/disk/by-id/virtio-hab-data",
    // A network that is nobody's (RFC 5737), and a locally administered hardware address (IEEE 802, 8.4).
    forwarding: Forwarding { mac: "02:00:00:00:00:0f", address: Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 15), 24) },
    taken: &[
        (net(192, 168, 121), "vagrant-libvirt's own management network"),
        (net(192, 168, 122), "libvirt's default network"),
    ],
    allowed: None,
    interfaces: "virbr",
    // `networkCheckRouteCollision` in its source.
    same_range: "libvirt will refuse it; `ip route` shows what the host has",
    hypervisor: || virsh::Virsh::new(virsh::default_uri())?.hypervisor(),
    domains: || virsh::domains(&virsh::default_uri()),
    leads_out: |network| virsh::leads_out(&virsh::default_uri(), network),
    box_files,
    // As it stood when boxes were first given keys.
    box_key: r#"{"provider":"libvirt","format":"qcow2","disks":[]}"#,
    box_vagrantfile: include_str!("../../vagrant/box/Vagrantfile"),
    vagrantfile: concat!(
        // In order: `provider.rb` names the others.
        include_str!("../../vagrant/libvirt/volume.rb"),
        include_str!("../../vagrant/libvirt/accelerator.rb"),
        include_str!("../../vagrant/libvirt/definition.rb"),
        include_str!("../../vagrant/libvirt/console.rb"),
        include_str!("../../vagrant/libvirt/disks.rb"),
        include_str!("../../vagrant/libvirt/images.rb"),
        include_str!("../../vagrant/libvirt/devices.rb"),
        include_str!("../../vagrant/libvirt/shell.rb"),
        include_str!("../../vagrant/libvirt/machine.rb"),
        include_str!("../../vagrant/libvirt/network.rb"),
        include_str!("../../vagrant/libvirt/provider.rb"),
    ),
};

const fn net(a: u8, b: u8, c: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24)
}

/// A box with a list of disks (vagrant-libvirt `docs/boxes.markdown`, "Version 2").
#[expect(clippy::unnecessary_wraps, reason = "another provider's can go wrong")]
fn box_files(disks: &[(String, &Path)]) -> Result<Vec<BoxFile>> {
    let disks: Vec<Value> = disks.iter().map(|(name, _)| json!({ "path": name })).collect();
    let metadata = json!({ "provider": FACTS.name, "format": FACTS.disk_format, "disks": disks });
    Ok(vec![BoxFile { name: "metadata.json", text: metadata.to_string() }])
}
