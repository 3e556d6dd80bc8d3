//! `hab backups`: what was backed up, and removing it.

use anyhow::Result;
use clap::Subcommand;

use super::{Global, print, progress};
use crate::{backup, lab};

/// List the backups of this lab, the oldest first
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Backups {
    /// Print it as JSON
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Remove a backup
    Rm {
        /// The backup
        name: String,
    },
}

impl Backups {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        super::plan(global)?;
        if let Some(Verb::Rm { name }) = &self.verb {
            let progress = progress::printer(global);
            let _held = lab::hold(&global.lab, progress.as_ref())?;
            return backup::remove(&global.lab, name);
        }
        let all = backup::list(&global.lab)?;
        if self.json {
            return print::json(&all);
        }
        if all.is_empty() {
            return print::out("no backups; `hab backup` makes one of the running cluster\n");
        }
        let head = ["NAME", "SIZE"].map(str::to_owned);
        let rows = all.iter().map(|backup| [backup.name.clone(), print::size(backup.bytes)]);
        print::out(print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))
    }
}
