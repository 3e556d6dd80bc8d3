//! `hab leave`: a node goes, and the cluster knows it no more.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cluster::{Cluster, Left, Member};
use crate::exec::kubectl::Kubectl;
use crate::lab::OUT;
use crate::plan::{Node, Plan};
use crate::progress::Progress;
use crate::role::Role;
use crate::roll::{Batch, api_server, check};

/// Who is asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaver<'a> {
    /// A node of the lab.
    Node(&'a Node),
    /// What the cluster still knows of a node that the lab has no more.
    Gone { node: bool, member: bool },
}

/// Which node is to leave, and how.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether also those of its pods end that nothing makes anew.
    pub force: bool,
}

/// Has the cluster forget a node: a worker's pods end first, an etcd member is removed by the others.
///
/// # Errors
/// Nobody knows the node, the cluster would not go on without it, or its pods do not end.
pub fn leave(
    lab: &Path,
    plan: &Plan,
    cluster: &Cluster<'_>,
    leaving: Leaving<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let Leaving { name, force } = leaving;
    let mut state = cluster.probe();
    let leaver = find(plan, || cluster.left(&state), name)?;
    let (node, member, batch) = match leaver {
        Leaver::Node(node) => {
            let others = plan.of(node.role).count() > 1;
            ensure!(others || node.role == Role::Worker, "{name} is the only {} of the lab", node.role);
            (node.role.has_kubelet(), node.role == Role::Etcd, Batch { role: node.role, nodes: vec![node] })
        }
        Leaver::Gone { node, member } => {
            let role = if member { Role::Etcd } else { Role::Worker };
            (node, member, Batch { role, nodes: Vec::new() })
        }
    };
    let step = progress.step(name, None);
    if member {
        let members = cluster.members(&state, Some(name))?;
        // Who has left before is none whose vote is missed.
        state.nodes.retain(|node| node.role != Role::Etcd || members.iter().any(|member| is(member, plan, &node.name)));
        check(&batch, &state)?;
        if let Some(member) = members.iter().find(|member| is(member, plan, name)) {
            step.status("removed from etcd");
            cluster.remove_member(&state, name, member)?;
        }
    } else {
        check(&batch, &state)?;
    }
    if node {
        let server = api_server(&state, plan, &[name]).context("no API server answers")?;
        let kubectl = Kubectl::of(&lab.join(OUT), server)?;
        // The pods of a machine that is gone can't end.
        if batch.role == Role::Worker && state.does_its_work(name) {
            step.status("drained");
            kubectl.drain(name, force)?;
        }
        kubectl.delete_nodes(&[name])?;
    }
    step.done("has left");
    Ok(())
}

/// Whether this member is the node of that name: one that has not started yet has no name, but an address.
fn is(member: &Member, plan: &Plan, name: &str) -> bool {
    let peer = plan.of(Role::Etcd).find(|node| node.name == name).map(|node| format!("//{}:", node.address));
    member.name == name || peer.is_some_and(|peer| member.peers.iter().any(|url| url.contains(&peer)))
}

fn find<'a>(plan: &'a Plan, left: impl FnOnce() -> Left, name: &str) -> Result<Leaver<'a>> {
    if let Some(node) = plan.nodes.iter().find(|node| node.name == name) {
        return Ok(Leaver::Node(node));
    }
    let left = left();
    let node = left.nodes.iter().any(|node| node == name);
    let member = left.members.iter().any(|member| member.name == name);
    if !node && !member {
        bail!("{name} is no node of this lab, and its cluster knows none of that name");
    }
    Ok(Leaver::Gone { node, member })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_a_node_of_the_lab_or_of_the_cluster() {
        let reading = crate::config::read("hab.yaml", b"lab: a\n", &|_| Ok(()));
        let plan = Plan::new(reading.config().unwrap()).unwrap();
        let member = Member { id: "1".to_owned(), name: "etcd-03".to_owned(), peers: Vec::new(), learner: false };
        let left = Left { nodes: vec!["kube-worker-03".to_owned()], members: vec![member] };
        assert!(
            matches!(find(&plan, || left.clone(), "etcd-01").unwrap(), Leaver::Node(node) if node.role == Role::Etcd)
        );
        assert_eq!(find(&plan, || left.clone(), "kube-worker-03").unwrap(), Leaver::Gone { node: true, member: false });
        assert_eq!(find(&plan, || left.clone(), "etcd-03").unwrap(), Leaver::Gone { node: false, member: true });
        let error = find(&plan, || left.clone(), "kube-worker-04").unwrap_err().to_string();
        assert!(error.contains("kube-worker-04 is no node"), "{error}");
    }
}
