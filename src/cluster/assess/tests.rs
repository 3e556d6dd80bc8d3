use super::*;
use crate::cluster::console::Boot;

fn plan() -> Plan {
    let text = b"{lab: demo, nodes: {master: {prefix: master}, worker: {count: 1, prefix: worker}}}";
    Plan::new(crate::config::read("hab.yaml", text, &|_| Ok(())).config().unwrap()).unwrap()
}

fn machines() -> Vec<Machine> {
    let machine = |node: &Node| Machine {
        name: format!("hab-demo-{}", node.name),
        console: format!("out/console/{}.log", node.name),
        ..Machine::default()
    };
    plan().nodes.iter().map(machine).collect()
}

fn observed(health: [Health; 3], registered: Option<&[(&str, bool)]>, dns: Option<Dns>) -> Observed {
    let why = "KubeletNotReady: cni plugin not initialized";
    let condition = |ready| Condition { ready, why: why.to_owned(), labelled: true };
    let registered = registered.map(|all| all.iter().map(|(n, r)| ((*n).to_owned(), condition(*r))).collect());
    let api_ready = health[1] == Health::Healthy;
    Observed { replies: health.map(Reply::from).into(), machines: machines(), registered, api_ready, dns, addons: None }
}

fn state(health: [Health; 3], registered: Option<&[(&str, bool)]>, dns: Option<Dns>) -> ClusterState {
    assess(&plan(), &[], &observed(health, registered, dns))
}

/// A cluster in which all is well.
fn good() -> Observed {
    let all: &[_] = &[("master-01", true), ("worker-01", true)];
    observed(
        [Health::Healthy, Health::Healthy, Health::KubeletOnly],
        Some(all),
        Some(Dns::Available { ready: 1, wanted: 1 }),
    )
}

fn messages(state: &ClusterState) -> Vec<&str> {
    state.nodes.iter().map(|node| node.message.as_str()).chain([state.dns.message.as_str()]).collect()
}

#[test]
fn a_boot_in_words() {
    use Health::{Healthy, KubeletOnly, Refused, Silent, Unhealthy};
    let dark = state([Silent, Silent, Silent], None, None);
    assert_eq!(messages(&dark)[..3], ["not on the network yet"; 3]);
    let up = state([Refused, Refused, Refused], None, None);
    assert_eq!(
        messages(&up),
        [
            "up, waiting for etcd",
            "up, waiting for the kubelet",
            "up, waiting for an API server",
            "waiting for an API server"
        ]
    );
    let etcd = state([Healthy, KubeletOnly, Refused], None, None);
    assert_eq!(messages(&etcd)[..2], ["etcd is healthy", "kubelet runs, waiting for the API server"]);
    let api = state([Healthy, Unhealthy("etcd".to_owned()), KubeletOnly], Some(&[]), Some(Dns::Missing));
    assert_eq!(
        messages(&api)[1..],
        ["the API server is not ready: etcd", "waiting for the kubelet to register the node", "not applied yet"]
    );
    let nodes = [("master", true), ("worker-01", false)];
    let nodes = state([Healthy, Healthy, KubeletOnly], Some(&nodes), Some(Dns::Unavailable));
    assert_eq!(messages(&nodes)[1], "waiting for the kubelet to register the node");
    assert_eq!(messages(&nodes)[2], "NotReady: KubeletNotReady: cni plugin not initialized");
}

#[test]
fn ready_is_when_everything_is() {
    use Health::{Healthy, KubeletOnly, Refused, Silent};
    let all: &[_] = &[("master-01", true), ("worker-01", true)];
    let ready = |health, dns| state(health, Some(all), Some(dns)).ready;
    let dns = || Dns::Available { ready: 1, wanted: 1 };
    assert!(ready([Healthy, Healthy, KubeletOnly], dns()));
    assert!(!ready([Healthy, Healthy, KubeletOnly], Dns::Unavailable));
    assert!(!ready([Healthy, Healthy, KubeletOnly], Dns::Available { ready: 0, wanted: 1 }));
    assert!(!ready([Refused, Healthy, KubeletOnly], dns()));
    // For 40 s after a halt the API server still believes a node to be Ready; its own silence counts.
    assert!(!ready([Healthy, Healthy, Silent], dns()));
    assert!(!ready([Healthy, Healthy, Refused], dns()));
}

#[test]
fn one_dns_pod_of_two_is_ready_and_said() {
    let dns = |ready, wanted| assess_dns(Some(&Dns::Available { ready, wanted }));
    assert_eq!((dns(1, 2).ready, dns(1, 2).message.as_str()), (true, "ready, 1 of 2 pods"));
    assert_eq!((dns(2, 2).ready, dns(2, 2).message.as_str()), (true, "ready"));
    // The old pod of a deployment that is being replaced.
    assert_eq!(dns(2, 1).message, "ready");
    assert_eq!((dns(0, 2).ready, dns(0, 2).reason), (false, Reason::DnsSilent));
}

#[test]
fn a_node_without_its_role_is_not_done() {
    let mut observed = good();
    let master = Condition { ready: true, why: String::new(), labelled: false };
    observed.registered = Some(HashMap::from([("master-01".to_owned(), master)]));
    let state = assess(&plan(), &[], &observed);
    assert_eq!(messages(&state)[1], "Ready, waiting for a master to label it with its role");
    assert!(!state.nodes[1].is_ready());
}

#[test]
fn a_machine_older_than_its_lab_is_never_ready() {
    let mut observed = good();
    assert!(assess(&plan(), &[], &observed).ready);
    observed.machines[2].stale = Some(Stale::Ignition);
    let state = assess(&plan(), &[], &observed);
    assert!(!state.ready && !state.nodes[2].is_ready());
    assert_eq!(state.nodes[2].reason, Reason::Stale);
    assert_eq!(messages(&state)[2], "Ready, but older than its Ignition config: `hab roll worker-01` makes it anew");
    observed.replies[2] = Health::Refused.into();
    let state = assess(&plan(), &[], &observed);
    assert_eq!(state.nodes[2].reason, Reason::WaitingForKubelet);
    assert!(messages(&state)[2].starts_with("up, waiting for the kubelet; it is also older than"), "{state:?}");
}

/// A silent node whose machine is `domain` and whose console has `boot`.
fn silent_node(domain: Domain, boot: Option<Boot>) -> NodeState {
    let mut observed = good();
    observed.replies[0] = Health::Silent.into();
    observed.machines[0] = Machine { domain, boot, ..machines().swap_remove(0) };
    assess(&plan(), &[], &observed).nodes.swap_remove(0)
}

fn booted(change: impl FnOnce(&mut Boot)) -> Boot {
    let mut boot = Boot { event: Some(Event { name: "network".to_owned(), uptime: 14.3 }), ..Boot::default() };
    change(&mut boot);
    boot
}

#[test]
fn a_silent_node_is_explained_by_its_machine() {
    let running = Domain::Known(DomainState::Running);
    let off = Domain::Known(DomainState::Off);
    let failed = |boot: &mut Boot| boot.failure = Some("no partition is named hab-usr".to_owned());
    let panicked = |boot: &mut Boot| boot.panic = Some("Out of memory".to_owned());
    let console = "; its console: out/console/etcd-01.log";
    for (domain, boot, reason, message) in [
        (Domain::Missing, None, Reason::NotCreated, "not created yet: there is no machine hab-demo-etcd-01".to_owned()),
        (running, Some(booted(|_| {})), Reason::Booting, "starting: network, 14 s after its start".to_owned()),
        (running, None, Reason::Booting, "starting: its machine runs, and is not on the network yet".to_owned()),
        (off, Some(booted(failed)), Reason::BootFailed, format!("boot failed: no partition is named hab-usr{console}")),
        (
            running,
            Some(booted(failed)),
            Reason::BootFailed,
            format!("boot failed: no partition is named hab-usr{console}"),
        ),
        (running, Some(booted(panicked)), Reason::KernelPanic, format!("kernel panic: Out of memory{console}")),
        (off, None, Reason::MachineOff, "its machine is shut off: `vagrant up` starts it".to_owned()),
        (
            off,
            Some(booted(|_| {})),
            Reason::MachineOff,
            format!("its machine is shut off: `vagrant up` starts it{console}"),
        ),
        (
            Domain::Known(DomainState::Crashed),
            Some(booted(panicked)),
            Reason::MachineOff,
            format!("its machine has crashed (kernel panic: Out of memory): `vagrant up` starts it{console}"),
        ),
        (
            Domain::Known(DomainState::Paused),
            Some(booted(|_| {})),
            Reason::MachinePaused,
            "its machine is paused: `vagrant resume`".to_owned(),
        ),
        (
            Domain::Unknown,
            Some(booted(|_| {})),
            Reason::NoAnswer,
            "not on the network yet; last on its console: network, 14 s after its start".to_owned(),
        ),
        (Domain::Unknown, Some(booted(panicked)), Reason::KernelPanic, format!("kernel panic: Out of memory{console}")),
    ] {
        let node = silent_node(domain, boot);
        assert_eq!((node.stage, node.reason, node.message), (Stage::Off, reason, message), "{domain:?}");
    }
}

#[test]
fn a_silent_node_whose_console_is_not_recorded_says_that() {
    for (domain, reason, message) in [
        (Domain::Known(DomainState::Running), Reason::NoAnswer, "its machine runs, and is not on the network"),
        (Domain::Known(DomainState::Off), Reason::MachineOff, "its machine is shut off: `vagrant up` starts it"),
        (Domain::Unknown, Reason::NoAnswer, "not on the network yet"),
    ] {
        let mut observed = good();
        observed.replies[0] = Health::Silent.into();
        observed.machines[0] = Machine { domain, unrecorded: true, ..machines().swap_remove(0) };
        let node = assess(&plan(), &[], &observed).nodes.swap_remove(0);
        let message = format!("{message}; its console is not recorded");
        assert_eq!((node.reason, node.message), (reason, message), "{domain:?}");
        observed.replies[0] = Health::Refused.into();
        assert_eq!(messages(&assess(&plan(), &[], &observed))[0], "up, waiting for etcd (its console is not recorded)");
    }
}

#[test]
fn a_node_that_waits_shows_its_last_event() {
    let mut observed = observed([Health::Refused, Health::Refused, Health::Refused], None, None);
    observed.machines[0].boot = Some(booted(|_| {}));
    let state = assess(&plan(), &[], &observed);
    assert_eq!(messages(&state)[0], "up, waiting for etcd (last on its console: network, 14 s after its start)");
    assert_eq!(state.nodes[0].event.as_deref(), Some("network"));
    assert_eq!(messages(&state)[1], "up, waiting for the kubelet");
}

#[test]
fn json_has_fixed_words_beside_the_message() {
    let mut observed = good();
    observed.replies[1].clock_skew = Some(-3600);
    observed.replies[2] = Health::Silent.into();
    observed.machines[2].stale = Some(Stale::BoxAndIgnition);
    let json = serde_json::to_value(assess(&plan(), &[], &observed)).unwrap();
    assert_eq!(json["ready"], false);
    assert_eq!(json["nodes"][0]["stage"], "ready");
    assert_eq!(json["nodes"][0]["reason"], "ready");
    assert_eq!(json["nodes"][0]["stale"], serde_json::Value::Null);
    assert_eq!(json["nodes"][1]["clock_skew_seconds"], -3600);
    assert_eq!(json["nodes"][2]["stage"], "off");
    assert_eq!(json["nodes"][2]["reason"], "no-answer");
    assert_eq!(json["nodes"][2]["stale"], "box-and-ignition");
    assert_eq!(json["dns"]["reason"], "ready");
}

#[test]
fn an_api_server_that_lets_nobody_see_nodes_yet_is_no_missing_one() {
    let state = state([Health::Healthy, Health::Healthy, Health::Refused], None, None);
    assert_eq!(
        messages(&state)[1..3],
        ["kubelet runs, waiting for a master to apply the cluster's roles", "up, waiting for the kubelet"]
    );
    assert_eq!(state.nodes[1].reason, Reason::WaitingForRoles);
}

#[test]
fn a_machine_that_was_further_has_lost_the_network() {
    let mut seen = good();
    seen.replies[2].health = Health::Silent;
    seen.machines[2].domain = Domain::Known(DomainState::Running);
    let event = |name: &str| Some(Event { name: name.to_owned(), uptime: 40.0 });
    seen.machines[2].boot = Some(Boot { event: event("network"), ..Boot::default() });
    assert_eq!(messages(&assess(&plan(), &[], &seen))[2], "starting: network, 40 s after its start");
    seen.machines[2].boot = Some(Boot { event: event("kubelet"), ..Boot::default() });
    let state = assess(&plan(), &[], &seen);
    assert_eq!(messages(&state)[2], "not on the network; last on its console: kubelet, 40 s after its start");
    assert_eq!(state.nodes[2].reason, Reason::NoAnswer);
}

#[test]
fn a_lab_without_a_network_is_ready_for_one() {
    use Health::{Healthy, KubeletOnly};
    let mut plan = plan();
    plan.kubernetes.cni = Cni::None;
    let mut observed = observed(
        [Healthy, Healthy, KubeletOnly],
        Some(&[("master-01", false), ("worker-01", false)]),
        Some(Dns::Unavailable),
    );
    // Not ready for any other reason is not ready.
    assert!(!assess(&plan, &[], &observed).ready);
    let why = "KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady";
    for condition in observed.registered.as_mut().unwrap().values_mut() {
        why.clone_into(&mut condition.why);
    }
    let state = assess(&plan, &[], &observed);
    let waits = "registered; waits for a pod network";
    assert_eq!(messages(&state)[1..], [waits, waits, "waits for a pod network"]);
    assert!(state.ready && !assess(&super::tests::plan(), &[], &observed).ready);
    // Once there is one, DNS is waited for.
    observed.registered.as_mut().unwrap().values_mut().for_each(|condition| condition.ready = true);
    assert!(!assess(&plan, &[], &observed).ready);
}

#[test]
fn a_node_made_anew_waits_for_the_network_that_somebody_brought() {
    use Health::{Healthy, KubeletOnly};
    let mut plan = plan();
    plan.kubernetes.cni = Cni::None;
    for dns in [Dns::Unavailable, Dns::Available { ready: 1, wanted: 1 }] {
        let is_unavailable = matches!(dns, Dns::Unavailable);
        let registered: &[_] = &[("master-01", true), ("worker-01", false)];
        let mut observed = observed([Healthy, Healthy, KubeletOnly], Some(registered), Some(dns));
        let why =
            "KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady";
        why.clone_into(&mut observed.registered.as_mut().unwrap().get_mut("worker-01").unwrap().why);
        let state = assess(&plan, &[], &observed);
        assert!(!state.ready && !state.nodes[2].is_ready() && !state.nodes[2].does_its_work());
        assert_eq!(state.nodes[2].reason, Reason::NotReady);
        // A roll asks for DNS by itself, too.
        assert_eq!(state.dns.ready, !is_unavailable);
    }
}
