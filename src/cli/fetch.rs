//! `hab fetch`: all that a build needs from the network, so that the build itself needs none.

use anyhow::Result;
use serde_json::json;

use super::{Global, plan, print, progress};
use crate::build::{self, Context, Graph};
use crate::cache::Cache;
use crate::{lab, registry};

/// Download everything a build needs into the cache; `hab build` then works with no network
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// Print where everything is as JSON
    #[arg(long)]
    json: bool,
}

impl Fetch {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = plan(global)?;
        let cache = Cache::from_env()?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        cache.hold()?;
        let lock = lab::lock::open(&global.lab, &cache, &plan, progress.as_ref())?;
        let context = Context::new(&cache, &lock, &plan, progress.as_ref())?.in_lab(&global.lab);
        let graph = Graph::new(&context)?;
        let fetched = build::fetch(&graph, &context, &graph.goals()?)?;
        registry::prepare(&cache, &lock, &plan, progress.as_ref())?;
        drop(context);
        drop(progress);
        if self.json {
            return print::json(&json!({"cache": cache.root().to_string_lossy(), "steps": fetched}));
        }
        if global.quiet {
            return Ok(());
        }
        print::out(format!("everything is in {}\n", cache.root().display()))
    }
}
