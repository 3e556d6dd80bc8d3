//! `hab render`: everything but boxes; the fast loop.

use anyhow::Result;
use serde_json::json;

use super::{Global, plan, print, progress};
use crate::lab;

/// Write Ignition configs, kubeconfig and Vagrantfile; no box is built and no machine started
#[derive(Debug, clap::Args)]
pub struct Render {
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Render {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = plan(global)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        super::note_lab(&global.lab);
        let changed = lab::render::render(&global.lab, &plan, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"files_written": changed}));
        }
        if global.quiet {
            return Ok(());
        }
        print::out(match changed {
            0 => "nothing has changed\n".to_owned(),
            changed => format!("{} written\n", print::files(changed)),
        })
    }
}
