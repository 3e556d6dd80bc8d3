//! What a machine was made of, kept when the lab has something newer: so that a person can be told in what they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fs_err as fs;
use serde_json::Value;

use super::PRIVATE;
use super::nodes_json;
use super::origin::{self, Origins};
use crate::atomic_fs;
use crate::digest::sha256;
use crate::pki;

/// How many files are named; of more it is said how many there are.
const MOST: usize = 4;

/// Where the config is that the machine of `node` was made of, once the lab has another.
fn path(lab: &Path, node: &str) -> PathBuf {
    lab.join(PRIVATE).join("applied").join(format!("{node}.ign"))
}

/// Keeps the config of `node` that is about to be replaced by one with the SHA-256 `new`, if a machine was made of it.
///
/// # Errors
/// It can't be read, or not be written.
pub fn keep(lab: &Path, origins: &Origins, node: &str, new: &str) -> Result<()> {
    let note = origins.note(node, origin::FILE).unwrap_or_default();
    // Most often the machine is of this config; then nothing has to be read.
    let Some((_, sha)) = origin::parts(&note).filter(|(_, sha)| *sha != new) else { return Ok(()) };
    let current = lab.join(nodes_json::ignition_path(node));
    if !current.is_file() {
        return Ok(());
    }
    let old = fs::read(&current)?;
    if sha256(&old) == sha {
        let kept = path(lab, node);
        if let Some(folder) = kept.parent() {
            atomic_fs::create_private_dir(folder)?;
        }
        atomic_fs::write(&kept, atomic_fs::SECRET, &old)?;
    }
    Ok(())
}

/// In what the machine of `node` differs from what would be made now, in words; empty when it does not, or there is none.
///
/// # Errors
/// A config is damaged.
pub fn differences(lab: &Path, origins: &Origins, node: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let (Some(note), Some(now)) = (origins.note(node, origin::FILE), origins.now(node)) else { return Ok(found) };
    let Some((version, sha)) = origin::parts(&note) else { return Ok(found) };
    if let Some(new) = now.version.filter(|new| *new != version) {
        found.push(versions(version, new));
    }
    if now.sha256 != sha {
        let kept = path(lab, node);
        let old = if kept.is_file() { fs::read(&kept)? } else { Vec::new() };
        if sha256(&old) == sha {
            let new = fs::read(lab.join(nodes_json::ignition_path(node)))?;
            found.extend(files(&old, &new).with_context(|| format!("comparing the configs of {node}"))?);
        } else {
            found.push("another Ignition config".to_owned());
        }
    }
    found.extend(sizes(&origins.note(node, origin::SIZE_FILE).unwrap_or_default(), now.size));
    let hardware = origins.note(node, origin::HARDWARE_FILE).unwrap_or_default();
    found.extend(origins.other_hardware(node, &hardware).into_iter().map(|word| format!("other {word}")));
    Ok(found)
}

/// What a machine has less or more than it would have `now`; `then` is the note of when it was started.
fn sizes(then: &str, now: [u32; 3]) -> Vec<String> {
    let then = then.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
    let named = [("memory", " MiB"), ("cpus", ""), ("disk", " GiB")].into_iter().zip(then.zip(now));
    let changed = named.filter_map(|((name, unit), (then, now))| {
        let then = then.filter(|then| *then != now)?;
        Some(format!("{name} {then} -> {now}{unit}"))
    });
    changed.collect()
}

/// Box versions are that of Kubernetes and a serial number.
fn versions(old: &str, new: &str) -> String {
    let kubernetes = |version: &str| version.rsplit_once('.').map_or_else(String::new, |(of, _)| of.to_owned());
    let (before, after) = (kubernetes(old), kubernetes(new));
    if before == after { format!("box {old} -> {new}") } else { format!("Kubernetes v{before} -> v{after}") }
}

/// The names of what is different in two configs.
fn files(old: &[u8], new: &[u8]) -> Result<Vec<String>> {
    let (old, new) = (entries(old)?, entries(new)?);
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path)).map(|path| name(path, &old, &new));
    // A certificate and its key are one.
    let mut names: Vec<String> = changed.collect::<BTreeSet<_>>().into_iter().collect();
    if names.len() > MOST {
        let more = names.len() - MOST;
        names.truncate(MOST);
        names.push(format!("{more} more files"));
    }
    Ok(names)
}

/// What a config writes, by path.
type Entries = BTreeMap<String, Value>;

fn entries(config: &[u8]) -> Result<Entries> {
    let config: Value = serde_json::from_slice(config)?;
    let mut all = BTreeMap::new();
    for kind in ["files", "links", "directories", "filesystems"] {
        for entry in config["storage"][kind].as_array().into_iter().flatten() {
            let path = entry["path"].as_str().or_else(|| entry["device"].as_str()).unwrap_or_default();
            all.insert(path.to_owned(), entry.clone());
        }
    }
    for unit in config["systemd"]["units"].as_array().into_iter().flatten() {
        all.insert(unit["name"].as_str().unwrap_or_default().to_owned(), unit.clone());
    }
    Ok(all)
}

/// What a person calls a file that is different in two configs; a certificate and its key are one.
fn name(path: &str, old: &Entries, new: &Entries) -> String {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    let below = path.strip_prefix(pki::ON_NODE).and_then(|rest| rest.strip_prefix('/'));
    let Some((stem, "crt" | "key" | "pub")) = below.and_then(|rest| rest.rsplit_once('.')) else {
        return file.to_owned();
    };
    let certificate = format!("{}/{stem}.crt", pki::ON_NODE);
    match [old, new].map(|entries| entries.get(&certificate)) {
        // Kubernetes' service accounts have a key and no certificate.
        [None, None] => format!("key {stem}"),
        [old, new] => match (old.and_then(content), new.and_then(content)) {
            (Some(old), Some(new)) if pki::renews(&old, &new) => format!("certificate {stem} renewed"),
            _ => format!("certificate {stem}"),
        },
    }
}

/// What is in a file of a config, if hab wrote it, and short (`src/node/encode.rs`).
fn content(entry: &Value) -> Option<Vec<u8>> {
    BASE64.decode(entry["contents"]["source"].as_str()?.strip_prefix("data:;base64,")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::node::ignition::Configs;
    use crate::pki::Pki;
    use crate::plan::Plan;

    fn config(files: &[(&str, &str)]) -> Vec<u8> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| serde_json::json!({"path": path, "contents": {"source": text}})).collect();
        serde_json::json!({"storage": {"files": files}}).to_string().into_bytes()
    }

    #[test]
    fn what_differs_has_a_name() {
        let old =
            config(&[("/etc/hosts", "a"), ("/etc/kubernetes/pki/x.crt", "1"), ("/etc/kubernetes/pki/x.key", "1")]);
        let new = config(&[("/etc/hosts", "a"), ("/etc/kubernetes/pki/x.crt", "2"), ("/etc/kubernetes/a/b.cfg", "2")]);
        assert_eq!(files(&old, &new).unwrap(), ["b.cfg", "certificate x"]);
        assert!(files(&old, &old).unwrap().is_empty());
        let many: Vec<_> = ["/1", "/2", "/3", "/4", "/5", "/6"].map(|path| (path, "")).into();
        assert_eq!(files(&config(&[]), &config(&many)).unwrap()[3..], ["4", "2 more files"]);
    }

    #[test]
    fn a_certificate_that_was_only_renewed_is_called_that() {
        let dir = tempfile::tempdir().unwrap();
        let plan = |text: &str| {
            Plan::new(crate::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap()
        };
        let made = |plan: &Plan, now: i64| {
            let (pki, node) =
                (Pki::open(&dir.path().join("private"), plan, Clock::at(now).unwrap()).unwrap(), &plan.nodes[0]);
            Configs::new(plan, Vec::new(), crate::config::UsersFiles::default())
                .unwrap()
                .node(node, pki.node(node).unwrap())
                .unwrap()
        };
        // 2026-11-23, and in the last month of the leaves of that day.
        let (now, later) = (1_795_400_000, 1_795_400_000 + (1825 - 29) * 86_400);
        let one = plan("lab: demo\n");
        let [old, new] = [now, later].map(|now| made(&one, now));
        assert_eq!(files(&old, &new).unwrap(), ["certificate etcd/peer renewed", "certificate etcd/server renewed"]);
        let moved = plan("{lab: demo, nodes: {etcd: {override: {\"01\": {address: 192.168.56.77}}}}}");
        let said = files(&new, &made(&moved, later)).unwrap();
        assert!(said.iter().any(|name| name == "certificate etcd/server"), "{said:?}");
        assert!(said.iter().all(|name| !name.contains("renewed")), "{said:?}");
        // Service accounts have a key alone, and nobody renews it.
        let key = |text| config(&[("/etc/kubernetes/pki/sa.key", text), ("/etc/kubernetes/pki/sa.pub", text)]);
        assert_eq!(files(&key("1"), &key("2")).unwrap(), ["key sa"]);
    }

    #[test]
    fn a_box_of_another_kubernetes_says_that() {
        assert_eq!(versions("1.36.3.100", "1.36.3.101"), "box 1.36.3.100 -> 1.36.3.101");
        assert_eq!(versions("1.36.3.100", "1.36.4.90"), "Kubernetes v1.36.3 -> v1.36.4");
    }

    #[test]
    fn what_a_machine_has_is_held_against_the_lab() {
        assert_eq!(sizes("1024 1 16", [2048, 1, 20]), ["memory 1024 -> 2048 MiB", "disk 16 -> 20 GiB"]);
        assert_eq!(sizes("1024 1 16", [1024, 2, 16]), ["cpus 1 -> 2"]);
        assert!(sizes("1024 1 16\n", [1024, 1, 16]).is_empty() && sizes("", [1024, 1, 16]).is_empty());
    }

    #[test]
    fn a_config_is_kept_only_if_a_machine_was_made_of_it() {
        let lab = tempfile::tempdir().unwrap();
        let (old, new) = (config(&[("/etc/hosts", "a")]), config(&[("/etc/hosts", "b")]));
        let write = |path: &str, text: &[u8]| {
            let path = lab.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let origins = || Origins::read(lab.path(), crate::kinds::Provider::Libvirt).unwrap();
        let nodes = |sha: &str| {
            let text =
                format!(r#"{{"nodes": [{{"name": "n", "box_version": "1.2.3.4", "ignition_sha256": "{sha}"}}]}}"#);
            write("out/nodes.json", text.as_bytes());
        };
        std::fs::create_dir(lab.path().join(PRIVATE)).unwrap();
        write("out/ignition/n.ign", &old);
        nodes(&sha256(&old));
        keep(lab.path(), &origins(), "n", &sha256(&new)).unwrap();
        assert!(!path(lab.path(), "n").exists());

        write(".vagrant/machines/n/libvirt/id", b"1");
        write(".vagrant/machines/n/libvirt/hab-origin", format!("1.2.3.4 {}\n", sha256(&old)).as_bytes());
        assert!(differences(lab.path(), &origins(), "n").unwrap().is_empty());
        keep(lab.path(), &origins(), "n", &sha256(&new)).unwrap();
        write("out/ignition/n.ign", &new);
        nodes(&sha256(&new));
        assert_eq!(differences(lab.path(), &origins(), "n").unwrap(), ["hosts"]);
        // Rendered once more: what is kept stays what the machine has.
        keep(lab.path(), &origins(), "n", &sha256(b"{}")).unwrap();
        assert_eq!(differences(lab.path(), &origins(), "n").unwrap(), ["hosts"]);
        write("private/applied/n.ign", b"other");
        assert_eq!(differences(lab.path(), &origins(), "n").unwrap(), ["another Ignition config"]);
    }
}
