//! A machine's definition, taken apart.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

/// What of a domain's definition a save has to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub uuid: String,
    /// In MiB.
    pub memory: u64,
    pub cpus: u32,
    /// Disks that can be written to: what the guest calls each, and its file.
    pub disks: Vec<(String, String)>,
    /// The networks that its cards are in.
    pub networks: BTreeSet<String>,
    /// The file with the Ignition config, which the guest has as a compact disc.
    pub config: String,
}

impl Definition {
    /// Reads libvirt's XML (<https://libvirt.org/formatdomain.html>).
    ///
    /// # Errors
    /// It is not that of a machine of hab's.
    pub fn parse(text: &str) -> Result<Self> {
        let xml = roxmltree::Document::parse(text)?;
        let text = |tag: &str| {
            let found = xml.root_element().children().find(|node| node.has_tag_name(tag)).and_then(|node| node.text());
            found.with_context(|| format!("no {tag}"))
        };
        let (mut disks, mut config) = (Vec::new(), None);
        for disk in xml.descendants().filter(|node| node.has_tag_name("disk")) {
            let child = |tag: &str, name: &str| {
                disk.children().find(|node| node.has_tag_name(tag)).and_then(|node| node.attribute(name))
            };
            let (Some(target), Some(file)) = (child("target", "dev"), child("source", "file")) else { continue };
            match disk.attribute("device") {
                Some("cdrom") => config = Some(file.to_owned()),
                // The disk of container images, which is nobody's to write to.
                _ if disk.children().any(|node| node.has_tag_name("readonly")) => {}
                _ => disks.push((target.to_owned(), file.to_owned())),
            }
        }
        let cards = xml.descendants().filter(|node| node.has_tag_name("interface"));
        let sources = cards.flat_map(|card| card.children().filter(|node| node.has_tag_name("source")));
        Ok(Self {
            uuid: text("uuid")?.to_owned(),
            // libvirt says it in KiB, whatever it was told.
            memory: text("memory")?.parse::<u64>().context("reading the memory")? >> 10,
            cpus: text("vcpu")?.parse().context("reading the number of processors")?,
            disks,
            networks: sources.filter_map(|source| source.attribute("network")).map(str::to_owned).collect(),
            config: config.context("no compact disc with an Ignition config")?,
        })
    }
}

/// Whether what a machine with this definition says on its serial port is recorded.
///
/// # Errors
/// It is not XML.
pub(super) fn is_recorded(definition: &str) -> Result<bool> {
    let xml = roxmltree::Document::parse(definition)?;
    let mut ports = xml.descendants().filter(|node| node.has_tag_name("serial"));
    Ok(ports.any(|port| port.children().any(|node| node.has_tag_name("log"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_config_are_told_apart() {
        let text = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name><uuid>8a5d</uuid>
            <memory unit='KiB'>1048576</memory><vcpu placement='static'>2</vcpu><devices>
            <disk type='file' device='disk'><source file='/pool/a.img'/><target dev='vda' bus='virtio'/></disk>
            <disk type='file' device='disk'><source file='/pool/a_1.img'/><target dev='vdb' bus='virtio'/></disk>
            <disk type='file' device='cdrom'><source file='/pool/a.ign'/><target dev='hdc' bus='ide'/><readonly/></disk>
            <disk type='file' device='disk'><source file='/pool/i'/><target dev='vdd' bus='virtio'/><readonly/></disk>
            <interface type='network'><source network='hab-a'/></interface>
            <interface type='network'><source network='hab-a.b'/></interface>
            </devices></domain>";
        let found = Definition::parse(text).unwrap();
        let disks = [("vda", "/pool/a.img"), ("vdb", "/pool/a_1.img")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(
            found,
            Definition {
                uuid: "8a5d".to_owned(),
                memory: 1024,
                cpus: 2,
                disks: disks.into(),
                networks: ["hab-a", "hab-a.b"].map(str::to_owned).into(),
                config: "/pool/a.ign".to_owned()
            }
        );
        let error = Definition::parse("<domain><uuid>1</uuid><memory>1</memory><vcpu>1</vcpu></domain>")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "no compact disc with an Ignition config");
    }

    #[test]
    fn a_machine_says_whether_its_console_is_recorded() {
        let with = |log: &str| {
            format!("<domain><devices><serial type='pty'>{log}<target port='0'/></serial></devices></domain>")
        };
        assert!(is_recorded(&with("<log file='/lab/out/console/a.log' append='on'/>")).unwrap());
        assert!(!is_recorded(&with("")).unwrap());
    }
}
