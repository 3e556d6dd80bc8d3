//! `hab roll`: makes nodes anew that are older than the lab.

use anyhow::Result;

use super::{Global, print, progress};
use crate::cluster::Cluster;
use crate::lab;
use crate::roll::{Options, Roll as Nodes};

/// Make nodes anew whose machines are older than their box or Ignition config, in a safe order; their data stay
#[derive(Debug, clap::Args)]
pub struct Roll {
    /// Only these nodes
    nodes: Vec<String>,

    /// How many workers at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    parallel: usize,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print that as JSON
    #[arg(long, requires = "dry_run")]
    json: bool,

    /// Delete pods of workers that nothing makes anew, too
    #[arg(long)]
    force: bool,
}

impl Roll {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let cluster = Cluster::new(&plan, &pki.client(), &global.lab)?;
        let mut nodes = Nodes::new(&plan, &global.lab, &cluster)?;
        let wanted = nodes.outdated(&self.nodes, &cluster.probe())?;
        if self.json {
            return print::json(&wanted);
        }
        if self.dry_run {
            let rows: Vec<_> = wanted.into_iter().map(|wanted| [wanted.name, wanted.why]).collect();
            let text = print::table(&rows);
            return print::out(if rows.is_empty() { "nothing to do\n".to_owned() } else { text });
        }
        nodes.run(&wanted, Options { parallel: self.parallel, force: self.force }, progress.as_ref())?;
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        print::out(match wanted.len() {
            0 => "nothing to do: no node is older than the lab\n".to_owned(),
            count => format!("made {count} nodes anew\n"),
        })
    }
}
