//! `hab fetch`: all that a build needs from the network, so that the build itself needs none.

use anyhow::Result;
use serde_json::json;

use super::{Global, lab, lock, print, progress};
use crate::images::base;
use crate::images::supply::{self, Table};
use crate::store::Store;

/// Download everything a build needs into the store; `hab build` then works with no network
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
        let store = Store::from_env()?;
        let progress = progress::printer(global);
        let lock = lock::open(&global.lab, &store, &plan, progress.as_ref())?;
        base::fetch(&store, &lock.base, progress.as_ref())?;
        supply::fetch(&store, &Table::source()?, &lock.supply, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"store": store.root().to_string_lossy()}));
        }
        if global.quiet {
            return Ok(());
        }
        print::out(format!("everything is in {}\n", store.root().display()))
    }
}
