//! `hab roll`: makes nodes anew whose machines are older than the lab, one after another, while the cluster goes on.
//!
//! A node is never changed in place. Its machine is taken away, a new one is made of the box and the Ignition config that
//! the lab has now, and goes on with the data disk of the old one.

mod order;
mod unfinished;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;

pub use order::{Batch, api_server, batches, check, roles};

use crate::cluster::{Cluster, ClusterState, Limits};
use crate::exec::kubectl::Kubectl;
use crate::exec::{signal, vagrant};
use crate::lab::origin::{Origins, Stale};
use crate::lab::way_out::WayOut;
use crate::lab::{OUT, applied};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::provider::facts;
use crate::role::Role;
use unfinished::Unfinished;

/// For how long others may not be well after a node was made anew: an API server that lost its etcd, an etcd member that
/// catches up.
const SETTLES: Duration = Duration::from_secs(300);

/// For how long they may not be well before the first node: one that is busy may answer late.
const SLOW: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// How a roll goes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many workers at once.
    pub parallel: usize,
    /// Also delete pods that nothing makes anew.
    pub force: bool,
}

/// A node that has to be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outdated {
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
    pub fn outdated(&self, names: &[String], state: &ClusterState) -> Result<Vec<Outdated>> {
        for name in names {
            self.plan.node(name)?;
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
            wanted.push(Outdated { name: node.name.clone(), why });
        }
        Ok(wanted)
    }

    /// Makes them anew.
    ///
    /// # Errors
    /// The lab's network leads elsewhere than hab.yaml says, the cluster would not go on, pods do not end, or a node does not
    /// become Ready. What is done stays done, and the next roll goes on from there.
    pub fn run(&mut self, wanted: &[Outdated], options: Options, progress: &dyn Progress) -> Result<()> {
        if !wanted.is_empty() {
            // `vagrant up` would refuse the new machine, when the old one is gone.
            WayOut::look(self.plan).same()?;
        }
        let names: BTreeSet<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let of_box = |name: &String| matches!(self.origins.stale(name), Some(Stale::Box | Stale::BoxAndIgnition));
        let roles = roles(names.iter().any(of_box));
        let mut previous = None;
        for batch in batches(self.plan, &names, roles, options.parallel) {
            if previous.is_some() && [previous, Some(batch.role)].contains(&Some(Role::Worker)) {
                self.await_dns(progress)?;
            }
            let state = self.settled(&batch, if previous.is_some() { SETTLES } else { SLOW }, progress)?;
            self.renew(&batch, &state, options, progress)?;
            previous = Some(batch.role);
        }
        if previous.is_some() { self.await_dns(progress) } else { Ok(()) }
    }

    /// Waits until names resolve again: pods of DNS begin elsewhere when their worker is drained, and the next worker may
    /// have the only one that answers. That they do not is not this roll's error, for it may mend it.
    fn await_dns(&self, progress: &dyn Progress) -> Result<()> {
        let begun = Instant::now();
        let mut said = String::new();
        while begun.elapsed() < SETTLES {
            let dns = self.cluster.probe().dns;
            if dns.ready {
                break;
            }
            if dns.message != said {
                progress.note(&format!("waiting for up to {} s for DNS: {}", SETTLES.as_secs(), dns.message));
                said = dns.message;
            }
            signal::pause(LOOK)?;
        }
        Ok(())
    }

    /// How the cluster is when it would go on without the nodes of `batch`; after a node was made anew that may take a
    /// while.
    fn settled(&self, batch: &Batch<'_>, patience: Duration, progress: &dyn Progress) -> Result<ClusterState> {
        let begun = Instant::now();
        let mut said = String::new();
        loop {
            let state = self.cluster.probe();
            match check(batch, &state).and_then(|()| self.caught_up(batch, &state)) {
                Ok(()) => return Ok(state),
                Err(error) if begun.elapsed() >= patience => return Err(error),
                Err(error) => {
                    let why = error.to_string();
                    if why != said {
                        progress.note(&format!("waiting for up to {} s: {why}", patience.as_secs()));
                        said = why;
                    }
                    signal::pause(LOOK)?;
                }
            }
        }
    }

    /// No member of etcd is still a learner when another goes: it would count for no majority.
    fn caught_up(&self, batch: &Batch<'_>, state: &ClusterState) -> Result<()> {
        if batch.role != Role::Etcd || self.plan.of(Role::Etcd).count() == 1 {
            return Ok(());
        }
        let members = self.cluster.members(state, None)?;
        if let Some(learner) = members.iter().find(|member| member.learner) {
            bail!("{} stays as it is, for {} has not caught up yet", batch.names().join(", "), learner.name);
        }
        Ok(())
    }

    fn renew(
        &mut self,
        batch: &Batch<'_>,
        state: &ClusterState,
        options: Options,
        progress: &dyn Progress,
    ) -> Result<()> {
        let names = batch.names();
        let step = progress.step(&names.join(", "), None);
        // Without an API server this roll goes on with its only master, whose Node stays as it was.
        let server = if batch.role.has_kubelet() { api_server(state, self.plan, &names) } else { None };
        let kubectl = server.map(|server| Kubectl::of(&self.lab.join(OUT), server)).transpose()?;
        // Pods of a machine that is gone can't end.
        if let (Role::Worker, Some(kubectl)) = (batch.role, &kubectl) {
            for name in names.iter().filter(|name| state.does_its_work(name)) {
                step.status("drained");
                kubectl.drain(name, options.force)?;
            }
        }
        self.unfinished.begin(&names)?;
        // Its kubelet registers it anew, with the labels and taints that it has now.
        if let Some(kubectl) = &kubectl {
            kubectl.delete_nodes(&names)?;
        }
        vagrant::destroy_but_data(&self.lab, &names, |line| step.status(line))?;
        vagrant::up(&self.lab, &names, facts(self.plan.provider).name, |line| step.status(line))?;
        self.cluster.wait_for(&names, progress, Limits::default())?;
        self.unfinished.done(&names)?;
        step.done("anew");
        Ok(())
    }
}
