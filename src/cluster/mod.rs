//! A running cluster, seen from the host: what is Ready, what is not and why, and waiting until all is.
//!
//! hab asks the nodes' own services over TLS, with the lab's own certificates: etcd for its health, API servers for
//! their readiness and for what kubelets report. There is no agent on a node and no way in.

mod api;
mod client;
mod status;
mod wait;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};

pub use status::{ClusterState, NodeState, Part, Stage};
pub use wait::Limits;

use crate::exec::signal;
use crate::pki::Client;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::role::Role;
use client::{Answer, Asker};
use status::Seen;
use wait::{Verdict, Watch};

/// How many nodes are asked at once: few enough for any limit on open files, many enough that a lab of usual size in
/// which no machine answers takes one time-out.
const AT_ONCE: usize = 16;

/// A lab's cluster.
pub struct Cluster<'a> {
    plan: &'a Plan,
    asker: Asker,
}

impl<'a> Cluster<'a> {
    /// The cluster of `plan`, asked with `client`'s certificates.
    ///
    /// # Errors
    /// The certificates can't be used.
    pub fn new(plan: &'a Plan, client: &Client) -> Result<Self> {
        Ok(Self { plan, asker: Asker::new(client)? })
    }

    /// Looks once at everything. A node that does not answer is part of the answer, not an error.
    #[must_use]
    pub fn probe(&self) -> ClusterState {
        let answers = self.ask_all();
        let masters = self.plan.nodes.iter().zip(&answers).filter(|(node, _)| node.role == Role::Master);
        // A ready one first; one that is not may still know the nodes.
        let (ready, others): (Vec<_>, Vec<_>) = masters.partition(|(_, answer)| **answer == Answer::Good);
        let others = others.into_iter().filter(|(_, answer)| matches!(answer, Answer::Bad(_)));
        let mut seen = Seen { answers: Vec::new(), registered: None, dns: None };
        for (master, _) in ready.into_iter().chain(others) {
            if let Ok(nodes) = self.asker.nodes(master.address) {
                seen.registered = Some(nodes.conditions());
                seen.dns = self.asker.dns(master.address).ok();
                break;
            }
        }
        seen.answers = answers;
        status::judge(self.plan, &seen)
    }

    /// Looks again and again until everything is Ready; `progress` hears every change.
    ///
    /// # Errors
    /// A limit is reached. The message names every node that is stuck, and at what.
    pub fn wait(&self, progress: &dyn Progress, limits: Limits) -> Result<ClusterState> {
        let (begin, mut watch) = (Instant::now(), Watch::new(limits));
        loop {
            let state = self.probe();
            let (lines, verdict) = watch.look(&state, begin.elapsed());
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

    fn ask_all(&self) -> Vec<Answer> {
        let nodes = &self.plan.nodes;
        let (next, answers) = (AtomicUsize::new(0), Mutex::new(vec![Answer::Nothing; nodes.len()]));
        std::thread::scope(|scope| {
            let work = || {
                while let Some((at, node)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    nodes.get(at).map(|node| (at, node))
                } {
                    let answer = self.asker.ask(node);
                    if let Ok(mut answers) = answers.lock() {
                        answers[at] = answer;
                    }
                }
            };
            // With fewer threads than wanted, or none, it only takes longer.
            for _ in 1..nodes.len().min(AT_ONCE) {
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        answers.into_inner().unwrap_or_default()
    }
}
