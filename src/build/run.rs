//! Runs the steps that a build has to make, side by side as far as needs, processors and memory allow.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail};

use super::limits::{Limits, Load};
use super::state::{State, states};
use super::times::Times;
use super::{Context, Entries, Graph, Job};
use crate::cache::Lookup;
use crate::exec::signal;

/// How often the time that is left is reckoned anew.
const TICK: Duration = Duration::from_secs(1);

/// What a build came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The entries of the steps that are there now.
    pub entries: Entries,
    /// What went wrong, by step.
    pub errors: Vec<(String, Error)>,
    /// The steps that were made.
    pub made: BTreeSet<String>,
}

/// What a job says when it ends.
enum Ended {
    Made {
        entry: PathBuf,
        /// How long that took here; nothing, if another run of hab made it.
        took: Option<Duration>,
    },
    Failed(Error),
    /// Entries that it needs, by place, are damaged: it has made nothing.
    Needs(Vec<(usize, String)>),
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not wanted, or done with, well or not.
    Settled,
    Waiting,
    Running(Instant),
}

struct Run<'r> {
    graph: &'r Graph,
    context: &'r Context<'r>,
    stages: Vec<Stage>,
    entries: BTreeMap<usize, PathBuf>,
    needs: Vec<Vec<usize>>,
    outcome: Outcome,
    limits: Limits,
    times: Times,
    /// Steps made, and steps to make in all.
    count: (usize, usize),
}

/// Makes what `goals` want and the cache lacks. Steps that do not depend on one that failed are made all the same.
///
/// # Errors
/// A step is missing. What goes wrong in a step is in the outcome.
pub fn run(graph: &Graph, context: &Context<'_>, goals: &[usize]) -> Result<Outcome> {
    let mut run = Run::new(graph, context, goals)?;
    let (sender, receiver) = channel();
    std::thread::scope(|scope| run.work(scope, &sender, &receiver))?;
    run.times.write();
    let mut outcome = run.outcome;
    for (place, entry) in run.entries {
        outcome.entries.0.insert(graph.steps()[place].name(), entry);
    }
    Ok(outcome)
}

impl<'r> Run<'r> {
    fn new(graph: &'r Graph, context: &'r Context<'r>, goals: &[usize]) -> Result<Self> {
        let needs = (0..graph.steps().len()).map(|place| graph.needs(place)).collect::<Result<_>>()?;
        let mut run = Self {
            graph,
            context,
            stages: vec![Stage::Settled; graph.steps().len()],
            entries: BTreeMap::new(),
            needs,
            outcome: Outcome::default(),
            limits: Limits::of_machine(),
            times: Times::read(context.cache.root()),
            count: (0, 0),
        };
        run.want(goals)?;
        Ok(run)
    }

    fn name(&self, place: usize) -> String {
        self.graph.steps()[place].name()
    }

    /// Wants steps that were not looked at before.
    fn want(&mut self, places: &[usize]) -> Result<()> {
        for (place, state) in states(self.graph, self.context, places)?.into_iter().enumerate() {
            if self.stages[place] != Stage::Settled || self.entries.contains_key(&place) {
                continue;
            }
            match state {
                State::Unwanted => {}
                State::There(entry) => drop(self.entries.insert(place, entry)),
                State::Refused(why) => self.outcome.errors.push((self.name(place), anyhow!(why))),
                State::Make(why) => {
                    if why.starts_with("damaged") {
                        self.context.progress.note(&format!("{} is made again, {why}", self.name(place)));
                    }
                    self.stages[place] = Stage::Waiting;
                    self.count.1 += 1;
                }
            }
        }
        Ok(())
    }

    fn work<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        sender: &Sender<(usize, Ended)>,
        receiver: &Receiver<(usize, Ended)>,
    ) -> Result<()>
    where
        'r: 's,
    {
        loop {
            while let Some(place) = self.next() {
                self.stages[place] = Stage::Running(Instant::now());
                let (graph, context, sender) = (self.graph, self.context, sender.clone());
                let given = Given { needs: self.entries_for(place)?, expected: self.times.of(&self.name(place)) };
                scope.spawn(move || {
                    let work = AssertUnwindSafe(|| job(graph, context, place, given));
                    // A thread that only vanished would be waited for without end.
                    let ended = catch_unwind(work).unwrap_or_else(|_| {
                        Ended::Failed(anyhow!("{}: a fault of hab's, see above", graph.steps()[place].name()))
                    });
                    // Nobody listens any more only when the build is over.
                    let _ = sender.send((place, ended));
                });
            }
            self.context.progress.total(self.count.0, self.count.1, self.left());
            if !self.stages.iter().any(|stage| matches!(stage, Stage::Running(_))) {
                break;
            }
            match receiver.recv_timeout(TICK) {
                Ok((place, ended)) => self.ended(place, ended)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("a thread of the build stopped"),
            }
        }
        signal::check()?;
        Ok(())
    }

    fn ended(&mut self, place: usize, ended: Ended) -> Result<()> {
        let name = self.name(place);
        self.stages[place] = Stage::Settled;
        match ended {
            Ended::Made { entry, took } => {
                if let Some(took) = took {
                    self.times.note(&name, took);
                }
                self.count.0 += 1;
                self.outcome.made.insert(name);
                self.entries.insert(place, entry);
            }
            Ended::Failed(error) => self.outcome.errors.push((name, error)),
            Ended::Needs(damaged) => {
                self.stages[place] = Stage::Waiting;
                // Another step may have found the same damage before: then its entry is a new one by now.
                let stale = |(need, _): &(usize, String)| match self.entries.get(need) {
                    Some(entry) => self.context.cache.verify(entry).is_err(),
                    None => false,
                };
                let damaged: Vec<_> = damaged.into_iter().filter(stale).collect();
                for (need, why) in &damaged {
                    self.context
                        .progress
                        .note(&format!("{} is made again, damaged in the cache: {why}", self.name(*need)));
                    if let Some(entry) = self.entries.remove(need) {
                        self.context.cache.remove(&entry)?;
                    }
                }
                self.want(&damaged.into_iter().map(|(need, _)| need).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// The next step that can begin now, if any: of those that are ready the one that took longest before.
    fn next(&self) -> Option<usize> {
        if signal::check().is_err() {
            return None;
        }
        let running = |place: &usize| matches!(self.stages[*place], Stage::Running(_));
        let all = 0..self.stages.len();
        let busy = all.clone().filter(running).fold(Load::default(), |busy, place| {
            let load = self.load(place);
            let processors = busy.processors + self.limits.processors_of(load);
            Load { processors, memory: busy.memory + load.memory }
        });
        let ready = all.filter(|place| self.stages[*place] == Stage::Waiting && self.is_ready(*place));
        let fits = ready.filter(|place| self.limits.admit(busy, self.load(*place)));
        let expected = |place: &usize| self.times.of(&self.name(*place)).unwrap_or_default();
        // Of equals, the first in the graph's order.
        fits.max_by_key(|place| (expected(place), std::cmp::Reverse(*place)))
    }

    fn is_ready(&self, place: usize) -> bool {
        self.needs[place].iter().all(|need| self.entries.contains_key(need))
    }

    fn load(&self, place: usize) -> Load {
        let step = &self.graph.steps()[place];
        Load { processors: step.processors(), memory: step.memory(self.context) }
    }

    fn entries_for(&self, place: usize) -> Result<BTreeMap<usize, PathBuf>> {
        let entry = |need: &usize| Some((*need, self.entries.get(need)?.clone()));
        let entries = self.needs[place].iter().map(entry).collect::<Option<_>>();
        entries.with_context(|| format!("{} is not ready", self.name(place)))
    }

    /// About how long the rest takes, from what earlier runs took; unknown while a step was never run.
    fn left(&self) -> Option<Duration> {
        let (mut work, mut longest) = (0.0, 0.0_f64);
        for (place, stage) in self.stages.iter().enumerate() {
            let gone = match stage {
                Stage::Settled => continue,
                Stage::Waiting => Duration::ZERO,
                Stage::Running(since) => since.elapsed(),
            };
            let rest = self.times.of(&self.name(place))?.saturating_sub(gone).as_secs_f64();
            work += rest * self.limits.processors_of(self.load(place));
            longest = longest.max(rest);
        }
        Duration::try_from_secs_f64(longest.max(work / self.limits.processors())).ok()
    }
}

/// What a step is given to run.
struct Given {
    /// The entries that it needs, by place.
    needs: BTreeMap<usize, PathBuf>,
    /// How long it took before.
    expected: Option<Duration>,
}

/// Runs one step: reads through what it needs, makes its entry, and holds it against the lock.
fn job(graph: &Graph, context: &Context<'_>, place: usize, given: Given) -> Ended {
    let Given { needs, expected } = given;
    let damaged = |(need, entry): (&usize, &PathBuf)| Some((*need, context.cache.verify(entry).err()?.to_string()));
    let damaged: Vec<_> = needs.iter().filter_map(damaged).collect();
    if !damaged.is_empty() {
        return Ended::Needs(damaged);
    }
    let step = &graph.steps()[place];
    let shown = context.progress.step(&step.name(), expected);
    let needs = needs.into_iter().map(|(need, entry)| (graph.steps()[need].name(), entry));
    let needs = Entries(needs.collect());
    let mut result = None;
    let waiting = || shown.status("waiting: another run of hab is making it");
    let made = context.cache.make(step.bucket(), graph.key(place), &waiting, |entry| {
        result = Some(step.run(context, &Job { needs: &needs, entry, step: &shown })?);
        Ok(())
    });
    match made.and_then(|entry| step.check(context, &entry).map(|()| entry)) {
        Ok(entry) => {
            let took = shown.done(result.as_deref().unwrap_or("made by another run of hab"));
            Ended::Made { entry, took: result.map(|_| took) }
        }
        Err(error) => Ended::Failed(error),
    }
}

/// Downloads everything that the remaining steps need, so that the build needs no network. Returns how many steps that were.
///
/// # Errors
/// Something can't be had.
pub fn fetch(graph: &Graph, context: &Context<'_>, goals: &[usize]) -> Result<usize> {
    let mut count = 0;
    for (step, state) in graph.steps().iter().zip(states(graph, context, goals)?) {
        if matches!(state, State::Make(_)) {
            signal::check()?;
            let shown = context.progress.step(&format!("fetch {}", step.name()), None);
            step.fetch(context, &shown)?;
            shown.done("all there");
            count += 1;
        }
    }
    Ok(count)
}

/// Preflight: what the remaining steps need and this machine lacks, each thing once. Without it a build would work for
/// minutes and then stop.
///
/// # Errors
/// A step is missing.
pub fn preflight(graph: &Graph, context: &Context<'_>, goals: &[usize]) -> Result<Vec<Error>> {
    let mut errors: BTreeMap<String, Error> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for (step, state) in graph.steps().iter().zip(states(graph, context, goals)?) {
        if matches!(state, State::Make(_)) && asked.insert(step.bucket()) {
            errors.extend(step.preflight(context).into_iter().map(|error| (format!("{error:#}"), error)));
        }
    }
    Ok(errors.into_values().collect())
}

/// An entry that was damaged and is no more in the cache.
#[derive(Debug)]
pub struct Removed {
    /// The step that makes it, by its place in the graph.
    pub place: usize,
    /// The step's name, and what was wrong.
    pub why: String,
}

/// Reads through every entry of the build that is in the cache, and removes those that are damaged.
///
/// # Errors
/// A damaged entry can't be removed.
pub fn verify(graph: &Graph, context: &Context<'_>) -> Result<Vec<Removed>> {
    let mut removed = Vec::new();
    for (place, step) in graph.steps().iter().enumerate() {
        signal::check()?;
        if let Lookup::Hit(entry) = context.cache.find(step.bucket(), graph.key(place))
            && let Err(why) = context.cache.verify(&entry)
        {
            context.cache.remove(&entry)?;
            removed.push(Removed { place, why: format!("{}: {why:#}", step.name()) });
        }
    }
    Ok(removed)
}
