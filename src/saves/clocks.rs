//! The clocks of machines that stood, or that were brought back.

use std::time::{Duration, Instant};

use anyhow::Result;
use time::OffsetDateTime;

use super::record::Machine;
use super::{Record, Saves};
use crate::exec::signal;
use crate::parallel::{by_processor, side_by_side};
use crate::progress::Progress;

/// A clock that is set within this time is right to a fraction of a second: the answer to a question that took longer is
/// asked for again.
const PROMPT: Duration = Duration::from_millis(400);

/// How often that is tried. Whatever a guest does for the first time after a reset takes longer, above all emulated.
const TRIES: usize = 5;

/// For how long an agent that was there at the save is asked again, and how long is waited in between: after a reset libvirt
/// hears of it a moment after its machine goes on.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

impl Saves<'_> {
    /// Lets all machines of a save go on, each with its clock set to this host's first of all. They go on one after the other,
    /// as many at a time as there are processors: where all begin at once, each waits for a processor before it hears of the
    /// time, while what runs on it goes by the wrong one. Returns for how long, at most, a machine whose clock could be set
    /// went on with a wrong one.
    ///
    /// # Errors
    /// A machine can't go on.
    pub(super) fn wake(&self, record: &Record, progress: &dyn Progress) -> Result<Duration> {
        let outcomes = by_processor(&record.machines, |machine| {
            let since = Instant::now();
            self.virsh.resume_one(&machine.domain)?;
            // One that has none does not keep the others waiting.
            let patience = if machine.has_agent { PATIENCE } else { Duration::ZERO };
            Ok(self.set_clock(machine, patience, progress).then(|| since.elapsed()))
        });
        Ok(outcomes.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().max().unwrap_or_default())
    }

    /// Sets the clocks of all machines of a save, which run, to this host's, and notes whose agent did it.
    pub(super) fn set_clocks(&self, record: &mut Record, progress: &dyn Progress) {
        let set = side_by_side(&record.machines, |machine| self.set_clock(machine, Duration::ZERO, progress));
        for (machine, set) in record.machines.iter_mut().zip(set) {
            machine.has_agent = set;
        }
    }

    /// Returns whether it is set, and warns of one that may be wrong.
    fn set_clock(&self, Machine { node, domain, .. }: &Machine, patience: Duration, progress: &dyn Progress) -> bool {
        let begun = Instant::now();
        let mut slow = 0;
        while slow < TRIES {
            let asked = Instant::now();
            match self.virsh.set_clock(domain, OffsetDateTime::now_utc()) {
                Ok(()) if asked.elapsed() < PROMPT => return true,
                Ok(()) => slow += 1,
                Err(error) if begun.elapsed() > patience || signal::pause(PAUSE).is_err() => {
                    progress.warn(&format!("the clock of {node} is not set: {error:#}"));
                    return false;
                }
                Err(_) => {}
            }
        }
        progress.warn(&format!("{node} is slow to answer: its clock may be a second off"));
        true
    }
}
