//! `hab restore`: back to a backup.

use anyhow::Result;

use super::{Global, print, progress};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::{backup, lab};

/// Bring what the cluster knows back to a backup: all etcd machines are made anew; what was written since is gone
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// A backup of this lab by its name, or a file; the newest if none is named
    backup: Option<String>,
}

impl Restore {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let path = backup::find(&global.lab, self.backup.as_deref())?;
        let cluster = Cluster::new(&plan, &pki.client(), &global.lab)?;
        let target = backup::Target { path: &path, now: Clock::system().now() };
        backup::restore(&global.lab, &plan, &cluster, target, progress.as_ref())?;
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        print::out(format!("the cluster is back at {}\n", lab::shown(&path)))
    }
}
