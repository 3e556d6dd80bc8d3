//! `hab leave`: a node goes, and the cluster knows it no more.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::cluster::{Cluster, Left, Member};
use crate::exec::kubectl::Kubectl;
use crate::lab::OUT;
use crate::plan::{Node, Plan};
use crate::progress::Progress;
use crate::role::Role;
use crate::roll::{Batch, check};

/// What is asked to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leaver<'a> {
    /// A node of the lab.
    Node(&'a Node),
    /// What the cluster still knows of a node that the lab has no more.
    Gone { node: bool, member: bool },
}

/// Has the cluster forget the node `name`: a worker's pods end first (those that nothing makes anew only if `force`), an
/// etcd member is removed by the others.
///
/// # Errors
/// Nobody knows the node, the cluster would not go on without it, or its pods do not end.
pub fn leave(
    lab: &Path,
    plan: &Plan,
    cluster: &Cluster<'_>,
    (name, force): (&str, bool),
    progress: &dyn Progress,
) -> Result<()> {
    let state = cluster.probe();
    let leaver = find(plan, &cluster.left(), name)?;
    let step = progress.step(name, None);
    let etcd = match leaver {
        Leaver::Node(node) => {
            let others = plan.of(node.role).count() > 1;
            ensure!(others || node.role == Role::Worker, "{name} is the only {} of the lab", node.role);
            check(&Batch { role: node.role, nodes: vec![node] }, &state)?;
            node.role == Role::Etcd
        }
        Leaver::Gone { member, .. } => {
            if member {
                check(&Batch { role: Role::Etcd, nodes: Vec::new() }, &state)?;
            }
            member
        }
    };
    if etcd {
        let address = plan.nodes.iter().find(|node| node.name == name).map(|node| node.address);
        let own = |member: &Member| {
            member.name == name
                || address.is_some_and(|address| member.peers.iter().any(|url| url.contains(&format!("//{address}:"))))
        };
        if let Some(member) = cluster.members(name)?.into_iter().find(own) {
            step.status("removed from etcd");
            cluster.remove_member(name, &member)?;
        }
    }
    if matches!(leaver, Leaver::Gone { node: true, .. })
        || matches!(leaver, Leaver::Node(node) if node.role.has_kubelet())
    {
        let kubectl = Kubectl::of(&lab.join(OUT))?;
        // The pods of a machine that is gone can't end.
        let drained =
            state.nodes.iter().any(|node| node.name == name && node.role == Role::Worker && node.does_its_work());
        if drained {
            step.status("drained");
            kubectl.drain(name, force)?;
        }
        kubectl.delete_nodes(&[name])?;
    }
    step.done("has left");
    Ok(())
}

fn find<'a>(plan: &'a Plan, left: &Left, name: &str) -> Result<Leaver<'a>> {
    if let Some(node) = plan.nodes.iter().find(|node| node.name == name) {
        return Ok(Leaver::Node(node));
    }
    let (node, member) =
        (left.nodes.iter().any(|node| node == name), left.members.iter().any(|member| member.name == name));
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
        let member = Member { id: "1".to_owned(), name: "etcd-03".to_owned(), peers: Vec::new() };
        let left = Left { nodes: vec!["kube-worker-03".to_owned()], members: vec![member] };
        assert!(matches!(find(&plan, &left, "etcd-01").unwrap(), Leaver::Node(node) if node.role == Role::Etcd));
        assert_eq!(find(&plan, &left, "kube-worker-03").unwrap(), Leaver::Gone { node: true, member: false });
        assert_eq!(find(&plan, &left, "etcd-03").unwrap(), Leaver::Gone { node: false, member: true });
        let error = find(&plan, &left, "kube-worker-04").unwrap_err().to_string();
        assert!(error.contains("kube-worker-04 is no node"), "{error}");
    }
}
