//! `hab save`: keeps the running lab as it is.

use anyhow::{Result, anyhow, bail};

use super::{Global, print, progress};
use crate::cluster::Cluster;
use crate::config::Label;
use crate::lab;
use crate::saves::{self, Saves};

/// Keep the running lab as it is now, memory and disks of all machines at one moment; `hab reset` brings it back
#[derive(Debug, clap::Args)]
pub struct Save {
    /// What to call it: a-z, 0-9 and `-`; one of that name is replaced
    #[arg(default_value = saves::DEFAULT, value_parser = label)]
    name: Label,

    /// Also when not all is Ready
    #[arg(long)]
    anyway: bool,
}

impl Save {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let saves = Saves::open(&plan, &global.lab)?;
        saves.recover(progress.as_ref())?;
        if !self.anyway && !Cluster::new(&plan, &pki.client(), &global.lab)?.probe().ready {
            bail!("not all is Ready (`hab status` says what is not); --anyway saves it as it is");
        }
        let saved = saves.save(&self.name, progress.as_ref())?;
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        let (count, pause) = (plan.nodes.len(), saved.pause.as_secs_f64());
        let size = super::saves::size(saved.record.bytes);
        print::out(format!("saved as `{}`: {count} machines, {size}; the lab stood for {pause:.1} s\n", self.name))
    }
}

/// A save's name as an argument.
pub(super) fn label(text: &str) -> Result<Label> {
    Label::new(text).map_err(|why| anyhow!("a save's name {why}"))
}
