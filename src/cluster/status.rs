//! The state of a cluster at one moment, as `hab status` prints it.

use serde::Serialize;

use super::etcd::Member;
use crate::lab::origin::Stale;
use crate::role::Role;

/// How far a node has come. The order is that of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing at its address.
    Off,
    /// It is on the network; what it is for has not started.
    Up,
    /// What it is for has started and is not done, or the machine is older than the lab.
    Started,
    /// Done.
    Ready,
}

/// Why something is as it is: a fixed word for programs, where [`NodeState::message`] is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is ready.
    Ready,
    /// The provider has no machine of that name.
    NotCreated,
    /// The machine is shut off, or has crashed.
    MachineOff,
    /// The machine is paused.
    MachinePaused,
    /// The initramfs gave up, and powered the machine off.
    BootFailed,
    /// The kernel gave up.
    KernelPanic,
    /// The machine runs, and nothing is at its address.
    Booting,
    /// Nothing is at its address, and more is not known.
    NoAnswer,
    /// The machine is on the network, and etcd does not listen.
    WaitingForEtcd,
    /// It can't go on without an API server.
    WaitingForApiServer,
    /// It waits until hab may see it.
    WaitingForRoles,
    /// The machine is on the network, and the kubelet does not listen.
    WaitingForKubelet,
    /// etcd answers, and is not healthy.
    EtcdUnhealthy,
    /// The API server answers, and is not ready.
    ApiServerNotReady,
    /// The API server does not know the node.
    NotRegistered,
    /// The node has no role yet.
    NotLabelled,
    /// The kubelet says that the node is not Ready, or has said nothing for long.
    NotReady,
    /// It would be ready if the machine were not older than its box or its Ignition config.
    Stale,
    /// There is no DNS deployment.
    DnsMissing,
    /// Kubernetes knows of no DNS pod that is available.
    DnsUnavailable,
    /// No DNS pod says that it is ready.
    DnsSilent,
    /// No master has applied an addon as it is.
    AddonNotApplied,
    /// The API server does not take an object of an addon.
    AddonRefused,
    /// An addon is applied, and not done.
    AddonNotReady,
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
    /// Why it is no further.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
    /// The last event on its console, while it is not on the network or waits for its service.
    pub event: Option<String>,
    /// In what its machine is older than the lab.
    pub stale: Option<Stale>,
    /// Seconds by which its clock is ahead of this machine's (behind: negative), at least; `null` where it is not known.
    pub clock_skew_seconds: Option<i64>,
}

impl NodeState {
    /// True when it is Ready, or would be if its machine were not older than the lab.
    #[must_use]
    pub fn does_its_work(&self) -> bool {
        self.is_ready() || self.reason == Reason::Stale
    }

    /// True when an API server answers and does not know it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.reason == Reason::NotRegistered
    }

    /// True when there is nothing left to wait for on this node.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }
}

/// A cluster as it is seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterState {
    /// Every node is ready, and so are DNS and addons.
    pub ready: bool,
    /// All nodes in the order of the plan.
    pub nodes: Vec<NodeState>,
    /// DNS for pods, as a further thing to wait for.
    pub dns: Part,
    /// What hab.yaml has under `addons`, in its order.
    pub addons: Vec<AddonState>,
    /// Nodes that Kubernetes knows and the lab does not, by name.
    #[serde(skip)]
    pub strangers: Vec<String>,
}

impl ClusterState {
    /// True when the node of this name [does its work](NodeState::does_its_work).
    #[must_use]
    pub fn does_its_work(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.name == name && node.does_its_work())
    }

    /// What of it is about these nodes; DNS and addons are about none.
    pub(super) fn only(self, names: &[&str]) -> Self {
        self.of(|node| names.contains(&node.name.as_str()))
    }

    /// What of it is about nodes that no API server lacks.
    pub(super) fn known(self) -> Self {
        self.of(|node| !node.is_unknown())
    }

    /// It, as if no machine's age mattered.
    pub(super) fn of_any_age(mut self) -> Self {
        let addons = self.addons.iter().all(|addon| addon.ready || addon.reason == Reason::Stale);
        self.ready = self.dns.ready && addons && self.nodes.iter().all(NodeState::does_its_work);
        self
    }

    fn of(mut self, wanted: impl Fn(&NodeState) -> bool) -> Self {
        self.nodes.retain(wanted);
        self.dns = Part { ready: true, reason: Reason::Ready, message: String::new() };
        self.addons.clear();
        self.ready = self.nodes.iter().all(NodeState::is_ready);
        self
    }
}

/// What a cluster still knows of nodes that the lab has no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Node objects, by name.
    pub nodes: Vec<String>,
    /// Members of etcd.
    pub members: Vec<Member>,
}

/// A part of the cluster that is on no certain node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// It is there.
    pub ready: bool,
    /// Why it is not.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
}

/// What the cluster runs besides, as it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddonState {
    /// Its name, or its folder, as in hab.yaml.
    pub name: String,
    /// It is applied as it is, and done.
    pub ready: bool,
    /// Why it is not.
    pub reason: Reason,
    /// The same in words.
    pub message: String,
}
