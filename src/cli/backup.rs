//! `hab backup`: keeps what the cluster knows.

use anyhow::{Context as _, Result};

use super::{Global, print, progress};
use crate::backup;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::lab;
use crate::role::Role;

/// Back up etcd, all that the cluster knows, into private/backups; `hab restore` brings it back
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// Take the newest backup that this etcd node has made by itself; its machine must be off
    #[arg(long, value_name = "NODE")]
    from: Option<String>,

    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let now = Clock::system().now();
        let step = progress.step("backup", None);
        let made = match &self.from {
            Some(name) => {
                let node = plan.of(Role::Etcd).find(|node| node.name == *name);
                let node = node.with_context(|| format!("{name} is no etcd node of this lab"))?;
                backup::copy_from(&global.lab, &plan, node, now)?
            }
            None => backup::create(&global.lab, &Cluster::new(&plan, &pki.client(), &global.lab)?, now)?,
        };
        step.done("whole");
        drop(progress);
        if self.json {
            return print::json(&made);
        }
        if global.quiet {
            return Ok(());
        }
        print::out(format!("backed up as {}: {}, {}\n", made.name, lab::shown(&made.path), print::size(made.bytes)))
    }
}
