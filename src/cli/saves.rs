//! `hab saves`: what was saved, and removing it.

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Global, print, progress};
use crate::config::Label;
use crate::lab;
use crate::saves::{Record, Saves as All};

/// List the saves of this lab: when each was made, its size, and whether it still fits boxes and configs
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Saves {
    /// Print it as JSON
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Remove a save
    Rm {
        /// The save
        #[arg(value_parser = super::save::label, required_unless_present = "all")]
        name: Option<Label>,

        /// Remove all saves of this lab
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
}

/// A save as it is listed.
#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    made: OffsetDateTime,
    kubernetes: String,
    bytes: Option<u64>,
    fits: bool,
    differences: Vec<String>,
}

impl Saves {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let saves = All::open(&plan, &global.lab)?;
        match &self.verb {
            None => self.list(&saves),
            Some(Verb::Rm { name, .. }) => {
                let progress = progress::printer(global);
                let _held = lab::hold(&global.lab, progress.as_ref())?;
                saves.recover(progress.as_ref())?;
                match name {
                    Some(name) => saves.remove(name.as_str()),
                    None => saves.remove_all(),
                }
            }
        }
    }

    fn list(&self, saves: &All<'_>) -> Result<()> {
        let row = |record: Record| -> Result<Row> {
            let differences = saves.differences(&record)?;
            let Record { name, made, kubernetes, bytes, .. } = record;
            Ok(Row { name, made, kubernetes, bytes, fits: differences.is_empty(), differences })
        };
        let rows = saves.list()?.into_iter().map(row).collect::<Result<Vec<_>>>()?;
        if self.json {
            return print::json(&rows);
        }
        if rows.is_empty() {
            return print::out("no saves; `hab save` makes one of the running lab\n");
        }
        let head = ["NAME", "MADE", "KUBERNETES", "SIZE", "FITS"].map(str::to_owned);
        let line = |row: &Row| {
            let fits = row.differences.first().map_or("yes".to_owned(), |first| format!("no: {first}"));
            [row.name.clone(), made(row.made), row.kubernetes.clone(), size(row.bytes), fits]
        };
        print::out(print::table(&std::iter::once(head).chain(rows.iter().map(line)).collect::<Vec<_>>()))
    }
}

/// A save's size, as far as it is known.
pub(super) fn size(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), print::size)
}

/// To the minute, in UTC: a build does not know its user's time zone for sure.
fn made(time: OffsetDateTime) -> String {
    format!("{} {:02}:{:02} UTC", time.date(), time.hour(), time.minute())
}
