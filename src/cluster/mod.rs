//! A running cluster, seen from the host: what is Ready, what is not and why, and waiting until all is.
//!
//! hab asks the nodes' own services over TLS, with the lab's own certificates: etcd for its health, API servers for
//! their readiness and for what kubelets report. Of a node that does not answer, the provider and the recorded console
//! tell more. There is no agent on a node and no way in.

mod addons;
mod api;
mod assess;
mod client;
mod console;
mod etcd;
mod machine;
mod skew;
mod status;
mod wait;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

pub(crate) use client::{agent, failure};
pub use etcd::Member;
pub use status::{AddonState, ClusterState, Left, NodeState, Part, Reason, Stage};
pub use wait::Limits;

use crate::exec::signal;
use crate::exec::virsh::DomainState;
use crate::lab::addons as rendered;
use crate::node::addons::Addon;
use crate::parallel::side_by_side;
use crate::pki;
use crate::plan::{Node, Plan};
use crate::progress::Progress;
use crate::role::Role;
use api::NodeList;
use assess::{Observed, assess};
use client::{Client, Health, Reply};
use machine::Machines;
use wait::{Tracker, Verdict};

/// A lab's cluster.
pub struct Cluster<'a> {
    plan: &'a Plan,
    client: Client,
    machines: Machines<'a>,
    addons: Vec<Addon>,
}

impl<'a> Cluster<'a> {
    /// The cluster of `plan`, asked with the lab's certificates; `lab` is the folder that `vagrant up` runs in.
    ///
    /// # Errors
    /// The certificates can't be used, or `out/nodes.json` or `out/addons.json` is damaged.
    pub fn new(plan: &'a Plan, certificates: &pki::Client, lab: &Path) -> Result<Self> {
        let machines = Machines::new(plan, lab)?;
        let addons = rendered::read(lab)?;
        Ok(Self { plan, client: Client::new(certificates, plan.api_port())?, machines, addons })
    }

    /// The same with another way to ask how machines are than the provider's own.
    #[must_use]
    pub fn with_domains(
        mut self,
        ask: impl Fn() -> Result<HashMap<String, DomainState>> + Send + Sync + 'static,
    ) -> Self {
        self.machines.ask = Box::new(ask);
        self
    }

    /// Looks once at everything. A node that does not answer is part of the answer, not an error.
    #[must_use]
    pub fn probe(&self) -> ClusterState {
        let replies = side_by_side(&self.plan.nodes, |node| self.client.ask(node));
        let machines = self.machines.look(replies.iter().map(|reply| &reply.health));
        let mut observed = Observed { replies, machines, ..Observed::default() };
        let masters = self.plan.nodes.iter().zip(&observed.replies).filter(|(node, _)| node.role == Role::Master);
        observed.api_ready = masters.into_iter().any(|(_, reply)| reply.health == Health::Healthy);
        if let Some((master, nodes)) = self.nodes(&observed.replies) {
            observed.registered = Some(nodes.conditions());
            observed.dns = self.client.dns(master.address).ok();
            observed.addons = self.client.addons(master.address, &self.addons).ok();
        }
        assess(self.plan, &self.addons, &observed)
    }

    /// What an API server knows of all nodes, and which it was. A ready one is asked; if there is none, or it fails, all
    /// others that answer: one that is not ready may still know.
    fn nodes(&self, replies: &[Reply]) -> Option<(&'a Node, NodeList)> {
        let masters = || self.plan.nodes.iter().zip(replies).filter(|(node, _)| node.role == Role::Master);
        let ready = masters().filter(|(_, reply)| reply.health == Health::Healthy);
        let others = masters().filter(|(_, reply)| matches!(reply.health, Health::Unhealthy(_)));
        let ask = |master: &&'a Node| self.client.nodes(master.address).ok().map(|nodes| (*master, nodes));
        let all: Vec<&Node> = ready.clone().chain(others).map(|(master, _)| master).collect();
        let (first, rest) = all.split_at(ready.count().min(1));
        first.first().and_then(ask).or_else(|| side_by_side(rest, ask).into_iter().flatten().next())
    }

    /// What the cluster, which was seen in this `state`, still knows of nodes that the lab has no more. Of what does not
    /// answer nothing is known.
    #[must_use]
    pub fn left(&self, state: &ClusterState) -> Left {
        let known = |name: &String| self.plan.nodes.iter().any(|node| node.name == *name);
        let mut members = self.members(state, None).unwrap_or_default();
        members.retain(|member| !member.name.is_empty() && !known(&member.name));
        Left { nodes: state.strangers.clone(), members }
    }

    /// All members of etcd, as one that is well in this `state` knows them, another than the node `but`.
    ///
    /// # Errors
    /// None answers, or there is no majority.
    pub fn members(&self, state: &ClusterState, but: Option<&str>) -> Result<Vec<Member>> {
        self.ask_etcd(state, but, |address| etcd::members(&self.client, address))
    }

    /// Has one that is well in this `state`, another than the node `but`, remove a member of etcd.
    ///
    /// # Errors
    /// None answers, or etcd refuses.
    pub fn remove_member(&self, state: &ClusterState, but: &str, member: &Member) -> Result<()> {
        self.ask_etcd(state, Some(but), |address| etcd::remove(&self.client, address, member))
    }

    /// Writes etcd's database, as one that is well in this `state` has it, to `file`, which is empty, and its digest behind
    /// it.
    ///
    /// # Errors
    /// None answers to the end, or `file` can't be written.
    pub fn snapshot(&self, state: &ClusterState, file: &mut File) -> Result<()> {
        self.ask_etcd(state, None, |address| {
            // Of one that broke off nothing stays.
            file.set_len(0)?;
            file.rewind()?;
            let mut out = BufWriter::new(&mut *file);
            etcd::snapshot(&self.client, address, &mut out)?;
            Ok(out.flush()?)
        })
    }

    /// Asks one after another until one answers. Who is not well is not asked: that takes seconds, and can't be answered.
    fn ask_etcd<T>(
        &self,
        state: &ClusterState,
        but: Option<&str>,
        mut ask: impl FnMut(Ipv4Addr) -> Result<T>,
    ) -> Result<T> {
        let mut outcome = Err(anyhow!("there is no other etcd node that is well"));
        let others = self.plan.of(Role::Etcd).filter(|node| but != Some(node.name.as_str()));
        for other in others.filter(|node| state.does_its_work(&node.name)) {
            outcome = ask(other.address);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Looks again and again until everything is Ready; `progress` hears every change.
    ///
    /// # Errors
    /// A limit is reached, or a node can't become Ready any more. The message names every such node, and why.
    pub fn wait(&self, progress: &dyn Progress, limits: Limits) -> Result<ClusterState> {
        self.wait_until(|state| state, progress, limits)
    }

    /// As [`wait`](Self::wait), but it is enough that machines which are older than the lab do their work. Returns their
    /// names.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_of_any_age(&self, progress: &dyn Progress, limits: Limits) -> Result<Vec<String>> {
        let state = self.wait_until(ClusterState::of_any_age, progress, limits)?;
        Ok(state.nodes.into_iter().filter(|node| node.stale.is_some()).map(|node| node.name).collect())
    }

    /// As [`wait`](Self::wait), for these nodes alone, whatever the others do.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_for(&self, names: &[&str], progress: &dyn Progress, limits: Limits) -> Result<ClusterState> {
        self.wait_until(|state| state.only(names), progress, limits)
    }

    /// As [`wait`](Self::wait), but for nodes that no API server knows. Returns their names.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_for_known(&self, progress: &dyn Progress, limits: Limits) -> Result<Vec<String>> {
        self.wait_until(ClusterState::known, progress, limits)?;
        Ok(self.probe().nodes.into_iter().filter(NodeState::is_unknown).map(|node| node.name).collect())
    }

    fn wait_until(
        &self,
        of_interest: impl Fn(ClusterState) -> ClusterState,
        progress: &dyn Progress,
        limits: Limits,
    ) -> Result<ClusterState> {
        let (begin, mut tracker) = (Instant::now(), Tracker::new(limits));
        loop {
            let state = of_interest(self.probe());
            let (lines, verdict) = tracker.update(&state, begin.elapsed());
            for line in lines {
                progress.note(&line);
            }
            match verdict {
                Verdict::Ready => return Ok(state),
                Verdict::GiveUp(why) => bail!(why),
                Verdict::Wait => signal::pause(limits.poll)?,
            }
        }
    }
}
