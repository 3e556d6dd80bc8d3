//! `hab roll`: makes nodes anew whose machines are older than the lab, one after another, while the cluster goes on.
//!
//! A node is never changed in place. Its machine is taken away, a new one is made of the box and the Ignition config that
//! the lab has now, and goes on with the data disk of the old one.

mod order;
mod unfinished;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub use order::{Batch, batches, check};

use crate::cluster::{Cluster, ClusterState, Limits};
use crate::exec::kubectl::Kubectl;
use crate::exec::vagrant;
use crate::lab::origin::Origins;
use crate::lab::{OUT, applied};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::role::Role;
use unfinished::Unfinished;

/// How a roll goes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many workers at once.
    pub parallel: usize,
    /// Also delete pods that nothing makes anew.
    pub force: bool,
}

/// A node that is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub why: String,
}

/// The nodes of a lab, to be made anew.
pub struct Roll<'a> {
    plan: &'a Plan,
    lab: PathBuf,
    origins: Origins,
    cluster: &'a Cluster<'a>,
    unfinished: Unfinished,
}

impl<'a> Roll<'a> {
    /// That of the lab in the folder `lab`.
    ///
    /// # Errors
    /// What an earlier one noted is damaged.
    pub fn new(plan: &'a Plan, lab: &Path, cluster: &'a Cluster<'a>) -> Result<Self> {
        let origins = Origins::read(lab, plan.provider)?;
        Ok(Self { plan, lab: lab.to_owned(), origins, cluster, unfinished: Unfinished::read(lab)? })
    }

    /// Which nodes have to be made anew, in the order of the plan: those of `names`, or all if there are none, whose
    /// machines are older than the lab, and what an earlier roll has not finished.
    ///
    /// # Errors
    /// A name is no node's.
    pub fn wanted(&self, names: &[String], state: &ClusterState) -> Result<Vec<Wanted>> {
        if let Some(unknown) = names.iter().find(|name| self.plan.nodes.iter().all(|node| node.name != **name)) {
            let known: Vec<&str> = self.plan.nodes.iter().map(|node| node.name.as_str()).collect();
            bail!("{unknown} is no node of this lab; it has: {}", known.join(", "));
        }
        let mut wanted = Vec::new();
        for node in state.nodes.iter().filter(|node| names.is_empty() || names.contains(&node.name)) {
            let differences = applied::differences(&self.lab, &self.origins, &node.name)?;
            let why = match differences.is_empty() {
                false => differences.join("; "),
                true if self.unfinished.nodes().contains(&node.name) => {
                    "an earlier roll has not finished it".to_owned()
                }
                true => continue,
            };
            wanted.push(Wanted { name: node.name.clone(), why });
        }
        Ok(wanted)
    }

    /// Makes them anew.
    ///
    /// # Errors
    /// The cluster would not go on, pods do not end, or a node does not become Ready. What is done stays done, and the next
    /// roll goes on from there.
    pub fn run(&mut self, wanted: &[Wanted], options: Options, progress: &dyn Progress) -> Result<()> {
        let names: BTreeSet<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        for batch in batches(self.plan, &names, options.parallel) {
            check(&batch, &self.cluster.probe())?;
            self.renew(&batch, options, progress)?;
        }
        Ok(())
    }

    fn renew(&mut self, batch: &Batch<'_>, options: Options, progress: &dyn Progress) -> Result<()> {
        let names = batch.names();
        let kubectl = Kubectl::of(&self.lab.join(OUT))?;
        let step = progress.step(&names.join(", "), None);
        // Those of an earlier roll may have no machine, and then no pods to wait for.
        let begun = names.iter().all(|name| self.unfinished.nodes().contains(*name));
        self.unfinished.begin(&names)?;
        if batch.role == Role::Worker && !begun {
            step.status("drained");
            for name in &names {
                kubectl.drain(name, options.force)?;
            }
        }
        // Its kubelet registers it anew, with the labels and taints that it has now.
        if batch.role.has_kubelet() {
            kubectl.delete_nodes(&names)?;
        }
        vagrant::destroy_but_data(&self.lab, &names, |line| step.status(line))?;
        vagrant::up(&self.lab, &names, |line| step.status(line))?;
        self.cluster.wait_for(&names, progress, Limits::default())?;
        self.unfinished.done(&names)?;
        step.done("anew");
        Ok(())
    }
}
