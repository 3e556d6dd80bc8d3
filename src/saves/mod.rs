//! Saves: a running lab at one moment, with memory and disks of all its machines, and back to it.
//!
//! What is large lies in the provider's storage pool, for root and the hypervisor alone: for each machine a file with its
//! memory, and for each of its disks a copy of what differs from the box. A [`Record`] in `private/saves/` says what
//! belongs together; a save is there when its record is. After a reset a machine writes to a new disk on top of the copy,
//! so the copy stays as it is.

mod garbage;
mod machine;
mod record;
mod reset;
mod save;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

pub use record::Record;
pub use save::Saved;

use crate::atomic_fs;
use crate::config::{Label, PRIVATE};
use crate::exec::virsh::{self, Virsh};
use crate::lab::origin::Origins;
use crate::plan::Plan;

/// The save that is meant when none is named.
pub const DEFAULT: &str = "ready";

/// The note in Vagrant's folder for a machine, of the save that it runs from. The Vagrantfile removes it when the machine
/// boots.
pub const NOTE: &str = "hab-save";

/// The saves of one lab.
#[derive(Debug)]
pub struct Saves<'a> {
    plan: &'a Plan,
    lab: PathBuf,
    origins: Origins,
    virsh: Virsh,
}

impl<'a> Saves<'a> {
    /// The saves of the lab in the folder `lab`.
    ///
    /// # Errors
    /// `out/nodes.json` is damaged, or the provider's tool is not installed.
    pub fn open(plan: &'a Plan, lab: &Path) -> Result<Self> {
        let origins = Origins::read(lab, plan.provider)?;
        Ok(Self { plan, lab: lab.to_owned(), origins, virsh: Virsh::new(virsh::default_uri())? })
    }

    /// All saves, the oldest first.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn list(&self) -> Result<Vec<Record>> {
        records(&self.lab)
    }

    /// The save of this name.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn find(&self, name: &str) -> Result<Record> {
        let mut all = self.list()?;
        match all.iter().position(|record| record.name == name) {
            Some(at) => Ok(all.swap_remove(at)),
            None if all.is_empty() => {
                bail!("there is no save `{name}`, nor any other; `hab save` makes one of the running lab")
            }
            None => {
                let names: Vec<&str> = all.iter().map(|record| record.name.as_str()).collect();
                bail!("there is no save `{name}`; there is: {}", names.join(", "))
            }
        }
    }

    /// Removes a save. What another save or a machine builds on stays until they do no more.
    ///
    /// # Errors
    /// There is none of this name, or libvirt does not answer.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.forget(&[self.find(name)?])
    }

    /// Removes all saves, with all that they kept.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn remove_all(&self) -> Result<()> {
        self.forget(&self.list()?)
    }

    fn forget(&self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        atomic_fs::remove_stale(&folder(&self.lab), |name| records.iter().all(|record| file(&record.name) != name))?;
        for pool in records.iter().map(|record| &record.pool).collect::<BTreeSet<_>>() {
            self.collect_garbage(pool, records)?;
        }
        Ok(())
    }
}

/// The name of a save's record.
fn file(save: &str) -> String {
    format!("{save}.json")
}

/// Where the records of the lab in `lab` are.
fn folder(lab: &Path) -> PathBuf {
    lab.join(PRIVATE).join("saves")
}

/// The records of the lab in the folder `lab`, the oldest first.
///
/// # Errors
/// One is damaged.
pub fn records(lab: &Path) -> Result<Vec<Record>> {
    let folder = folder(lab);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
        if name.is_some_and(|name| Label::new(name).is_ok()) {
            all.push(Record::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    all.sort_by_key(|record| record.made);
    Ok(all)
}

/// The saves that the machines of a lab run from: the machines by the save's name.
#[must_use]
pub fn running_from(origins: &Origins, plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for node in &plan.nodes {
        if let Some(name) = origins.note(&node.name, NOTE) {
            found.entry(name.trim().to_owned()).or_default().push(node.name.clone());
        }
    }
    found
}
