//! A save that has begun, and what undoes it: the machines go on, and nothing of it is left.
//!
//! Its record is on the disk before anything is done, as `.begun.json`. When all is saved that file gets the save's name,
//! which is the one moment that makes it a save.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Record, Saves, folder};
use crate::atomic_fs;
use crate::exec::signal::Hold;
use crate::progress::Progress;

/// The record of a save that has begun. No save has a name with a dot.
const FILE: &str = ".begun.json";

/// A save that has begun. Dropped before it is kept, it is undone; hab does not end before that.
pub(super) struct Begun<'a> {
    saves: &'a Saves<'a>,
    record: &'a Record,
    kept: bool,
    _hold: Hold,
}

impl<'a> Begun<'a> {
    /// Notes that it begins.
    ///
    /// # Errors
    /// The note can't be written.
    pub fn new(saves: &'a Saves<'a>, record: &'a Record) -> Result<Self> {
        atomic_fs::write(&path(&saves.lab), atomic_fs::SECRET, &record.to_json()?)?;
        Ok(Self { saves, record, kept: false, _hold: Hold::new() })
    }

    /// From now on it is a save.
    ///
    /// # Errors
    /// Its file can't be renamed.
    pub fn keep(mut self) -> Result<()> {
        atomic_fs::rename(&path(&self.saves.lab), &self.saves.path(&self.record.name))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.saves.undo(self.record);
            let _ = atomic_fs::remove_file(&path(&self.saves.lab));
        }
    }
}

impl Saves<'_> {
    /// Puts right what a save that was killed has left: machines that stand, disks that are still copied, and files.
    ///
    /// # Errors
    /// The note of it can't be removed.
    pub fn recover(&self, progress: &dyn Progress) -> Result<()> {
        let path = path(&self.lab);
        if !path.exists() {
            return Ok(());
        }
        match Record::read(&path) {
            Ok(record) => {
                progress.warn("an earlier `hab save` was cut off: its machines go on, and what it left is removed");
                self.undo(&record);
            }
            Err(error) => progress.warn(&format!("{} is left of an earlier `hab save`: {error:#}", path.display())),
        }
        atomic_fs::remove_file(&path).map(drop)
    }

    /// Whatever of a save is there is undone. Each part may have nothing to do, which virsh calls an error; what can't be
    /// removed now is with the next garbage.
    fn undo(&self, record: &Record) {
        let (virsh, domains) = (self.virsh.last(), record.domains());
        // First what counts: the lab goes on.
        let _ = virsh.break_off(&domains);
        let _ = virsh.resume(&domains);
        for machine in &record.machines {
            for disk in &machine.disks {
                let _ = virsh.end_mirror(&machine.domain, &disk.target);
            }
        }
        // libvirt notices by itself only what it made as a volume, which a file with memory is not.
        let _ = virsh.refresh(&record.pool.name);
        for name in record.volumes() {
            let _ = virsh.remove_volume(&record.pool.name, name);
        }
    }
}

fn path(lab: &Path) -> PathBuf {
    folder(lab).join(FILE)
}
