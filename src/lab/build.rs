//! The lab's build: locked, asked for what is missing, checked if that is wanted, made, published and rendered.

use std::path::Path;

use anyhow::Result;

use super::lock::{Wishes, amend, blank, update};
use super::publish::{all, publish};
use super::render::render;
use crate::build::{self, Context, Graph};
use crate::cache::Cache;
use crate::lock::Lock;
use crate::plan::Plan;
use crate::progress::Progress;

/// What a build came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// How many boxes are new in `out/`.
    pub boxes: usize,
    /// How many files were written besides.
    pub files: usize,
}

/// Makes the lock if there is none, builds all boxes, puts them into `out/` and renders everything. With `verify`, all that
/// the lab has in the cache is read through first, and what is damaged is made again.
///
/// # Errors
/// The host lacks a program, which is said before anything is made; or a step failed; or a file can't be written.
pub fn build(lab: &Path, plan: &Plan, verify: bool, progress: &dyn Progress) -> Result<Made> {
    let boxes = boxes(lab, plan, verify, progress)?;
    Ok(Made { boxes, files: render(lab, plan, progress)? })
}

/// Builds and publishes all boxes; returns how many are new.
fn boxes(lab: &Path, plan: &Plan, verify: bool, progress: &dyn Progress) -> Result<usize> {
    let cache = Cache::from_env()?;
    cache.hold()?;
    let known = Lock::read(lab)?;
    let is_new = known.is_none();
    let lock = if let Some(known) = known {
        amend(lab, &cache, plan, known, progress)?
    } else {
        // Before the lock is made: that takes a network and some seconds.
        let blank = blank(plan)?;
        let context = Context::new(&cache, &blank, plan, progress)?;
        preflight(&Graph::new(&context)?, &context)?;
        update(lab, &cache, plan, progress, Wishes::default())?
    };
    let context = Context::new(&cache, &lock, plan, progress)?.in_lab(lab);
    let graph = Graph::new(&context)?;
    if !is_new {
        preflight(&graph, &context)?;
    }
    let mut goals = graph.goals()?;
    if verify {
        for damaged in build::verify(&graph, &context)? {
            progress.note(&format!("damaged in the cache, {}", damaged.why));
            goals.push(damaged.place);
        }
    }
    let outcome = build::run(&graph, &context, &goals)?;
    publish(lab, plan, &context, outcome)
}

fn preflight(graph: &Graph, context: &Context<'_>) -> Result<()> {
    all(build::preflight(graph, context, &graph.goals()?)?)
}
