//! `hab save`: all machines at one moment.
//!
//! Their disks are mirrored while they run. When every copy is complete all machines are stopped together, the mirrors
//! end, the memory is written, and all go on: the lab stands for as long as that takes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use time::OffsetDateTime;

use super::begun::Begun;
use super::index::Index;
use super::machine::Definition;
use super::record::{Disk, Machine, Pool};
use super::storage::SaveId;
use super::{Record, Saves, new_id, storage};
use crate::atomic_fs;
use crate::config::Label;
use crate::exec::signal;
use crate::exec::virsh::{DomainState, Overlay};
use crate::lab::nodes_json;
use crate::parallel::side_by_side;
use crate::progress::Progress;
use crate::provider::{by_virsh, facts};

/// What Vagrant keeps about a machine is a few short files; this is no limit that one comes near.
const MAX_NOTE: u64 = 1 << 20;

/// A save that was made.
#[derive(Debug)]
pub struct Saved {
    /// Its record.
    pub record: Record,
    /// For how long the lab stood.
    pub pause: Duration,
}

impl Saves<'_> {
    /// Saves the lab, which runs, as `name`, in the place of another of that name. [`recover`](Self::recover) comes before.
    ///
    /// # Errors
    /// A machine does not run, there is no room, or libvirt fails; then the lab goes on, and nothing of the save is left.
    pub fn save(&self, name: &Label, progress: &dyn Progress) -> Result<Saved> {
        self.can_be_saved()?;
        self.all_run()?;
        let pool = self.pool()?;
        let id = SaveId { lab: Index::with(&self.lab, &pool)?.lab, number: new_id()? };
        let mut record = Record::new(name.as_str(), id, self.plan, OffsetDateTime::now_utc());
        record.hypervisor = self.virsh.hypervisor()?;
        record.pool = pool;
        // libvirt knows only how much room there was when it last looked.
        self.virsh.refresh(&record.pool.name)?;
        let machines = side_by_side(&self.plan.nodes, |node| self.machine(&node.name, &record));
        for machine in machines {
            let (machine, networks) = machine?;
            record.machines.push(machine);
            for name in networks {
                if let Entry::Vacant(place) = record.networks.entry(name) {
                    let definition = self.virsh.network(place.key())?;
                    place.insert(definition);
                }
            }
        }
        self.has_room(&record)?;

        let begun = Begun::new(self, &record)?;
        let step = progress.step("disks", None);
        self.mirror(&record)?;
        step.done("copied");
        let step = progress.step("memory", None);
        let pause = self.stop_and_save(&record)?;
        begun.keep()?;
        step.done("written");

        // TCG's and kvm's clocks stood as long as the machines.
        self.set_clocks(&mut record, progress);
        // The save is made, whatever becomes of the rest.
        if let Err(error) = self.tidy(&mut record) {
            progress.warn(&format!("the save is made, but what it replaces may still be there: {error:#}"));
        }
        Ok(Saved { record, pause })
    }

    /// Notes what is known only now: how large the save is, whose agent answers. Removes what it replaces.
    fn tidy(&self, record: &mut Record) -> Result<()> {
        self.virsh.refresh(&record.pool.name)?;
        let sizes = record.volumes().map(|name| Ok(self.virsh.volume(&record.pool.name, name)?.allocation));
        record.bytes = Some(sizes.sum::<Result<_>>()?);
        atomic_fs::write(&self.path(&record.name), atomic_fs::SECRET, &record.to_json()?)?;
        self.collect_garbage()
    }

    /// No machine has what a hypervisor can't keep.
    fn can_be_saved(&self) -> Result<()> {
        let sharing = self.plan.nodes.iter().find(|node| !node.hardware.shared_folders.is_empty());
        let Some(node) = sharing else { return Ok(()) };
        bail!("{} has a shared folder, and qemu saves no machine that has one (virtiofs)", node.name)
    }

    /// All machines of the lab run.
    fn all_run(&self) -> Result<()> {
        by_virsh(self.plan.provider, "a save")?;
        let states = (facts(self.plan.provider).domains)()?;
        for node in &self.plan.nodes {
            match states.get(&nodes_json::domain(self.plan, &node.name)) {
                Some(DomainState::Running) => {}
                Some(DomainState::Paused) => bail!("{} is paused; `vagrant resume` lets it go on", node.name),
                Some(DomainState::Off | DomainState::Crashed) => bail!("{} is off; `vagrant up` starts it", node.name),
                None => bail!("{} has no machine; `vagrant up` makes it", node.name),
            }
        }
        Ok(())
    }

    /// The pool that has the lab's disks.
    fn pool(&self) -> Result<Pool> {
        let node = self.plan.nodes.first().context("the lab has no node")?;
        let definition = self.virsh.definition(&nodes_json::domain(self.plan, &node.name))?;
        let parsed =
            Definition::parse(&definition).with_context(|| format!("reading the definition of {}", node.name))?;
        let (_, path) = parsed.disks.first().with_context(|| format!("{} has no disk", node.name))?;
        let (folder, _) = path.rsplit_once('/').with_context(|| format!("{path} is in no folder"))?;
        Ok(Pool { name: self.virsh.pool_of(path)?, folder: folder.to_owned() })
    }

    /// What is to be saved of the machine of `node`, and the networks that it is in.
    fn machine(&self, node: &str, record: &Record) -> Result<(Machine, BTreeSet<String>)> {
        let domain = nodes_json::domain(self.plan, node);
        let definition = self.virsh.definition(&domain)?;
        let parsed = Definition::parse(&definition).with_context(|| format!("reading the definition of {domain}"))?;
        let mut disks = Vec::new();
        for (target, path) in parsed.disks {
            let volume = storage::name(&path).to_owned();
            let live = self.virsh.volume(&record.pool.name, &volume)?;
            let mut below = Vec::new();
            let mut next = live.backing;
            while let Some(path) = next {
                let name = storage::name(&path).to_owned();
                next = self.virsh.volume(&record.pool.name, &name)?.backing;
                below.push(name);
            }
            let copy = storage::copy(&domain, &record.id, &target);
            disks.push(Disk { target, volume, copy, below, capacity: live.capacity });
        }
        let machine = Machine {
            node: node.to_owned(),
            config: storage::name(&parsed.config).to_owned(),
            memory: storage::memory(&domain, &record.id),
            definition,
            mebibytes: parsed.memory,
            cpus: parsed.cpus,
            disks,
            vagrant: self.notes(node)?,
            domain,
            has_agent: false,
        };
        Ok((machine, parsed.networks))
    }

    /// What Vagrant keeps about the machine of `node`. Not its number in Vagrant's index of all machines, which goes when
    /// the machine is destroyed, nor the note of a save that it runs from.
    fn notes(&self, node: &str) -> Result<BTreeMap<String, String>> {
        let mut notes = BTreeMap::new();
        for entry in fs::read_dir(self.origins.folder(node))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let data = entry.metadata()?;
            if data.is_file() && data.len() < MAX_NOTE && name != "index_uuid" && name != super::NOTE {
                notes.insert(name, fs::read_to_string(entry.path())?);
            }
        }
        ensure!(notes.contains_key("id"), "Vagrant has no machine for {node} in this folder");
        Ok(notes)
    }

    /// There is room for all that may have to be written: memory is never larger than the machine's, nor than what its
    /// hypervisor has of the host's. What the host has swapped out of that is not counted; a disk that gets full in spite
    /// of this ends the save, and the lab goes on.
    fn has_room(&self, record: &Record) -> Result<()> {
        let mut wanted = 0;
        for (machine, node) in record.machines.iter().zip(&self.plan.nodes) {
            let all = u64::from(node.memory) << 20;
            wanted += self.virsh.resident(&machine.domain)?.map_or(all, |resident| resident.min(all));
            for disk in &machine.disks {
                wanted += self.virsh.volume(&record.pool.name, &disk.volume)?.allocation;
            }
        }
        let room = self.virsh.room(&record.pool.name)?;
        let mib = |bytes: u64| bytes >> 20;
        ensure!(
            wanted < room,
            "the storage pool `{}` has {} MiB left, and this save may take {}; `hab saves rm` makes room",
            record.pool.name,
            mib(room),
            mib(wanted)
        );
        Ok(())
    }

    fn mirror(&self, record: &Record) -> Result<()> {
        let outcomes = side_by_side(&record.machines, |machine| -> Result<()> {
            for disk in &machine.disks {
                // The data disk builds on nothing.
                let backing = disk.below.first().map(|name| record.pool.path(name));
                let overlay = Overlay { name: &disk.copy, backing: backing.as_deref(), capacity: disk.capacity };
                self.virsh.create_overlay(&record.pool.name, overlay)?;
                self.virsh.mirror(&machine.domain, &disk.target, &record.pool.path(&disk.copy))?;
            }
            Ok(())
        });
        outcomes.into_iter().collect()
    }

    /// The moment. Returns how long the lab stood.
    fn stop_and_save(&self, record: &Record) -> Result<Duration> {
        let domains = record.domains();
        let start = Instant::now();
        self.virsh.suspend(&domains)?;
        let outcomes = side_by_side(&record.machines, |machine| -> Result<()> {
            for disk in &machine.disks {
                self.virsh.end_mirror(&machine.domain, &disk.target)?;
            }
            let disks: Vec<&str> = machine.disks.iter().map(|disk| disk.target.as_str()).collect();
            self.virsh.save_memory(&machine.domain, &disks, &record.pool.path(&machine.memory))
        });
        outcomes.into_iter().collect::<Result<()>>()?;
        signal::check()?;
        self.virsh.resume(&domains)?;
        Ok(start.elapsed())
    }
}
