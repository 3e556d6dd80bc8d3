//! What is seen of a cluster, and the words for it.

use std::collections::HashMap;

use serde::Serialize;

use super::api::{Condition, Dns};
use super::client::Answer;
use crate::plan::{Node, Plan};
use crate::role::Role;

/// How far a node has come. The order is that of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing at its address.
    Off,
    /// It is on the network; what it is for has not started.
    Up,
    /// What it is for has started and is not done.
    Started,
    /// Done.
    Ready,
}

/// One node as it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeState {
    /// The node's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How far it has come.
    pub stage: Stage,
    /// The same in words: what it waits for, or that it is ready.
    pub says: String,
}

impl NodeState {
    /// True when there is nothing left to wait for on this node.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }
}

/// A cluster as it is seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterState {
    /// Every node is ready, and so is DNS.
    pub ready: bool,
    /// All nodes in the order of the plan.
    pub nodes: Vec<NodeState>,
    /// DNS for pods, as a further thing to wait for.
    pub dns: Part,
}

/// A part of the cluster that is on no certain node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// It is there.
    pub ready: bool,
    /// The same in words.
    pub says: String,
}

/// All that was asked, before it is judged.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What each node of the plan answered, in its order: etcd's health, a master's readiness, a worker's kubelet.
    pub answers: Vec<Answer>,
    /// The Ready condition of every registered node; `None` while no API server answers.
    pub registered: Option<HashMap<String, Condition>>,
    /// The DNS deployment; `None` while no API server answers.
    pub dns: Option<Dns>,
}

/// Puts what was seen into words.
pub(super) fn judge(plan: &Plan, seen: &Seen) -> ClusterState {
    let nodes: Vec<_> =
        plan.nodes.iter().zip(&seen.answers).map(|(node, answer)| judge_node(node, answer, seen)).collect();
    let dns = match &seen.dns {
        None => Part { ready: false, says: "waiting for an API server".to_owned() },
        Some(Dns::Missing) => Part { ready: false, says: "not applied yet".to_owned() },
        Some(Dns::Unavailable) => Part { ready: false, says: "applied, no pod is available yet".to_owned() },
        Some(Dns::Silent) => Part { ready: false, says: "its pods do not answer yet".to_owned() },
        Some(Dns::Answers) => Part { ready: true, says: "ready".to_owned() },
    };
    ClusterState { ready: dns.ready && nodes.iter().all(NodeState::is_ready), nodes, dns }
}

fn judge_node(node: &Node, answer: &Answer, seen: &Seen) -> NodeState {
    let (stage, says) = match (node.role, answer) {
        (_, Answer::Nothing) => (Stage::Off, "not on the network yet".to_owned()),
        (Role::Etcd, Answer::Refused) => (Stage::Up, "up, waiting for etcd".to_owned()),
        (Role::Master, Answer::KubeletOnly) => (Stage::Up, "kubelet runs, waiting for the API server".to_owned()),
        // A worker's gate holds its kubelet back until its HAProxy sees an API server.
        (Role::Worker, Answer::Refused) if seen.registered.is_none() => {
            (Stage::Up, "up, waiting for an API server".to_owned())
        }
        (_, Answer::Refused) => (Stage::Up, "up, waiting for the kubelet".to_owned()),
        (Role::Etcd, Answer::Bad(why)) => (Stage::Started, format!("etcd is not healthy: {why}")),
        (_, Answer::Bad(why)) => (Stage::Started, format!("the API server is not ready: {why}")),
        (Role::Etcd, Answer::Good) => (Stage::Ready, "etcd is healthy".to_owned()),
        (_, Answer::Good | Answer::KubeletOnly) => registration(node, seen),
    };
    NodeState { name: node.name.clone(), role: node.role, stage, says }
}

/// The last step of masters and workers: what the API server knows of their kubelet.
fn registration(node: &Node, seen: &Seen) -> (Stage, String) {
    let Some(registered) = &seen.registered else {
        return (Stage::Started, "kubelet runs, waiting for an API server".to_owned());
    };
    match registered.get(&node.name) {
        None => (Stage::Started, "waiting for the kubelet to register the node".to_owned()),
        Some(condition) if condition.ready && !condition.labelled => {
            (Stage::Started, "Ready, waiting for a master to label it with its role".to_owned())
        }
        Some(condition) if condition.ready => (Stage::Ready, "Ready".to_owned()),
        Some(condition) => (Stage::Started, format!("NotReady: {}", condition.why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let text = b"{lab: demo, nodes: {master: {prefix: master}, worker: {count: 1, prefix: worker}}}";
        Plan::new(crate::config::read("hab.yaml", text, &|_| Ok(())).config().unwrap()).unwrap()
    }

    fn says(answers: [Answer; 3], registered: Option<&[(&str, bool)]>, dns: Option<Dns>) -> ClusterState {
        let why = "KubeletNotReady: cni plugin not initialized";
        let condition = |ready| Condition { ready, why: why.to_owned(), labelled: true };
        let registered = registered.map(|all| all.iter().map(|(n, r)| ((*n).to_owned(), condition(*r))).collect());
        judge(&plan(), &Seen { answers: answers.into(), registered, dns })
    }

    fn lines(state: &ClusterState) -> Vec<&str> {
        state.nodes.iter().map(|node| node.says.as_str()).chain([state.dns.says.as_str()]).collect()
    }

    #[test]
    fn a_boot_in_words() {
        use Answer::{Bad, Good, KubeletOnly, Nothing, Refused};
        let dark = says([Nothing, Nothing, Nothing], None, None);
        assert_eq!(lines(&dark)[..3], ["not on the network yet"; 3]);
        let up = says([Refused, Refused, Refused], None, None);
        assert_eq!(
            lines(&up),
            [
                "up, waiting for etcd",
                "up, waiting for the kubelet",
                "up, waiting for an API server",
                "waiting for an API server"
            ]
        );
        let etcd = says([Good, KubeletOnly, Refused], None, None);
        assert_eq!(lines(&etcd)[..2], ["etcd is healthy", "kubelet runs, waiting for the API server"]);
        let api = says([Good, Bad("etcd".to_owned()), KubeletOnly], Some(&[]), Some(Dns::Missing));
        assert_eq!(
            lines(&api)[1..],
            ["the API server is not ready: etcd", "waiting for the kubelet to register the node", "not applied yet"]
        );
        let nodes = [("master", true), ("worker-01", false)];
        let nodes = says([Good, Good, KubeletOnly], Some(&nodes), Some(Dns::Unavailable));
        assert_eq!(lines(&nodes)[1], "waiting for the kubelet to register the node");
        assert_eq!(lines(&nodes)[2], "NotReady: KubeletNotReady: cni plugin not initialized");
    }

    #[test]
    fn ready_is_when_everything_is() {
        use Answer::{Good, KubeletOnly, Nothing, Refused};
        let all: &[_] = &[("master-01", true), ("worker-01", true)];
        let ready = |answers, dns| says(answers, Some(all), Some(dns)).ready;
        assert!(ready([Good, Good, KubeletOnly], Dns::Answers));
        assert!(!ready([Good, Good, KubeletOnly], Dns::Unavailable));
        assert!(!ready([Good, Good, KubeletOnly], Dns::Silent));
        assert!(!ready([Refused, Good, KubeletOnly], Dns::Answers));
        // For 40 s after a halt the API server still believes a node to be Ready; its own silence counts.
        assert!(!ready([Good, Good, Nothing], Dns::Answers));
        assert!(!ready([Good, Good, Refused], Dns::Answers));
    }

    #[test]
    fn a_node_without_its_role_is_not_done() {
        let master = Condition { ready: true, why: String::new(), labelled: false };
        let registered = Some(HashMap::from([("master-01".to_owned(), master)]));
        let answers = vec![Answer::Good, Answer::Good, Answer::Nothing];
        let state = judge(&plan(), &Seen { answers, registered, dns: None });
        assert_eq!(lines(&state)[1], "Ready, waiting for a master to label it with its role");
        assert!(!state.nodes[1].is_ready());
    }

    #[test]
    fn json_has_plain_words() {
        let state = says([Answer::Good, Answer::Refused, Answer::Nothing], None, None);
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!(json["ready"], false);
        assert_eq!(json["nodes"][0]["stage"], "ready");
        assert_eq!(json["nodes"][2]["stage"], "off");
    }
}
