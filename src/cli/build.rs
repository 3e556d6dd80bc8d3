//! `hab build`: the whole chain, lock to boxes to data. Each step is taken once for its inputs.

use anyhow::Result;
use serde_json::json;

use super::{Global, plan, print, progress};
use crate::build::{self, Context, Graph};
use crate::cache::Cache;
use crate::lab;
use crate::lab::publish::{all, publish};
use crate::lock::Lock;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::registry;

/// Build and boot-test every box, and render everything: after this, `vagrant up`
#[derive(Debug, clap::Args)]
pub struct Build {
    /// Read through the steps of this lab in the cache first, and make again what is damaged
    #[arg(long)]
    verify: bool,

    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Build {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = plan(global)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        super::note_lab(&global.lab);
        let built = self.build(global, &plan, progress.as_ref())?;
        let written = lab::render::render(&global.lab, &plan, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"boxes_built": built, "files_written": written}));
        }
        if global.quiet {
            return Ok(());
        }
        let files = print::files(written);
        let boxes = if built == 1 { "1 box".to_owned() } else { format!("{built} boxes") };
        print::out(match (built, written) {
            (0, 0) => "nothing to do: every box is built and tested, every file is as it should be\n".to_owned(),
            (0, _) => format!("the boxes stay as they are; {files} written\nnow: vagrant up\n"),
            _ => format!("{boxes} built and tested, {files} written\nnow: vagrant up\n"),
        })
    }

    /// Builds all boxes and puts them into `out/`; returns how many are new there.
    fn build(&self, global: &Global, plan: &Plan, progress: &dyn Progress) -> Result<usize> {
        let cache = Cache::from_env()?;
        cache.hold()?;
        let known = Lock::read(&global.lab)?;
        let is_new = known.is_none();
        let lock = if let Some(lock) = known {
            lab::lock::amend(&global.lab, &cache, plan, lock, progress)?
        } else {
            // Before the lock is made: that takes a network and some seconds.
            let blank = lab::lock::blank(plan)?;
            let context = Context::new(&cache, &blank, plan, progress)?;
            preflight(&Graph::new(&context)?, &context)?;
            lab::lock::update(&global.lab, &cache, plan, progress, false)?
        };
        let context = Context::new(&cache, &lock, plan, progress)?.in_lab(&global.lab);
        let graph = Graph::new(&context)?;
        if !is_new {
            preflight(&graph, &context)?;
        }
        let mut goals = graph.goals()?;
        if self.verify {
            for (place, why) in build::verify(&graph, &context)? {
                progress.note(&format!("damaged in the cache, {why}"));
                goals.push(place);
            }
        }
        let outcome = build::run(&graph, &context, &goals)?;
        let new = publish(&global.lab, plan, &context, outcome)?;
        registry::prepare(&cache, &lock, plan, progress)?;
        Ok(new)
    }
}

fn preflight(graph: &Graph, context: &Context<'_>) -> Result<()> {
    all(build::preflight(graph, context, &graph.goals()?)?)
}
