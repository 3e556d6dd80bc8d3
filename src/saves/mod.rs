//! Saves: a running lab at one moment, with memory and disks of all its machines, and back to it.
//!
//! What is large lies in the provider's storage pool, for root and the hypervisor alone: for each machine a file with its
//! memory, and for each of its disks a copy of what differs from the box. A [`Record`] in `private/saves/` says what
//! belongs together; a save is there when its record is. After a reset a machine writes to a new disk on top of the copy,
//! so the copy stays as it is.

mod begun;
mod clocks;
mod garbage;
mod index;
mod machine;
mod record;
mod reset;
mod save;
mod storage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

pub use record::Record;
pub use save::Saved;

use crate::atomic_fs;
use crate::config::{Label, PRIVATE};
use crate::digest::hex;
use crate::exec::virsh::{self, Virsh};
use crate::lab::origin::Origins;
use crate::plan::Plan;
use crate::provider::able;

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
        // Also where no machine is left, and another provider would be the next.
        let origins = Origins::read(lab, able(|can| can.virsh).unwrap_or(plan.provider))?;
        Ok(Self { plan, lab: lab.to_owned(), origins, virsh: Virsh::new(virsh::default_uri())? })
    }

    /// All saves, the oldest first.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn list(&self) -> Result<Vec<Record>> {
        let read = |name: &String| read(&self.path(name));
        let mut all = names(&self.lab)?.iter().map(read).collect::<Result<Vec<_>>>()?;
        all.sort_by_key(|record| record.made);
        Ok(all)
    }

    /// The save of this name.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn find(&self, name: &str) -> Result<Record> {
        self.expect(name)?;
        read(&self.path(name))
    }

    /// Removes a save. What another save or a machine builds on stays until they do no more.
    ///
    /// # Errors
    /// There is none of this name, or libvirt does not answer.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.expect(name)?;
        // Not read: it may be damaged, and then this is the way to be rid of it.
        atomic_fs::remove_file(&self.path(name))?;
        self.collect_garbage()
    }

    /// Removes all saves, with all that they kept.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn remove_all(&self) -> Result<()> {
        for name in names(&self.lab)? {
            atomic_fs::remove_file(&self.path(&name))?;
        }
        self.collect_garbage()
    }

    /// There is a save of this name.
    fn expect(&self, name: &str) -> Result<()> {
        let names = names(&self.lab)?;
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        if names.is_empty() {
            bail!("there is no save `{name}`, nor any other; `hab save` makes one of the running lab")
        }
        bail!("there is no save `{name}`; there is: {}", names.join(", "))
    }

    /// The record of the save `name`.
    fn path(&self, name: &str) -> PathBuf {
        path(&self.lab, name)
    }
}

/// Where the lab in `lab` has what it knows of its saves.
fn folder(lab: &Path) -> PathBuf {
    lab.join(PRIVATE).join("saves")
}

/// The names of the saves of the lab in the folder `lab`, in order.
///
/// # Errors
/// The folder with their records can't be read.
pub fn names(lab: &Path) -> Result<Vec<String>> {
    let folder = folder(lab);
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| Label::new(name).is_ok()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether the lab in the folder `lab` has saves, or files of some that it had.
#[must_use]
pub fn any_left(lab: &Path) -> bool {
    fs::read_dir(folder(lab)).is_ok_and(|mut entries| entries.next().is_some())
}

/// How many bytes the save `name` of the lab in the folder `lab` takes, if that is known.
#[must_use]
pub fn bytes(lab: &Path, name: &str) -> Option<u64> {
    read(&path(lab, name)).ok()?.bytes
}

/// The record of the save `name` of the lab in the folder `lab`.
fn path(lab: &Path, name: &str) -> PathBuf {
    folder(lab).join(format!("{name}.json"))
}

fn read(path: &Path) -> Result<Record> {
    Record::read(path).with_context(|| format!("reading {} (`hab saves rm` removes it)", path.display()))
}

/// A random number that files can have in their names.
fn new_id() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("drawing a random number")?;
    Ok(hex(&bytes))
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
