//! `hab fetch`: all that a build needs from the network, so that the build itself needs none.

use anyhow::Result;
use serde_json::json;

use super::{Global, lock, print, progress};
use crate::artifacts::{self as supply, Table};
use crate::base::debian as base;
use crate::cache::Cache;
use crate::lab;

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
        let plan = lab::plan(global)?;
        let cache = Cache::from_env()?;
        let progress = progress::printer(global);
        let lock = lock::open(&global.lab, &cache, &plan, progress.as_ref())?;
        base::fetch(&cache, &lock.base, progress.as_ref())?;
        supply::fetch(&cache, &Table::source()?, &lock.supply, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"cache": cache.root().to_string_lossy()}));
        }
        if global.quiet {
            return Ok(());
        }
        print::out(format!("everything is in {}\n", cache.root().display()))
    }
}
