//! `hab build`: the whole chain, lock to boxes to data. Each step is taken once for its inputs.

use anyhow::Result;
use serde_json::json;

use super::{Global, plan, print, progress};
use crate::cache::Cache;
use crate::lab;
use crate::lock::Lock;
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
        let made = lab::build::build(&global.lab, &plan, self.verify, progress.as_ref())?;
        if let Some(lock) = Lock::read(&global.lab)? {
            registry::prepare(&Cache::from_env()?, &lock, &plan, progress.as_ref())?;
        }
        drop(progress);
        if self.json {
            return print::json(&json!({"boxes_built": made.boxes, "files_written": made.files}));
        }
        if global.quiet {
            return Ok(());
        }
        let files = print::files(made.files);
        let boxes = if made.boxes == 1 { "1 box".to_owned() } else { format!("{} boxes", made.boxes) };
        print::out(match (made.boxes, made.files) {
            (0, 0) => "nothing to do: every box is built and tested, every file is as it should be\n".to_owned(),
            (0, _) => format!("the boxes stay as they are; {files} written\nnow: vagrant up\n"),
            _ => format!("{boxes} built and tested, {files} written\nnow: vagrant up\n"),
        })
    }
}
