//! In which order nodes are made anew, and when that would cost too much.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::cluster::{ClusterState, NodeState};
use crate::plan::{Node, Plan};
use crate::role::Role;

/// Nodes of one role that are made anew side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Their role.
    pub role: Role,
    /// The nodes.
    pub nodes: Vec<&'a Node>,
}

impl Batch<'_> {
    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.name.as_str()).collect()
    }
}

/// Which role comes before which. What others need comes first: etcd. Then workers, whose HAProxy may not know yet of a
/// master that has joined: it would have nobody to ask while the others are made anew. But with `other_boxes`, which may
/// have another Kubernetes, masters come before workers: no kubelet may be newer than an API server
/// (<https://kubernetes.io/releases/version-skew-policy/#kubelet>).
#[must_use]
pub const fn roles(other_boxes: bool) -> [Role; 3] {
    if other_boxes { [Role::Etcd, Role::Master, Role::Worker] } else { [Role::Etcd, Role::Worker, Role::Master] }
}

/// Role by role: etcd member by member, master by master, as many workers at once as `parallel` says. Never two of those of
/// which a majority, or one, must stay.
#[must_use]
pub fn batches<'a>(plan: &'a Plan, wanted: &BTreeSet<String>, roles: [Role; 3], parallel: usize) -> Vec<Batch<'a>> {
    let of = |role: Role| {
        let size = if role == Role::Worker { parallel.max(1) } else { 1 };
        let nodes: Vec<&Node> = plan.of(role).filter(|node| wanted.contains(&node.name)).collect();
        nodes.chunks(size).map(|nodes| Batch { role, nodes: nodes.to_vec() }).collect::<Vec<_>>()
    };
    roles.into_iter().flat_map(of).collect()
}

/// The URL of an API server that is well, if there is one: one of another node than these, if there is one.
#[must_use]
pub fn api_server(state: &ClusterState, plan: &Plan, names: &[&str]) -> Option<String> {
    let (own, others): (Vec<&Node>, Vec<&Node>) = plan
        .of(Role::Master)
        .filter(|node| state.does_its_work(&node.name))
        .partition(|node| names.contains(&node.name.as_str()));
    others.first().or(own.first()).map(|node| plan.api_server(node))
}

/// That the cluster goes on without the nodes of `batch`: every other etcd member is well, or another master is; a master
/// is well that workers are drained by.
///
/// # Errors
/// It would not; says who is not well. A role of one node is no error: then there is no other way.
pub fn check(batch: &Batch<'_>, state: &ClusterState) -> Result<()> {
    let others: Vec<&NodeState> = state
        .nodes
        .iter()
        .filter(|node| node.role == batch.role && batch.nodes.iter().all(|other| other.name != node.name))
        .collect();
    let ill: Vec<String> = others
        .iter()
        .filter(|node| !node.does_its_work())
        .map(|node| format!("{}: {}", node.name, node.message))
        .collect();
    let names = batch.names().join(", ");
    match batch.role {
        Role::Etcd => {
            ensure!(
                ill.is_empty(),
                "{names} stays as it is, for etcd would lose its majority:\n  {}",
                ill.join("\n  ")
            );
        }
        Role::Master => ensure!(
            others.is_empty() || ill.len() < others.len(),
            "{names} stays as it is, for no other master is well:\n  {}",
            ill.join("\n  ")
        ),
        Role::Worker => {
            let masters = || state.nodes.iter().filter(|node| node.role == Role::Master);
            ensure!(masters().any(NodeState::does_its_work), "{names} stays as it is, for no master is well");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Part, Reason, Stage};

    fn plan() -> Plan {
        let text = "lab: a\nnodes: {etcd: {count: 3, prefix: e}, master: {count: 2, prefix: m}, worker: {count: 5, prefix: w}}\n";
        Plan::new(crate::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap()
    }

    /// All nodes are older than the lab, and these are off.
    fn state(plan: &Plan, off: &[&str]) -> ClusterState {
        let node = |node: &Node| {
            let off = off.contains(&node.name.as_str());
            NodeState {
                name: node.name.clone(),
                role: node.role,
                stage: if off { Stage::Off } else { Stage::Started },
                reason: if off { Reason::MachineOff } else { Reason::Stale },
                message: if off { "is off".to_owned() } else { String::new() },
                event: None,
                stale: None,
                clock_skew_seconds: None,
            }
        };
        let dns = Part { ready: true, reason: Reason::Ready, message: String::new() };
        ClusterState {
            ready: false,
            nodes: plan.nodes.iter().map(node).collect(),
            dns,
            addons: Vec::new(),
            strangers: Vec::new(),
        }
    }

    fn names(batches: &[Batch<'_>]) -> Vec<String> {
        batches.iter().map(|batch| batch.names().join(" ")).collect()
    }

    #[test]
    fn what_others_need_comes_first_and_one_by_one() {
        let plan = plan();
        let all = plan.nodes.iter().map(|node| node.name.clone()).collect();
        let wanted = ["e-01", "e-02", "e-03", "m-01", "m-02", "w-01 w-02", "w-03 w-04", "w-05"];
        assert_eq!(names(&batches(&plan, &all, roles(true), 2)), wanted);
        let wanted = ["e-01", "e-02", "e-03", "w-01 w-02", "w-03 w-04", "w-05", "m-01", "m-02"];
        assert_eq!(names(&batches(&plan, &all, roles(false), 2)), wanted);
        let some = ["w-04", "m-02", "w-01"].map(str::to_owned).into();
        assert_eq!(names(&batches(&plan, &some, roles(true), 0)), ["m-02", "w-01", "w-04"]);
    }

    #[test]
    fn a_majority_and_a_master_stay() {
        let plan = plan();
        let all = plan.nodes.iter().map(|node| node.name.clone()).collect();
        let batches = batches(&plan, &all, roles(true), 5);
        let checked =
            |off: &[&str]| batches.iter().map(|batch| check(batch, &state(&plan, off)).is_ok()).collect::<Vec<_>>();
        assert_eq!(checked(&[]), [true; 6]);
        // The one that is off may be made anew itself.
        assert_eq!(checked(&["e-02"]), [false, true, false, true, true, true]);
        assert_eq!(checked(&["m-02", "w-01"]), [true, true, true, false, true, true]);
        let error = check(&batches[0], &state(&plan, &["e-02"])).unwrap_err().to_string();
        assert_eq!(error, "e-01 stays as it is, for etcd would lose its majority:\n  e-02: is off");
    }
}
