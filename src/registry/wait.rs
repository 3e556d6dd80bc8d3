//! What is waited for: masters whose registries are not up yet, and those that take a change from another one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::client::{Refused, Tagged};
use super::names::Place;
use super::{Changed, Masters, Registry, place};
use crate::exec::signal;
use crate::parallel::side_by_side;
use crate::plan::Node;
use crate::progress::StepHandle;
use crate::role::Role;

/// How often is asked.
const EVERY: Duration = Duration::from_secs(1);

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a registry: it comes up after what makes the cluster Ready, and only when it has what the other masters have.
    pub start: Duration,
    /// For the masters to have what one has; they are told of it at once. An image of 1 GiB between two emulated machines takes
    /// some minutes.
    pub copies: Duration,
    /// For an answer of a master that answered before; a busy one may miss some.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(2 * 60),
            copies: Duration::from_secs(10 * 60),
            silence: Duration::from_secs(60),
        }
    }
}

/// The masters that answered at first.
pub(super) struct Those<'n> {
    /// Those that may know soon.
    pub waiting: Vec<&'n Node>,
    /// Those that refused it, for which nobody waits.
    pub refused: Vec<&'n Node>,
}

impl<'a> Registry<'a> {
    /// What the masters have, as soon as one answers.
    pub(super) fn masters_when_up(&self, step: &StepHandle<'_>) -> Result<Masters<'a>> {
        let begin = Instant::now();
        loop {
            match self.masters() {
                // The machine is there.
                Err(error) if error.is::<Refused>() && begin.elapsed() < self.patience.start => {
                    step.status("waiting for the registry of a master");
                    signal::pause(EVERY)?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits until every master that is there knows what these names lead to.
    pub(super) fn settled(
        &self,
        those: Those<'_>,
        places: &BTreeSet<Place>,
        digest: Option<&str>,
        step: &StepHandle<'_>,
    ) -> Result<Changed> {
        let Those { waiting, refused } = those;
        let (begin, mut know) = (Instant::now(), Vec::new());
        // Each with the time when it answered last.
        let mut waiting: Vec<(&Node, Instant)> = waiting.into_iter().map(|master| (master, begin)).collect();
        loop {
            let answers = side_by_side(&waiting, |(master, _)| self.knows(master, places, digest));
            for ((master, heard), knows) in std::mem::take(&mut waiting).into_iter().zip(answers) {
                match knows {
                    Some(true) => know.push(master),
                    Some(false) => waiting.push((master, Instant::now())),
                    None if heard.elapsed() < self.patience.silence => waiting.push((master, heard)),
                    None => {}
                }
            }
            let Some((first, _)) = waiting.first().filter(|_| begin.elapsed() < self.patience.copies) else { break };
            step.status(&format!("waiting for {}, which takes it from {}", first.name, others(&know)));
            signal::pause(EVERY)?;
        }
        let mut behind: Vec<&Node> = waiting.into_iter().map(|(master, _)| master).collect();
        for master in refused {
            match self.knows(master, places, digest) {
                Some(true) => know.push(master),
                Some(false) => behind.push(master),
                None => {}
            }
        }
        // In the order of the lab.
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            let all = self.plan.of(Role::Master).filter(|master| wanted(&master.name));
            all.map(|master| master.name.clone()).collect()
        };
        let among = |masters: &[&Node], name: &str| masters.iter().any(|master| master.name == name);
        let (masters, late) = (named(&|name| among(&know, name)), named(&|name| among(&behind, name)));
        if masters.is_empty() {
            match late.as_slice() {
                [] => bail!("no master's registry answers any more"),
                all => bail!("no master has it: {} answers, and does not know of it", all.join(", ")),
            }
        }
        Ok(Changed {
            names: places.iter().map(Place::name).collect(),
            digest: digest.map(str::to_owned),
            away: named(&|name| !among(&know, name) && !among(&behind, name)),
            masters,
            behind: late,
        })
    }

    /// Whether a master knows what these names lead to; nothing if it does not answer.
    fn knows(&self, master: &Node, places: &BTreeSet<Place>, digest: Option<&str>) -> Option<bool> {
        let list = self.client.images(master).ok()?;
        let leads = |at: &Place| list.iter().find(|tagged: &&Tagged| place(tagged) == *at)?.digest.as_deref();
        Some(places.iter().all(|place| leads(place) == digest))
    }
}

fn others(masters: &[&Node]) -> String {
    let names: Vec<&str> = masters.iter().map(|master| master.name.as_str()).collect();
    if names.is_empty() { "another master".to_owned() } else { names.join(" or ") }
}
