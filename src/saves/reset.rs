//! `hab reset`: back to a save.
//!
//! Every step can be done again: a reset that broke off is run once more. All machines are off before one is started, and
//! all stand until every one is there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use super::machine::{Definition, is_recorded};
use super::record::Machine;
use super::{NOTE, Record, Saves};
use crate::atomic_fs;
use crate::exec::virsh::{DomainState, Overlay};
use crate::lab::origin::in_use;
use crate::lab::{nodes_json, origin};
use crate::parallel::side_by_side;
use crate::progress::Progress;
use crate::provider::{by_virsh, facts};

/// A sector of a compact disc, in bytes; see `IgnitionVolume` in the Vagrantfile.
const SECTOR: usize = 2048;

impl Saves<'_> {
    /// Why a save can't be gone back to: what is different now. Empty when it can.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn differences(&self, record: &Record) -> Result<Vec<String>> {
        let mut found = record.differences(self.plan, &self.origins);
        let now = self.virsh.hypervisor()?;
        if now != record.hypervisor {
            found.push(format!("it was saved by {}, and this is {now}", record.hypervisor));
        }
        let (pool, there) = (&record.pool.name, self.virsh.volumes(&record.pool.name)?);
        let below = record.machines.iter().flat_map(|machine| &machine.disks).flat_map(|disk| &disk.below);
        let needed: BTreeSet<&str> = record.volumes().chain(below.map(String::as_str)).collect();
        for name in needed.into_iter().filter(|name| !there.iter().any(|other| other == name)) {
            found.push(format!("the file {name} is gone from the storage pool `{pool}`"));
        }
        Ok(found)
    }

    /// Brings the lab back to a save, and sets the machines' clocks unless they keep the moment of the save. Returns how long
    /// it took until all machines ran.
    ///
    /// # Errors
    /// The save does not fit the lab any more, which is said before anything is stopped; or libvirt fails.
    pub fn reset(&self, record: &Record, keep_clock: bool, progress: &dyn Progress) -> Result<Duration> {
        // Where no machine is left it does not matter who would run the next.
        let can = self.plan.providers.iter().copied().find(|provider| facts(*provider).can.virsh);
        let provider = in_use(&self.lab, self.plan).or(can).unwrap_or(self.plan.provider);
        by_virsh(provider, "a reset")?;
        let start = Instant::now();
        self.virsh.refresh(&record.pool.name)?;
        let differences = self.differences(record)?;
        if !differences.is_empty() {
            bail!("the save `{}` does not fit this lab any more:\n  {}", record.name, differences.join("\n  "));
        }
        let step = progress.step("machines", None);
        let states = (facts(provider).domains)()?;
        all(side_by_side(&record.machines, |machine| {
            self.clear(record, machine, states.get(&machine.domain).copied())
        }))?;
        for (name, definition) in &record.networks {
            self.virsh.start_network(name, definition)?;
        }
        step.status("made ready");
        self.make_consoles(record)?;
        // Noted before it is there: a machine that Vagrant does not know nobody can remove.
        for machine in &record.machines {
            self.note(record, machine)?;
        }
        all(side_by_side(&record.machines, |machine| self.virsh.restore(&record.pool.path(&machine.memory))))?;
        if keep_clock {
            self.virsh.resume(&record.domains())?;
            step.done("run");
        } else {
            let wrong = self.wake(record, progress)?;
            step.done(&format!("run, with the right clock after at most {:.1} s", wrong.as_secs_f64()));
        }
        let took = start.elapsed();
        // What the machines wrote since a save that was removed.
        if let Err(error) = self.collect_garbage() {
            progress.warn(&format!("files of saves that were removed may still be there: {error:#}"));
        }
        Ok(took)
    }

    /// A machine that is off and has the disks of the save.
    fn clear(&self, record: &Record, machine: &Machine, state: Option<DomainState>) -> Result<()> {
        let Machine { node, domain, definition, disks, config, .. } = machine;
        let saved =
            Definition::parse(definition).with_context(|| format!("reading the saved definition of {domain}"))?;
        let mut same = false;
        if let Some(state) = state {
            if state != DomainState::Off {
                self.virsh.destroy(domain)?;
            }
            // libvirt keeps some of a machine that was suspended to the disk.
            self.virsh.forget_memory(domain)?;
            same = Definition::parse(&self.virsh.definition(domain)?).is_ok_and(|now| now == saved);
            if !same {
                // Another machine of that name, made since.
                self.virsh.undefine(domain)?;
            }
        }
        let pool = record.pool.name.as_str();
        let there = self.virsh.volumes(pool)?;
        let is_there = |name: &str| there.iter().any(|other| other == name);
        for disk in disks {
            if is_there(&disk.volume) {
                self.virsh.remove_volume(pool, &disk.volume)?;
            }
            let backing = record.pool.path(&disk.copy);
            let overlay = Overlay { name: &disk.volume, backing: Some(&backing), capacity: disk.capacity };
            self.virsh.create_overlay(pool, overlay)?;
        }
        if !same || !is_there(config) {
            if is_there(config) {
                self.virsh.remove_volume(pool, config)?;
            }
            let mut bytes = fs::read(self.lab.join(nodes_json::ignition_path(node)))?;
            bytes.resize(bytes.len().next_multiple_of(SECTOR), b'\n');
            self.virsh.upload(pool, config, &bytes)?;
        }
        if same { Ok(()) } else { self.virsh.define(definition) }
    }

    /// libvirt appends to the files that consoles are recorded in; one that it makes itself only root can read. Of a machine
    /// that is not recorded an old one would be taken for what it says.
    fn make_consoles(&self, record: &Record) -> Result<()> {
        for machine in &record.machines {
            let path = self.lab.join(nodes_json::console_path(&machine.node));
            if !is_recorded(&machine.definition)? {
                atomic_fs::remove_file(&path)?;
            } else if let (false, Some(folder)) = (path.exists(), path.parent()) {
                atomic_fs::create_private_dir(folder)?;
                atomic_fs::write(&path, atomic_fs::SECRET, b"")?;
            }
        }
        Ok(())
    }

    /// Tells Vagrant that the machine is there, and `hab status` which save it runs from.
    fn note(&self, record: &Record, machine: &Machine) -> Result<()> {
        let folder = self.origins.folder(&machine.node);
        atomic_fs::create_dir(&folder, 0o755)?;
        let current = fs::read_to_string(folder.join("id")).unwrap_or_default();
        let same = current.trim() == machine.id()?;
        for (name, text) in machine.vagrant.iter().filter(|(name, _)| *name != "id") {
            // What a machine has can be another since: it starts with what the lab says then.
            if !same || [origin::SIZE_FILE, origin::HARDWARE_FILE].contains(&name.as_str()) {
                atomic_fs::write(&folder.join(name), atomic_fs::PUBLIC, text.as_bytes())?;
            }
        }
        if !same {
            // Last, for it is what says that there is a machine.
            atomic_fs::write(&folder.join("id"), atomic_fs::PUBLIC, machine.id()?.as_bytes())?;
        }
        atomic_fs::write(&folder.join(NOTE), atomic_fs::PUBLIC, format!("{}\n", record.name).as_bytes())?;
        Ok(())
    }
}

fn all(outcomes: Vec<Result<()>>) -> Result<()> {
    outcomes.into_iter().collect()
}
