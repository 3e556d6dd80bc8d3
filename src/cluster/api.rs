//! Reads the answers of etcd and of API servers, as far as hab needs them.

use std::collections::HashMap;

use serde::Deserialize;

/// How much of a reason goes into one line.
const LINE: usize = 160;

/// A node's Ready condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub ready: bool,
    /// Why not.
    pub why: String,
    /// Whether it has its role as a label; a master gives that to itself and to every worker, the last of its work.
    pub labelled: bool,
}

/// How a role's label begins, which kubectl shows as ROLES
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io>).
const ROLE_LABEL: &str = "node-role.kubernetes.io/";

/// The DNS deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dns {
    /// It is not there.
    Missing,
    /// It is there, and Kubernetes knows of no pod of it that is ready.
    Unavailable,
    /// Kubernetes believes a pod of it to be ready.
    Available {
        /// How many pods say so themselves. None for a while after a halt.
        ready: usize,
        /// How many there should be.
        wanted: usize,
    },
}

/// etcd's `/health` (<https://etcd.io/docs/v3.6/op-guide/monitoring/>): `None` when it is healthy, else why it isn't.
pub(super) fn etcd_health(status: u16, body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Health {
        health: String,
        #[serde(default)]
        reason: String,
    }
    match serde_json::from_str(body) {
        Ok(Health { health, .. }) if health == "true" && status == 200 => None,
        Ok(Health { reason, .. }) if !reason.is_empty() => Some(line(&reason)),
        _ => Some(format!("it answers {status}")),
    }
}

/// An API server's `/readyz?verbose` (<https://kubernetes.io/docs/reference/using-api/health-checks/>): `None` when it
/// is ready, else the checks that fail.
pub(super) fn readyz(status: u16, body: &str) -> Option<String> {
    if status == 200 {
        return None;
    }
    match status {
        401 => {
            return Some("it does not know hab's certificate; was private/ replaced after the first boot?".to_owned());
        }
        // Until the first roles are there, nobody may even ask.
        403 => return Some("its first roles are not written yet".to_owned()),
        _ => {}
    }
    let failing: Vec<_> = body
        .lines()
        .filter_map(|line| line.strip_prefix("[-]"))
        .filter_map(|line| line.split_ascii_whitespace().next())
        .collect();
    if failing.is_empty() { Some(format!("it answers {status}")) } else { Some(line(&failing.join(", "))) }
}

/// `/api/v1/nodes`, without the nine tenths of it that hab does not read.
#[derive(Deserialize)]
pub(super) struct NodeList {
    items: Vec<NodeItem>,
}

#[derive(Deserialize)]
struct NodeItem {
    metadata: Metadata,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: HashMap<String, String>,
}

#[derive(Deserialize, Default)]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<RawCondition>,
}

#[derive(Deserialize)]
struct RawCondition {
    r#type: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl NodeList {
    /// The Ready condition of every node.
    pub fn conditions(self) -> HashMap<String, Condition> {
        let condition = |item: NodeItem| {
            let ready = item.status.conditions.into_iter().find(|condition| condition.r#type == "Ready");
            let (ready, why) = ready.map_or_else(
                || (false, "it has no Ready condition yet".to_owned()),
                |raw| (raw.status == "True", line(&format!("{}: {}", raw.reason, raw.message))),
            );
            let labelled = item.metadata.labels.keys().any(|label| label.starts_with(ROLE_LABEL));
            (item.metadata.name, Condition { ready, why, labelled })
        };
        self.items.into_iter().map(condition).collect()
    }
}

/// A deployment, as far as hab asks.
#[derive(Deserialize)]
pub(super) struct Deployment {
    #[serde(default)]
    spec: DeploymentSpec,
    #[serde(default)]
    status: DeploymentStatus,
}

#[derive(Deserialize, Default)]
struct DeploymentSpec {
    replicas: Option<usize>,
}

#[derive(Deserialize, Default)]
struct DeploymentStatus {
    #[serde(default, rename = "availableReplicas")]
    available: u32,
}

impl Deployment {
    pub fn is_available(&self) -> bool {
        self.status.available > 0
    }

    /// How many pods there should be; Kubernetes' own default is one.
    pub fn replicas(&self) -> usize {
        self.spec.replicas.unwrap_or(1)
    }
}

/// A list of pods, as far as hab asks.
#[derive(Deserialize)]
pub(super) struct PodList {
    items: Vec<PodItem>,
}

#[derive(Deserialize)]
struct PodItem {
    metadata: Metadata,
}

impl PodList {
    pub fn names(self) -> Vec<String> {
        self.items.into_iter().map(|pod| pod.metadata.name).collect()
    }
}

/// Makes one line of text that comes from a node, with nothing in it that steers a terminal.
pub(super) fn line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    if clean.chars().count() <= LINE {
        return clean.to_owned();
    }
    clean.chars().take(LINE).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcd_says_whether_and_why() {
        assert_eq!(etcd_health(200, r#"{"health":"true","reason":""}"#), None);
        let no_leader = etcd_health(503, r#"{"health":"false","reason":"RAFT NO LEADER"}"#);
        assert_eq!(no_leader.as_deref(), Some("RAFT NO LEADER"));
        assert_eq!(etcd_health(404, "not found").as_deref(), Some("it answers 404"));
    }

    #[test]
    fn an_api_server_names_the_checks_that_fail() {
        let body = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n\
                    [-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n";
        assert_eq!(readyz(500, body).as_deref(), Some("etcd, poststarthook/rbac/bootstrap-roles"));
        assert_eq!(readyz(200, "[+]ping ok\nreadyz check passed\n"), None);
        assert_eq!(readyz(503, "").as_deref(), Some("it answers 503"));
        assert!(readyz(401, "Unauthorized").unwrap().contains("private/"));
    }

    #[test]
    fn nodes_are_read_from_a_list_as_kubernetes_writes_it() {
        let body = r#"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"812"},"items":[
          {"metadata":{"name":"kube-worker-01","labels":{"node-role.kubernetes.io/worker":""}},"config":{"podCIDR":"10.2.1.0/24"},"status":{"conditions":[
            {"type":"MemoryPressure","status":"False","reason":"KubeletHasSufficientMemory","message":"ok"},
            {"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-23T04:00:00Z","reason":"KubeletReady",
             "message":"kubelet is posting ready status"}],"images":[{"names":["a"],"sizeBytes":1}]}},
          {"metadata":{"name":"kube-worker-02"},"status":{"conditions":[
            {"type":"Ready","status":"False","reason":"KubeletNotReady",
             "message":"container runtime network not ready: NetworkReady=false\nreason:NetworkPluginNotReady"}]}},
          {"metadata":{"name":"kube-worker-03"}}]}"#;
        let nodes = serde_json::from_str::<NodeList>(body).unwrap().conditions();
        assert!(nodes["kube-worker-01"].ready && nodes["kube-worker-01"].labelled);
        assert_eq!(
            nodes["kube-worker-02"].why,
            "KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
        );
        assert!(!nodes["kube-worker-03"].ready && !nodes["kube-worker-03"].labelled);
    }

    #[test]
    fn dns_is_there_when_a_pod_of_it_is() {
        let deployment = |body| serde_json::from_str::<Deployment>(body).unwrap();
        let one = deployment(
            r#"{"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":2,"availableReplicas":1}}"#,
        );
        assert!(one.is_available());
        assert_eq!(one.replicas(), 2);
        let none = deployment(r#"{"status":{"replicas":2,"unavailableReplicas":2}}"#);
        assert!(!none.is_available());
        assert_eq!(none.replicas(), 1);
    }

    #[test]
    fn a_line_is_one_short_line() {
        assert_eq!(line("a\u{1b}[31m\nb "), "a [31m b");
        assert_eq!(line(&"x".repeat(500)).len(), LINE + 3);
    }
}
