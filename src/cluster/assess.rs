//! From what was observed to a [`ClusterState`] and its words.

use std::collections::HashMap;

use super::addons::{self, Seen};
use super::api::{Condition, Dns};
use super::client::{Health, Reply};
use super::console::Event;
use super::machine::{Domain, Machine};
use super::status::{AddonState, ClusterState, NodeState, Part, Reason, Stage};
use crate::exec::virsh::DomainState;
use crate::kinds::Cni;
use crate::lab::origin::Stale;
use crate::node::addons::Addon;
use crate::plan::{Node, Plan};
use crate::role::Role;

/// All that was observed at one look.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// What each node of the plan answered, in its order.
    pub replies: Vec<Reply>,
    /// Each node's machine, in the same order.
    pub machines: Vec<Machine>,
    /// The Ready condition of every registered node; `None` while no API server answers.
    pub registered: Option<HashMap<String, Condition>>,
    /// Whether an API server is ready. It may be, and not yet let hab see nodes: that takes the cluster's own roles.
    pub api_ready: bool,
    /// The DNS deployment; `None` while no API server answers.
    pub dns: Option<Dns>,
    /// What it knows of the addons; as above.
    pub addons: Option<Seen>,
}

/// How far a node has come, and why it is no further.
struct Finding {
    stage: Stage,
    reason: Reason,
    message: String,
}

/// Puts what was observed into words.
pub(super) fn assess(plan: &Plan, named: &[Addon], observed: &Observed) -> ClusterState {
    let nodes = plan.nodes.iter().zip(&observed.replies).zip(&observed.machines);
    let mut nodes: Vec<_> = nodes.map(|((node, reply), machine)| assess_node(node, reply, machine, observed)).collect();
    let mut dns = assess_dns(observed.dns.as_ref());
    let older = nodes.iter().any(|node| node.role == Role::Master && node.stale.is_some());
    let mut addons: Vec<_> = named.iter().map(|addon| addons::assess(addon, observed.addons.as_ref(), older)).collect();
    if plan.kubernetes.cni == Cni::None {
        without_network(&mut nodes, &mut dns, &mut addons);
    }
    let known = |name: &String| plan.nodes.iter().any(|node| node.name == *name);
    let registered = observed.registered.iter().flatten().map(|(name, _)| name);
    let mut strangers: Vec<String> = registered.filter(|name| !known(name)).cloned().collect();
    strangers.sort();
    let ready = dns.ready && addons.iter().all(|addon| addon.ready) && nodes.iter().all(NodeState::is_ready);
    ClusterState { ready, nodes, dns, addons, strangers }
}

/// What a kubelet's condition says as long as containerd has no CNI configuration (`NetworkReadyReason` in containerd's
/// `internal/cri/server/status.go`).
const NO_NETWORK: &str = "NetworkPluginNotReady";

/// In a lab without a pod network nothing but that is waited for: somebody is to bring one, and DNS and addons need it.
fn without_network(nodes: &mut [NodeState], dns: &mut Part, addons: &mut [AddonState]) {
    // Once a node has one, somebody has brought one: what is made anew waits for it, and a roll for that.
    if nodes.iter().any(|node| node.role.has_kubelet() && node.does_its_work()) {
        return;
    }
    let lacking = nodes.iter_mut().filter(|n| n.reason == Reason::NotReady && n.message.contains(NO_NETWORK));
    let mut lacks = false;
    for node in lacking.filter(|node| node.stale.is_none()) {
        lacks = true;
        (node.stage, node.reason) = (Stage::Ready, Reason::Ready);
        "registered; waits for a pod network".clone_into(&mut node.message);
    }
    if lacks {
        *dns = Part { ready: true, reason: Reason::Ready, message: "waits for a pod network".to_owned() };
        for addon in addons.iter_mut().filter(|addon| addon.reason == Reason::AddonNotReady) {
            (addon.ready, addon.reason) = (true, Reason::Ready);
            "waits for a pod network".clone_into(&mut addon.message);
        }
    }
}

fn assess_dns(dns: Option<&Dns>) -> Part {
    let (reason, message) = match dns {
        None => (Reason::WaitingForApiServer, "waiting for an API server".to_owned()),
        Some(Dns::Missing) => (Reason::DnsMissing, "not applied yet".to_owned()),
        Some(Dns::Unavailable) => (Reason::DnsUnavailable, "applied, no pod is available yet".to_owned()),
        Some(Dns::Available { ready: 0, .. }) => (Reason::DnsSilent, "its pods do not answer yet".to_owned()),
        Some(Dns::Available { ready, wanted }) if ready < wanted => {
            (Reason::Ready, format!("ready, {ready} of {wanted} pods"))
        }
        Some(Dns::Available { .. }) => (Reason::Ready, "ready".to_owned()),
    };
    Part { ready: reason == Reason::Ready, reason, message }
}

fn assess_node(node: &Node, reply: &Reply, machine: &Machine, observed: &Observed) -> NodeState {
    let finding = with_age(service(node, &reply.health, machine, observed), &node.name, machine.stale);
    NodeState {
        name: node.name.clone(),
        role: node.role,
        stage: finding.stage,
        reason: finding.reason,
        message: finding.message,
        event: last_event(machine).map(|event| event.name.clone()),
        stale: machine.stale,
        clock_skew_seconds: reply.clock_skew,
    }
}

/// The same of a machine that may be older than the lab: such a one is never ready.
fn with_age(found: Finding, node: &str, stale: Option<Stale>) -> Finding {
    let Some(stale) = stale else { return found };
    let older = format!("older than its {stale}: `hab roll {node}` makes it anew");
    if found.stage == Stage::Ready {
        return Finding::new(Stage::Started, Reason::Stale, format!("{}, but {older}", found.message));
    }
    Finding { message: format!("{}; it is also {older}", found.message), ..found }
}

impl Finding {
    fn new(stage: Stage, reason: Reason, message: impl Into<String>) -> Self {
        Self { stage, reason, message: message.into() }
    }
}

/// What the node answers, or why it does not.
fn service(node: &Node, health: &Health, machine: &Machine, observed: &Observed) -> Finding {
    let up = |reason, waiting: &str| {
        let said = on_console(machine).map(|said| format!(" ({said})"));
        Finding::new(Stage::Up, reason, format!("{waiting}{}", said.unwrap_or_default()))
    };
    let started = |reason, message| Finding::new(Stage::Started, reason, message);
    match (node.role, health) {
        (_, Health::Silent) => silent(machine),
        (Role::Etcd, Health::Refused) => up(Reason::WaitingForEtcd, "up, waiting for etcd"),
        (Role::Master, Health::KubeletOnly) => {
            up(Reason::WaitingForApiServer, "kubelet runs, waiting for the API server")
        }
        // A worker's gate holds its kubelet back until its HAProxy sees an API server.
        (Role::Worker, Health::Refused) if observed.registered.is_none() && !observed.api_ready => {
            up(Reason::WaitingForApiServer, "up, waiting for an API server")
        }
        (_, Health::Refused) => up(Reason::WaitingForKubelet, "up, waiting for the kubelet"),
        (Role::Etcd, Health::Unhealthy(why)) => started(Reason::EtcdUnhealthy, format!("etcd is not healthy: {why}")),
        (_, Health::Unhealthy(why)) => {
            started(Reason::ApiServerNotReady, format!("the API server is not ready: {why}"))
        }
        (Role::Etcd, Health::Healthy) => Finding::new(Stage::Ready, Reason::Ready, "etcd is healthy"),
        (_, Health::Healthy | Health::KubeletOnly) => registration(node, observed),
    }
}

/// What a node says before it answers on the network; one that was further has lost it.
const FIRST_EVENTS: [&str; 2] = ["start", "network"];

/// Why nothing is at the address: what the provider and the console say of the machine.
fn silent(machine: &Machine) -> Finding {
    let boot = machine.boot.as_ref();
    let (failure, panic) = (boot.and_then(|boot| boot.failure.as_ref()), boot.and_then(|boot| boot.panic.as_ref()));
    let console = format!("; its console: {}", machine.console);
    let (reason, message) = match (machine.domain, failure, panic) {
        (Domain::Missing, ..) => (Reason::NotCreated, format!("not created yet: there is no machine {}", machine.name)),
        (_, Some(why), _) => (Reason::BootFailed, format!("boot failed: {why}{console}")),
        (Domain::Known(DomainState::Paused), ..) => {
            (Reason::MachinePaused, "its machine is paused: `vagrant resume`".to_owned())
        }
        (Domain::Known(state @ (DomainState::Off | DomainState::Crashed)), ..) => {
            let how = if state == DomainState::Off { "is shut off" } else { "has crashed" };
            let panic = panic.map(|why| format!(" (kernel panic: {why})")).unwrap_or_default();
            let console = match boot {
                _ if machine.unrecorded => format!("; {UNRECORDED}"),
                Some(_) => console,
                None => String::new(),
            };
            (Reason::MachineOff, format!("its machine {how}{panic}: `vagrant up` starts it{console}"))
        }
        (_, _, Some(why)) => (Reason::KernelPanic, format!("kernel panic: {why}{console}")),
        (Domain::Known(DomainState::Running), ..) => {
            let event = last_event(machine);
            if let Some(event) = event.filter(|event| !FIRST_EVENTS.contains(&event.name.as_str())) {
                return Finding::new(Stage::Off, Reason::NoAnswer, format!("not on the network; {}", last_on(event)));
            }
            if machine.unrecorded {
                // Whether it starts or was further, only the console would tell.
                let message = format!("its machine runs, and is not on the network; {UNRECORDED}");
                return Finding::new(Stage::Off, Reason::NoAnswer, message);
            }
            let how =
                event.map_or_else(|| "its machine runs, and is not on the network yet".to_owned(), Event::to_string);
            (Reason::Booting, format!("starting: {how}"))
        }
        (Domain::Unknown, ..) => {
            let said = on_console(machine).map(|said| format!("; {said}"));
            (Reason::NoAnswer, format!("not on the network yet{}", said.unwrap_or_default()))
        }
    };
    Finding::new(Stage::Off, reason, message)
}

fn last_event(machine: &Machine) -> Option<&Event> {
    machine.boot.as_ref()?.event.as_ref()
}

/// What is said where hab.yaml has `console: false`: nobody is to look for what is not there.
const UNRECORDED: &str = "its console is not recorded";

/// What its console has last, or that nobody records it.
fn on_console(machine: &Machine) -> Option<String> {
    last_event(machine).map(last_on).or_else(|| machine.unrecorded.then(|| UNRECORDED.to_owned()))
}

fn last_on(event: &Event) -> String {
    format!("last on its console: {event}")
}

/// The last step of masters and workers: what the API server knows of their kubelet.
fn registration(node: &Node, observed: &Observed) -> Finding {
    let started = |reason, message: &str| Finding::new(Stage::Started, reason, message);
    let Some(registered) = &observed.registered else {
        return if observed.api_ready {
            started(Reason::WaitingForRoles, "kubelet runs, waiting for a master to apply the cluster's roles")
        } else {
            started(Reason::WaitingForApiServer, "kubelet runs, waiting for an API server")
        };
    };
    match registered.get(&node.name) {
        None => started(Reason::NotRegistered, "waiting for the kubelet to register the node"),
        Some(condition) if !condition.ready => started(Reason::NotReady, &format!("NotReady: {}", condition.why)),
        Some(condition) if !condition.labelled => {
            started(Reason::NotLabelled, "Ready, waiting for a master to label it with its role")
        }
        Some(_) => Finding::new(Stage::Ready, Reason::Ready, "Ready"),
    }
}

#[cfg(test)]
mod tests;
