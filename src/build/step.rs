//! What a step is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};

use super::Context;
use crate::cache::KeyBuilder;
use crate::progress;

/// One step of the build. A new kind of step is a new file in `src/build/steps/` and a line in `src/build/graph.rs`.
pub trait Step: Sync {
    /// What people call it; no two steps have the same name.
    fn name(&self) -> String;

    /// The cache's bucket for its entries.
    fn bucket(&self) -> &'static str;

    /// Counts up whenever the code makes other bytes out of the same inputs; part of the key. Options of programs are in
    /// the key themselves; of what hab writes itself, a test with the digest of something small fails when this was
    /// forgotten.
    fn version(&self) -> u32;

    /// The names of the steps whose entries it reads; their keys are part of its own.
    fn needs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Adds everything else that decides the entry's bytes.
    ///
    /// # Errors
    /// hab was built without a part.
    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder>;

    /// What makes it this one, such as a version.
    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        None
    }

    /// How many processors it keeps busy; 0 for all of them.
    fn processors(&self) -> f64 {
        1.0
    }

    /// How much memory it takes, in MiB.
    fn memory(&self, _context: &Context<'_>) -> u64 {
        256
    }

    /// Downloads everything from the network that [`Step::run`] needs.
    ///
    /// # Errors
    /// Something can't be had.
    fn fetch(&self, _context: &Context<'_>, _step: &progress::StepHandle<'_>) -> Result<()> {
        Ok(())
    }

    /// What is missing on this machine to run it.
    fn preflight(&self, _context: &Context<'_>) -> Vec<Error> {
        Vec::new()
    }

    /// Compares what the entry holds with what the lock pins.
    ///
    /// # Errors
    /// It is something else.
    fn check(&self, _context: &Context<'_>, _entry: &Path) -> Result<()> {
        Ok(())
    }

    /// Makes the entry, and says in a few words what came out.
    ///
    /// # Errors
    /// It can't be made.
    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String>;
}

/// What a step is given to run.
pub struct Job<'a> {
    /// The entries of what it needs.
    pub needs: &'a Entries,
    /// The empty folder that becomes its entry.
    pub entry: &'a Path,
    /// Where it says how far it is.
    pub step: &'a progress::StepHandle<'a>,
}

/// Entries of the cache by the name of their step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries(pub BTreeMap<String, PathBuf>);

impl Entries {
    /// The entry of a step.
    ///
    /// # Errors
    /// The step was not made.
    pub fn get(&self, step: &str) -> Result<&Path> {
        self.0.get(step).map(PathBuf::as_path).with_context(|| format!("the step {step} was not made"))
    }
}
