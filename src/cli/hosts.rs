//! `hab hosts`: the nodes' names for the user's machine.

use anyhow::Result;
use serde_json::json;

use super::{Global, print};

/// Print a line of /etc/hosts for every node, for a machine that is to know the nodes by name
#[derive(Debug, clap::Args)]
pub struct Hosts {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

impl Hosts {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        if self.json {
            let hosts: Vec<_> =
                plan.nodes.iter().map(|node| json!({"name": node.name, "address": node.address})).collect();
            return print::json(&hosts);
        }
        let lines: Vec<_> = plan.nodes.iter().map(|node| format!("{} {}\n", node.address, node.name)).collect();
        print::out(lines.concat())
    }
}
