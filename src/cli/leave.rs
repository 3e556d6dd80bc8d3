//! `hab leave`: has the cluster forget nodes.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Global, print, progress};
use crate::cluster::Cluster;
use crate::plan::{Node, Plan};
use crate::{lab, leave};

/// Have the cluster forget nodes, before their machines are destroyed or after that: pods end, Node and etcd member go
#[derive(Debug, clap::Args)]
pub struct Leave {
    /// The nodes
    #[arg(required = true)]
    nodes: Vec<String>,

    /// Delete pods of workers that nothing makes anew, too
    #[arg(long)]
    force: bool,
}

impl Leave {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let cluster = Cluster::new(&plan, &pki.client(), &global.lab)?;
        for name in &self.nodes {
            let leaving = leave::Leaving { name, force: self.force };
            leave::leave(&global.lab, &plan, &cluster, leaving, progress.as_ref())?;
        }
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        print::out(next(&plan, &self.nodes))
    }
}

/// What is left to do: the machines are there, and hab.yaml counts them.
fn next(plan: &Plan, names: &[String]) -> String {
    let left = |node: &&Node| names.contains(&node.name);
    let mut text = String::new();
    let gone: Vec<&str> = plan.nodes.iter().filter(left).map(|node| node.name.as_str()).collect();
    if gone.is_empty() {
        return text;
    }
    let _ = writeln!(text, "now `vagrant destroy -f {}` takes machine and data away", gone.join(" "));
    for role in crate::role::Role::ALL {
        let all: Vec<&Node> = plan.of(role).collect();
        // Numbers have no gaps: for good go the last.
        let last = all.iter().rev().take_while(|node| left(node)).count();
        if last > 0 {
            let _ =
                writeln!(text, "then write `nodes.{role}.count: {}` in hab.yaml, and `hab build`", all.len() - last);
        }
        for node in all[..all.len() - last].iter().filter(|node| left(node)) {
            let _ = writeln!(
                text,
                "{} comes back by `vagrant up`: nodes are counted, and for good only the last can go",
                node.name
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_do_is_said() {
        let reading = crate::config::read("hab.yaml", b"lab: a\nnodes: {worker: {count: 4, prefix: w}}\n", &|_| Ok(()));
        let plan = Plan::new(reading.config().unwrap()).unwrap();
        let next = |names: &[&str]| next(&plan, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(next(&["w-09"]), "");
        let expected = "now `vagrant destroy -f w-03 w-04` takes machine and data away\n\
                        then write `nodes.worker.count: 2` in hab.yaml, and `hab build`\n";
        assert_eq!(next(&["w-04", "w-03"]), expected);
        assert!(
            next(&["w-02"])
                .ends_with("\nw-02 comes back by `vagrant up`: nodes are counted, and for good only the last can go\n")
        );
    }
}
