//! `hab save`: all machines at one moment.
//!
//! Their disks are mirrored while they run. When every copy is complete all machines are stopped together, the mirrors
//! end, the memory is written, and all go on: the lab stands for as long as that takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use time::OffsetDateTime;

use super::machine::Definition;
use super::record::{Disk, Machine, Pool};
use super::{Record, Saves, file, folder, storage};
use crate::atomic_fs;
use crate::config::Label;
use crate::exec::signal;
use crate::exec::virsh::{DomainState, Overlay, Virsh};
use crate::lab::nodes_json;
use crate::parallel::side_by_side;
use crate::progress::Progress;
use crate::provider::facts;

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
        let mut record = Record::new(name.as_str(), new_id()?, self.plan, OffsetDateTime::now_utc());
        record.hypervisor = self.virsh.hypervisor()?;
        self.all_run()?;
        record.pool = self.pool()?;
        let machines = side_by_side(&self.plan.nodes, |node| self.machine(&node.name, &record));
        record.machines = machines.into_iter().collect::<Result<_>>()?;
        record.network = self.virsh.network(&nodes_json::network(self.plan))?;
        self.has_room(&record)?;

        let started = Started { virsh: &self.virsh, record: &record, done: false };
        let step = progress.step("disks", None);
        self.mirror(&record)?;
        step.done("copied");
        let step = progress.step("memory", None);
        let pause = self.stop_and_save(&record)?;
        step.done("written");
        started.done();

        // TCG's and kvm's clocks stood as long as the machines.
        for (machine, outcome) in record.machines.iter().zip(self.set_clocks(&record)) {
            if let Err(error) = outcome {
                progress.warn(&format!("the clock of {} is not set: {error:#}", machine.node));
            }
        }
        self.virsh.refresh(&record.pool.name)?;
        record.bytes = self.size(&record)?;
        let folder = folder(&self.lab);
        atomic_fs::create_private_dir(&folder)?;
        atomic_fs::write(&folder.join(file(&record.name)), atomic_fs::SECRET, &record.to_json()?)?;
        // What it replaces.
        self.collect_garbage(&record.pool, &[])?;
        Ok(Saved { record, pause })
    }

    /// Puts right what a save that was killed has left: machines that stand, disks that are still copied, files that
    /// belong to nothing.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn recover(&self, progress: &dyn Progress) -> Result<()> {
        let states = (facts(self.plan.provider).domains)()?;
        let domains = self.plan.nodes.iter().map(|node| nodes_json::domain(self.plan, &node.name));
        let domains: Vec<String> = domains.filter(|domain| states.contains_key(domain)).collect();
        if domains.len() < self.plan.nodes.len() {
            return Ok(());
        }
        let pool = self.pool()?;
        if self.garbage(&pool, &[])?.is_empty() {
            return Ok(());
        }
        progress.warn("an earlier `hab save` was cut off: its machines go on, and what it left is removed");
        let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
        // Each may have nothing to do, which virsh calls an error.
        let _ = self.virsh.break_off(&domains);
        let _ = self.virsh.resume(&domains);
        for domain in domains {
            for (target, _) in Definition::parse(&self.virsh.definition(domain)?)?.disks {
                let _ = self.virsh.end_mirror(domain, &target);
            }
        }
        self.collect_garbage(&pool, &[])
    }

    /// All machines of the lab run.
    fn all_run(&self) -> Result<()> {
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

    /// What is to be saved of the machine of `node`.
    fn machine(&self, node: &str, record: &Record) -> Result<Machine> {
        let domain = nodes_json::domain(self.plan, node);
        let definition = self.virsh.definition(&domain)?;
        let parsed = Definition::parse(&definition).with_context(|| format!("reading the definition of {domain}"))?;
        let mut disks = Vec::new();
        for (target, path) in parsed.disks {
            let volume = storage::name(&path).to_owned();
            let capacity = self.virsh.volume(&record.pool.name, &volume)?.capacity;
            disks.push(Disk { copy: storage::copy(&domain, &record.id, &target), target, volume, capacity });
        }
        Ok(Machine {
            node: node.to_owned(),
            config: storage::name(&parsed.config).to_owned(),
            memory: storage::memory(&domain, &record.id),
            definition,
            disks,
            vagrant: self.notes(node)?,
            domain,
        })
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

    /// There is room for all that may have to be written: memory is never larger than the machine's, or than what its
    /// hypervisor has of the host's.
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
                let live = self.virsh.volume(&record.pool.name, &disk.volume)?;
                let backing = live.backing.with_context(|| format!("{} builds on no box", disk.volume))?;
                let overlay = Overlay { name: &disk.copy, backing: &backing, capacity: disk.capacity };
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

    /// Sets the clocks of all machines to this host's, as far as they can be.
    pub(super) fn set_clocks(&self, record: &Record) -> Vec<Result<()>> {
        side_by_side(&record.machines, |machine| self.virsh.set_clock(&machine.domain))
    }

    fn size(&self, record: &Record) -> Result<u64> {
        record.volumes().map(|name| Ok(self.virsh.volume(&record.pool.name, name)?.allocation)).sum()
    }
}

fn new_id() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("drawing a random number")?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

/// A save that has begun. Dropped before it is done, the machines go on, and its files are removed.
struct Started<'a> {
    virsh: &'a Virsh,
    record: &'a Record,
    done: bool,
}

impl Started<'_> {
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Each may have nothing to do, which virsh calls an error. First what counts: the lab goes on.
        let _ = self.virsh.break_off(&self.record.domains());
        let _ = self.virsh.resume(&self.record.domains());
        for machine in &self.record.machines {
            for disk in &machine.disks {
                let _ = self.virsh.end_mirror(&machine.domain, &disk.target);
            }
        }
        let _ = self.virsh.refresh(&self.record.pool.name);
        for name in self.record.volumes() {
            let _ = self.virsh.remove_volume(&self.record.pool.name, name);
        }
    }
}
