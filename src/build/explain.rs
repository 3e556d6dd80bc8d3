//! What `hab build` would do: each of its steps, whether its result is there, and why. Nothing is made for this: the
//! build's own functions are asked, with a cache that only looks.

use std::path::Path;

use anyhow::{Error, Result};
use serde::Serialize;

use crate::artifacts::{self as supply, Artifacts, Table};
use crate::base::debian as base;
use crate::build::role::{self as boxed, Found};
use crate::cache::{Cache, Missing};
use crate::cli::{lock as lock_verb, render};
use crate::lab;
use crate::lock::{FILE, Lock};
use crate::node::NodeKind;
use crate::payload::contents as role;
use crate::payload::{self, Payload};
use crate::plan::Plan;
use crate::progress::Silent;
use crate::provider as vagrant;
use crate::role::Role;

/// Names of steps that others wait for.
const LOCK: &str = "lock";
const BASE: &str = "base debian";

/// The steps that boot a role's disks, each followed by the role.
pub const PROOF: &str = "boot proof";

/// One step of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(rename = "step")]
    name: String,
    #[serde(flatten)]
    state: State,
    why: String,
}

/// What the build does about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    /// Nothing: its result is there.
    There,
    /// It makes the result.
    Make,
    /// What it is made of is known only after another step.
    After { after: String },
    /// It fails.
    Refused,
}

impl Step {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its result is known to be there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.state == State::There
    }

    /// The step and what is said about it, as cells.
    #[must_use]
    pub fn cells(&self) -> [String; 2] {
        let says = match &self.state {
            State::There => format!("there: {}", self.why),
            State::Make => format!("will be made: {}", self.why),
            State::After { after } => format!("after {after}"),
            State::Refused => format!("refused: {}", self.why),
        };
        [self.name.clone(), says]
    }
}

/// The steps of a build of `plan` in `lab` with what is in `cache` now, in its order.
///
/// # Errors
/// What an earlier build wrote to `out/`, or its box in the cache, is damaged.
pub fn of(lab: &Path, cache: &Cache, plan: &Plan) -> Result<Vec<Step>> {
    let (mut steps, table, cache) = (Steps::default(), Table::source()?, cache.looking());
    let lock = steps.lock(lab, &table, plan);
    let disk = match &lock {
        Some(lock) => {
            let disk = base::find(&cache, &lock.base);
            let (there, make) = ("nothing it is made of has changed", "no disk of these packages is in the cache");
            steps.push(BASE, disk.is_some(), if disk.is_some() { there.to_owned() } else { make.to_owned() });
            disk
        }
        None => steps.after(BASE, LOCK),
    };
    let (artifacts, there) = steps.supply(&cache, &table, lock.as_ref());

    let published = render::versions(&lab.join(lab::OUT))?;
    for role in Role::ALL {
        let name = format!("payload {role}");
        let needed = supply::Step::of_role(&table, &role::load(role)?);
        let waits = needed.iter().find(|step| !there.contains(step));
        let payload = match (&lock, waits) {
            (None, _) => steps.after(&name, LOCK),
            (_, Some(step)) => steps.after(&name, &step.name()),
            (Some(lock), None) => {
                let found = payload::build(&cache, role, &artifacts, &lock.base.tools, &Silent);
                let there = |payload: &Payload| format!("none of its {} files has changed", payload.files.len());
                steps.found(&name, found, there, "no disk of these files is in the cache")
            }
        };
        let (proof, package) = (format!("{PROOF} {role}"), format!("box {role}"));
        let waits = match (&lock, &disk, &payload) {
            (None, ..) => LOCK,
            (_, None, _) => BASE,
            (_, _, None) => &name,
            (_, Some(disk), Some(payload)) => {
                let found = boxed::find(&cache, NodeKind::of(plan, role), disk, payload, vagrant::BOX_VAGRANTFILE)?;
                steps.boxed(&proof, &package, &found, &plan.kubernetes.version, published.get(role).as_deref());
                continue;
            }
        };
        steps.after::<()>(&proof, waits);
        steps.after::<()>(&package, waits);
    }
    Ok(steps.0)
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, name: &str, state: State, why: String) {
        self.0.push(Step { name: name.to_owned(), state, why });
    }

    fn push(&mut self, step: &str, there: bool, why: String) {
        self.add(step, if there { State::There } else { State::Make }, why);
    }

    /// A step whose inputs are not known yet: there is no result of it.
    fn after<T>(&mut self, step: &str, after: &str) -> Option<T> {
        self.add(step, State::After { after: after.to_owned() }, "what it is made of is known then".to_owned());
        None
    }

    fn refused(&mut self, step: &str, error: &Error) {
        self.add(step, State::Refused, format!("{error:#}"));
    }

    /// A step that was asked of a cache that only looks.
    fn found<T>(&mut self, step: &str, found: Result<T>, there: impl Fn(&T) -> String, make: &str) -> Option<T> {
        match found {
            Ok(result) => {
                self.push(step, true, there(&result));
                return Some(result);
            }
            Err(error) if error.is::<Missing>() => self.push(step, false, make.to_owned()),
            Err(error) => self.refused(step, &error),
        }
        None
    }

    /// The lock, if there is one that this hab can build from.
    fn lock(&mut self, lab: &Path, table: &Table, plan: &Plan) -> Option<Lock> {
        let lock = Lock::read(lab).and_then(|lock| {
            match &lock {
                Some(lock) => supply::same_upstreams(table, &lock.supply)?,
                None => lock_verb::same_kubernetes(table, plan)?,
            }
            Ok(lock)
        });
        match &lock {
            Ok(Some(_)) => self.push(LOCK, true, "`hab lock --update` pins anew".to_owned()),
            Ok(None) => self.push(LOCK, false, format!("there is no {FILE}")),
            Err(error) => self.refused(LOCK, error),
        }
        lock.ok().flatten()
    }

    /// The steps of the supply: what they bring, and which of them are there.
    fn supply<'t>(
        &mut self,
        cache: &Cache,
        table: &'t Table,
        lock: Option<&Lock>,
    ) -> (Artifacts, Vec<supply::Step<'t>>) {
        let (mut artifacts, mut there) = (Artifacts::default(), Vec::new());
        for step in supply::Step::all(table) {
            let name = step.name();
            let waits = step.needs(table).filter(|needed| !there.contains(needed));
            let Some(lock) = lock else {
                self.after::<()>(&name, LOCK);
                continue;
            };
            if let Some(needed) = waits {
                self.after::<()>(&name, &needed.name());
                continue;
            }
            // A copy, so that a result that is refused does not count for later steps.
            let mut with = artifacts.clone();
            let found = step.take(cache, table, &lock.supply, &mut with, &Silent);
            let found = found.and_then(|()| supply::same_results(&with, &lock.supply));
            let version = step.version(table).map_or_else(String::new, |version| format!("{version}, "));
            let says = |(): &()| format!("{version}nothing it is made of has changed");
            let make = format!("{version}as the lock pins it, is not in the cache");
            if self.found(&name, found, says, &make).is_some() {
                artifacts = with;
                there.push(step);
            }
        }
        (artifacts, there)
    }

    /// The boot proof and the box of a role whose disks are there.
    fn boxed(&mut self, proof: &str, package: &str, found: &Found, kubernetes: &str, published: Option<&str>) {
        let says = if found.proof { "every check held on these disks" } else { "these disks have not passed one" };
        self.push(proof, found.proof, says.to_owned());
        let version = found.boxed.as_ref().map(|packed| packed.version(kubernetes));
        let says = match (&version, published) {
            (Some(own), Some(out)) if own == out => format!("{own}, as in {}/boxes", lab::OUT),
            (Some(own), Some(out)) => format!("{own} takes the place of {out} in {}/boxes", lab::OUT),
            (Some(own), None) => format!("{own}, not yet in {}/boxes", lab::OUT),
            (None, Some(out)) => format!("no box of these disks is in the cache; {out} is in {}/boxes", lab::OUT),
            (None, None) => "no box of these disks is in the cache".to_owned(),
        };
        if version.is_some() && !found.disks {
            return self.push(package, false, "the cache has lost its disks".to_owned());
        }
        self.push(package, version.is_some(), says);
    }
}

#[cfg(test)]
mod tests;
