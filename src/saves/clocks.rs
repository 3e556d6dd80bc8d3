//! The clocks of machines that stood, or that were brought back.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Record, Saves};
use crate::parallel::side_by_side;
use crate::progress::Progress;

/// A clock that is set within this time is right to a fraction of a second: the answer to a question that took longer is
/// asked for again.
const PROMPT: Duration = Duration::from_millis(400);

/// How often that is tried. Whatever a guest does for the first time after a reset takes longer, above all emulated.
const TRIES: usize = 5;

impl Saves<'_> {
    /// Sets the clocks of all machines of a save to this host's, and warns of those that are not.
    pub(super) fn set_clocks(&self, record: &Record, progress: &dyn Progress) {
        let outcomes = side_by_side(&record.machines, |machine| self.set_clock(&machine.domain));
        for (machine, outcome) in record.machines.iter().zip(outcomes) {
            let node = &machine.node;
            match outcome {
                Ok(true) => {}
                Ok(false) => progress.warn(&format!("{node} is slow to answer: its clock may be a second off")),
                Err(error) => progress.warn(&format!("the clock of {node} is not set: {error:#}")),
            }
        }
    }

    /// Returns whether it answered promptly.
    fn set_clock(&self, domain: &str) -> Result<bool> {
        for _ in 0..TRIES {
            let asked = Instant::now();
            self.virsh.set_clock(domain)?;
            if asked.elapsed() < PROMPT {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
