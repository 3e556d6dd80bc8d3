//! What runs the machines, and what it can't do.

use super::super::merged::{Merged, MergedMachines};
use super::super::{Provider, Start};
use super::choice;
use crate::kinds::{Base, Cni};
use crate::problems::Problems;
use crate::provider::{Facts, facts, hint};

/// The providers; none twice.
pub fn check(merged: &Merged, problems: &mut Problems) -> Option<Vec<Provider>> {
    let mut providers = Vec::new();
    for said in &merged.providers {
        let provider = choice("provider", said, Provider::ALL, problems)?;
        if providers.contains(&provider) {
            problems.error(said.place, format!("`provider` names {} twice", said.value), None);
        }
        able(facts(provider), merged, problems);
        providers.push(provider);
    }
    Some(providers)
}

/// What a lab can't have whose machines this provider is to run, be it as one of two.
fn able(facts: &Facts, merged: &Merged, problems: &mut Problems) {
    let Facts { can, title, .. } = facts;
    let base = Base::ALL.iter().find(|(name, _)| *name == merged.base.value);
    if let Some((name, base)) = base
        && facts.config_drive.is_some()
        && !reads_config_drive(*base)
    {
        let message = format!("`base: {name}` can't get its Ignition config in {title}");
        problems.error(merged.base.place, message, Some("`base: debian` reads it from a config drive".to_owned()));
    }
    let saved = Start::ALL.iter().any(|(name, start)| *name == merged.start.value && *start == Start::Saved);
    if saved && !can.virsh {
        let message = format!("`start` can't be \"saved\": machines in {title} are not saved");
        problems.error(merged.start.place, message, hint(|can| can.virsh));
    }
    if let Some(image) = merged.images.list.first().filter(|_| !can.images) {
        let message = format!("`images` are on a disk of their own, which a machine in {title} can't have yet");
        problems.error(image.place(), message, hint(|can| can.images));
    }
    let cni = Cni::ALL.iter().find(|(name, cni)| *name == merged.cni.value && !cni.images().is_empty());
    if let Some((name, _)) = cni.filter(|_| !can.images) {
        let message = format!("`cni: {name}` comes as container images, which a machine in {title} can't have yet");
        problems.error(merged.cni.place, message, hint(|can| can.images));
    }
    let (extra, most) = (&merged.network.extra, can.extra_networks);
    if let Some((name, _)) = extra.get(most) {
        let message =
            format!("`network.extra` has more than {most} networks, all that a machine in {title} has cards for");
        problems.error(name.place, message, hint(|can| can.extra_networks >= extra.len()));
    }
    for (role, machines) in merged.nodes.iter() {
        let MergedMachines { hardware, overrides, .. } = machines;
        let own = overrides.iter().map(|(name, own)| (format!("nodes.{role}.override.{}", name.value), &own.hardware));
        for (path, hardware) in std::iter::once((format!("nodes.{role}"), hardware)).chain(own) {
            if let (Err(why), Some(folder)) = (can.shared_folders, hardware.shared_folders.iter().flatten().next()) {
                let message = format!("`{path}.sharedFolders`: {why}");
                problems.error(folder.host.place, message, hint(|can| can.shared_folders.is_ok()));
            }
        }
    }
}

/// Whether a base's first boot looks for its config on a CD-ROM, where its provider gives it one.
const fn reads_config_drive(base: Base) -> bool {
    match base {
        Base::Debian => true,
        Base::Flatcar | Base::FedoraCoreos => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    #[test]
    fn one_word_or_a_list_is_read_in_its_order() {
        let providers = |text: &str| read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap().providers.clone();
        assert_eq!(providers("lab: a\n"), [Provider::Libvirt]);
        assert_eq!(providers("{lab: a, provider: virtualbox}"), [Provider::Virtualbox]);
        let both = [Provider::Virtualbox, Provider::Libvirt];
        assert_eq!(providers("{lab: a, provider: [virtualbox, libvirt]}"), both);
        for (text, expected) in [
            ("provider: [libvirt, libvirt]", "2:21: error: `provider` names libvirt twice"),
            ("provider: []", "2:11: error: `provider` is empty"),
            ("provider: [libvirt, virtual-box]", "did you mean `virtualbox`?"),
            ("provider: [{a: b}]", "`provider` must be text"),
            ("provider: {a: b}", "`provider` must be text"),
        ] {
            assert!(said(text).contains(expected), "{text}: {}", said(text));
        }
    }

    #[test]
    fn what_virtualbox_can_not_do_is_refused_where_it_stands() {
        let extra: Vec<String> = (0..7).map(|n| format!("n{n}: 192.168.{}.0/24", 57 + n)).collect();
        let extra = extra.join(", ");
        let networks = format!("network: {{extra: {{{extra}}}}}");
        for (text, expected) in [
            ("start: saved", "3:8: error: `start` can't be \"saved\""),
            (
                "nodes: {etcd: {sharedFolders: [{host: data, guest: /srv/data}]}}",
                "3:39: error: `nodes.etcd.sharedFolders`",
            ),
            (
                "nodes: {worker: {override: {\"01\": {sharedFolders: [{host: data, guest: /srv/data}]}}}}",
                "error: `nodes.worker.override.01.sharedFolders`",
            ),
            ("images: [nginx:1]", "3:10: error: `images` are on a disk of their own"),
            (&networks, "`network.extra` has more than 6 networks"),
        ] {
            for provider in ["virtualbox", "[libvirt, virtualbox]"] {
                let said = said(&format!("provider: {provider}\n{text}"));
                assert!(said.contains(expected), "{text}: {said}");
            }
            assert_eq!(said(&format!("provider: libvirt\n{text}")), "", "{text}");
        }
        let eight = format!("network: {{extra: {{{extra}, n7: 192.168.64.0/24}}}}");
        let expected = "error: `network.extra` has more than 7 networks, all that a machine in libvirt has cards for";
        assert!(said(&eight).contains(expected) && !said(&eight).contains("can\n"), "{}", said(&eight));
    }
}
