//! `hab wait`: until the cluster is Ready.

use std::time::Duration;

use anyhow::Result;

use super::{Global, print, progress};
use crate::cluster::{Cluster, Limits};
use crate::lab::{self, way_out::WayOut};

/// Wait until every node and DNS are Ready, or say who is stuck at what; `vagrant up` ends with this
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Give up after so many seconds in any case (default: an hour; 15 minutes without any change end it, too)
    #[arg(long, value_name = "SECONDS", env = "HAB_WAIT_TIMEOUT")]
    timeout: Option<u64>,

    /// It is enough that machines which are older than the lab do their work: they are named
    #[arg(long)]
    older: bool,
}

impl Wait {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let mut limits = Limits::default();
        if let Some(seconds) = self.timeout {
            limits.ceiling = Duration::from_secs(seconds);
        }
        let progress = progress::printer(global);
        let step = format!("{} nodes", plan.nodes.len());
        let shown = progress.step(&step, None);
        let cluster = Cluster::new(&plan, &pki.client(), &global.lab)?;
        let older = if self.older {
            cluster.wait_of_any_age(progress.as_ref(), limits)?
        } else {
            cluster.wait(progress.as_ref(), limits)?;
            Vec::new()
        };
        if older.is_empty() {
            shown.done("all Ready");
        } else {
            shown.done("all do their work");
            progress.warn(&format!(
                "older than their box or Ignition config: {}; `hab roll` makes them anew",
                older.join(", ")
            ));
        }
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        let internet = WayOut::look(&plan).words();
        print::out(format!("{internet}\nnow: export KUBECONFIG=$(hab kubeconfig); kubectl get nodes\n"))
    }
}
