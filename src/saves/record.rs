//! What is noted of a save, and whether it still fits the lab.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::storage::SaveId;
use crate::lab::origin::{self, Origins};
use crate::plan::Plan;

/// The version of the layout.
const SCHEMA: u32 = 3;

/// A save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    schema: u32,
    /// What the user calls it.
    pub name: String,
    /// Part of its files' names.
    pub(super) id: SaveId,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made: OffsetDateTime,
    /// The lab's Kubernetes version.
    pub kubernetes: String,
    /// The hypervisor that wrote the memory; another version may not be able to read it.
    pub hypervisor: String,
    /// The storage pool that has its files.
    pub(super) pool: Pool,
    /// The definitions of the lab's networks, by their names.
    pub(super) networks: BTreeMap<String, String>,
    /// The machines, in the order of the plan.
    pub(super) machines: Vec<Machine>,
    /// How many bytes of memory and disks it takes; `None` if hab was ended before it knew.
    pub bytes: Option<u64>,
}

/// A storage pool that is a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(super) struct Pool {
    pub name: String,
    pub folder: String,
}

impl Pool {
    /// Where a volume is.
    pub fn path(&self, volume: &str) -> String {
        format!("{}/{volume}", self.folder)
    }
}

/// A machine as it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub node: String,
    /// The provider's name for it.
    pub domain: String,
    /// Its definition.
    pub definition: String,
    /// How much memory it has, in MiB.
    pub mebibytes: u64,
    pub cpus: u32,
    /// The volume with its memory.
    pub memory: String,
    pub disks: Vec<Disk>,
    /// The volume with its Ignition config.
    pub config: String,
    /// The files that Vagrant keeps about it, by name.
    pub vagrant: BTreeMap<String, String>,
    /// Whether its agent set its clock right after the save; one that had not booted so far has none.
    #[serde(default)]
    pub has_agent: bool,
}

/// A disk as it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Disk {
    /// What the guest calls it.
    pub target: String,
    /// The volume that the machine writes to.
    pub volume: String,
    /// The volume with the copy.
    pub copy: String,
    /// The volumes that the copy builds on, from the one that it holds the differences to, down to the box; none for a
    /// data disk.
    pub below: Vec<String>,
    /// How large the guest finds it, in bytes.
    pub capacity: u64,
}

impl Record {
    /// A new one, without machines.
    pub(super) fn new(name: &str, id: SaveId, plan: &Plan, made: OffsetDateTime) -> Self {
        Self {
            schema: SCHEMA,
            name: name.to_owned(),
            id,
            made,
            kubernetes: plan.kubernetes.version.clone(),
            hypervisor: String::new(),
            pool: Pool::default(),
            networks: BTreeMap::new(),
            machines: Vec::new(),
            bytes: None,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Layout {
            schema: u32,
        }
        let bytes = fs::read(path)?;
        let Layout { schema } = serde_json::from_slice(&bytes)?;
        ensure!(schema == SCHEMA, "it is of another version of hab (layout {schema}, this one has {SCHEMA})");
        Ok(serde_json::from_slice(&bytes)?)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).context("writing a save's record as JSON")
    }

    /// The volumes that it consists of.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        self.machines.iter().flat_map(|machine| {
            std::iter::once(machine.memory.as_str()).chain(machine.disks.iter().map(|disk| disk.copy.as_str()))
        })
    }

    /// The provider's names of its machines.
    pub(super) fn domains(&self) -> Vec<&str> {
        self.machines.iter().map(|machine| machine.domain.as_str()).collect()
    }

    /// In what the lab, as it is on the disk now, differs from the one that was saved; empty when the save fits.
    pub(super) fn differences(&self, plan: &Plan, origins: &Origins) -> Vec<String> {
        let mut found = Vec::new();
        if self.kubernetes != plan.kubernetes.version {
            found.push(format!("Kubernetes was {} and is {}", self.kubernetes, plan.kubernetes.version));
        }
        for node in plan.nodes.iter().filter(|node| self.machines.iter().all(|machine| machine.node != node.name)) {
            found.push(format!("{} is not in it", node.name));
        }
        for machine in &self.machines {
            let node = &machine.node;
            let Some(now) = plan.nodes.iter().find(|known| known.name == *node) else {
                found.push(format!("{node} is no node of the lab any more"));
                continue;
            };
            if !origins.knows(node) {
                found.push(format!("{node} is not built: run `hab build`"));
            } else if let Some(stale) = machine.origin().and_then(|origin| origins.held_against(node, origin)) {
                found.push(format!("{node} has another {stale} now"));
            }
            let hardware = machine.vagrant.get(origin::HARDWARE_FILE).map_or("", String::as_str);
            for word in origins.other_hardware(node, hardware) {
                found.push(format!("{node} had other {word}"));
            }
            if machine.mebibytes != u64::from(now.memory) {
                found.push(format!("{node} had {} MiB of memory and has {} now", machine.mebibytes, now.memory));
            }
            if machine.cpus != now.cpus {
                found.push(format!("{node} had {} processors and has {} now", machine.cpus, now.cpus));
            }
        }
        found
    }
}

impl Machine {
    /// What it was created from, as [`Origins`] has it.
    fn origin(&self) -> Option<&str> {
        self.vagrant.get(origin::FILE).map(String::as_str)
    }

    /// The provider's id of it.
    pub fn id(&self) -> Result<&str> {
        self.vagrant.get("id").map(|id| id.trim()).with_context(|| format!("nobody noted the id of {}", self.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Provider;

    fn plan(workers: u32) -> Plan {
        let text = format!("{{lab: demo, nodes: {{worker: {{count: {workers}, prefix: w}}}}}}");
        Plan::new(crate::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap()
    }

    /// What a lab has whose nodes have these configs.
    fn origins(configs: &[(&str, &str)]) -> Origins {
        let lab = tempfile::tempdir().unwrap();
        let node = |(name, sha): &(&str, &str)| {
            format!(r#"{{"name": "{name}", "box_version": "1", "ignition_sha256": "{sha}"}}"#)
        };
        let nodes: Vec<String> = configs.iter().map(node).collect();
        std::fs::create_dir(lab.path().join("out")).unwrap();
        std::fs::write(lab.path().join("out/nodes.json"), format!(r#"{{"nodes": [{}]}}"#, nodes.join(", "))).unwrap();
        Origins::read(lab.path(), Provider::Libvirt).unwrap()
    }

    /// A save of a lab whose nodes all have the config `abc`.
    fn record(plan: &Plan) -> Record {
        let machine = |node: &crate::plan::Node| Machine {
            node: node.name.clone(),
            domain: format!("hab-demo-{}", node.name),
            definition: String::new(),
            mebibytes: node.memory.into(),
            cpus: node.cpus,
            memory: "memory".to_owned(),
            disks: vec![Disk {
                target: "vda".into(),
                volume: "live".into(),
                copy: "copy".into(),
                below: vec!["box".into()],
                capacity: 1,
            }],
            config: String::new(),
            vagrant: BTreeMap::from([
                ("hab-origin".to_owned(), "1 abc".to_owned()),
                ("id".to_owned(), "8a5d\n".to_owned()),
            ]),
            has_agent: true,
        };
        let machines = plan.nodes.iter().map(machine).collect();
        let id = SaveId { lab: "0f3c".to_owned(), number: "17ab".to_owned() };
        Record { machines, ..Record::new("ready", id, plan, OffsetDateTime::UNIX_EPOCH) }
    }

    const SAME: [(&str, &str); 4] = [("etcd-01", "abc"), ("kube-master-01", "abc"), ("w-01", "abc"), ("w-02", "abc")];

    #[test]
    fn a_save_fits_the_lab_that_it_was_made_of() {
        let plan = plan(2);
        assert_eq!(record(&plan).differences(&plan, &origins(&SAME)), [""; 0]);
    }

    #[test]
    fn what_is_different_is_named() {
        let (one, two) = (plan(1), plan(2));
        let save = record(&one);
        assert_eq!(save.differences(&two, &origins(&SAME)), ["w-02 is not in it"]);
        assert_eq!(record(&two).differences(&one, &origins(&SAME[..3])), ["w-02 is no node of the lab any more"]);
        let mut other = SAME;
        other[2].1 = "abd";
        assert_eq!(record(&two).differences(&two, &origins(&other)), ["w-01 has another Ignition config now"]);
        assert_eq!(save.differences(&one, &origins(&SAME[..2])), ["w-01 is not built: run `hab build`"]);
        let older = Record { kubernetes: "v1.0.0".to_owned(), ..record(&one) };
        let mut larger = record(&one);
        (larger.machines[2].mebibytes, larger.machines[2].cpus) = (4096, 7);
        let said = larger.differences(&one, &origins(&SAME));
        assert!(
            said[0].starts_with("w-01 had 4096 MiB of memory") && said[1].starts_with("w-01 had 7 proc"),
            "{said:?}"
        );
        assert!(older.differences(&one, &origins(&SAME))[0].starts_with("Kubernetes was v1.0.0 and is v1."));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let (path, save) = (dir.path().join("ready.json"), record(&plan(1)));
        std::fs::write(&path, save.to_json().unwrap()).unwrap();
        assert_eq!(Record::read(&path).unwrap(), save);
        assert_eq!(save.machines[0].id().unwrap(), "8a5d");
        assert_eq!(save.volumes().collect::<Vec<_>>(), ["memory", "copy"].repeat(3));
        std::fs::write(&path, r#"{"schema": 9, "other": true}"#).unwrap();
        assert!(Record::read(&path).unwrap_err().to_string().contains("another version of hab"));
    }
}
