//! What is said about the cluster's programs, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use super::quantity::Quantity;

/// Flags of a program, without the two hyphens, and their values.
pub type Flags = BTreeMap<String, String>;

/// A part of the control plane that runs as a static pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Flags besides hab's, and in place of them.
    pub extra_args: Flags,
    /// What its container asks for, and what it gets at most.
    pub resources: Resources,
}

/// kube-apiserver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiServer {
    /// Its port on every master.
    pub port: u16,
    /// The path of the user's audit policy, relative to the folder of `hab.yaml`, if there is one.
    pub audit_policy: Option<PathBuf>,
    /// What it has as the other parts of the control plane do.
    #[serde(flatten)]
    pub program: Component,
}

/// `ResourceRequirements` of a container (`core/v1`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// What the scheduler keeps free for it.
    pub requests: Amounts,
    /// What it gets at most.
    pub limits: Amounts,
}

/// Amounts by the names of the resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Amounts(pub BTreeMap<&'static str, Quantity>);

impl fmt::Display for Amounts {
    /// As YAML on one line: `{cpu: 100m, memory: 70Mi}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(name, amount)| format!("{name}: {amount}")).collect();
        write!(f, "{{{}}}", all.join(", "))
    }
}

impl fmt::Display for Resources {
    /// As YAML on one line: `{requests: {cpu: 100m}}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = [("requests", &self.requests), ("limits", &self.limits)];
        let all: Vec<String> = both
            .into_iter()
            .filter(|(_, amounts)| !amounts.0.is_empty())
            .map(|(name, amounts)| format!("{name}: {amounts}"))
            .collect();
        write!(f, "{{{}}}", all.join(", "))
    }
}

/// The backups that etcd nodes make by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EtcdBackup {
    /// How many of its own each node keeps; with 0 it makes none.
    pub keep: u32,
    /// Minutes between two.
    pub every_minutes: u32,
}

/// etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Etcd {
    /// What its nodes keep of it by themselves.
    pub backup: EtcdBackup,
    /// The most that its database may take, in bytes; etcd's own default if it is not said.
    pub quota_backend_bytes: Option<u64>,
    /// Flags besides hab's, and in place of them.
    pub extra_args: Flags,
}

/// CoreDNS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// How many copies.
    pub replicas: u32,
    /// What each asks for, and what it gets at most.
    pub resources: Resources,
}

/// Everything that runs besides kubelets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Components {
    /// kube-apiserver.
    pub api_server: ApiServer,
    /// kube-controller-manager.
    pub controller_manager: Component,
    /// kube-scheduler.
    pub scheduler: Component,
    /// Fields of the `KubeProxyConfiguration`, put over hab's.
    pub kube_proxy: Map<String, Value>,
    /// etcd.
    pub etcd: Etcd,
    /// CoreDNS.
    pub dns: Dns,
}

/// HAProxy on every worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Haproxy {
    /// Its port on the loopback, which leads to all masters.
    pub port: u16,
    /// Its timeouts by their names; without `connect` and `check` if they are not said.
    pub timeout: BTreeMap<&'static str, String>,
    /// The port of its stats page on the loopback, if it has one.
    pub stats: Option<u16>,
}
