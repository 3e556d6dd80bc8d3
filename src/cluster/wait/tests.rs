use super::*;
use crate::cluster::{AddonState, NodeState, Part};
use crate::lab::origin::Stale;
use crate::role::Role;

fn node(name: &str, stage: Stage, reason: Reason, message: &str) -> NodeState {
    NodeState {
        name: name.to_owned(),
        role: Role::Worker,
        stage,
        reason,
        message: message.to_owned(),
        event: None,
        stale: None,
        clock_skew_seconds: None,
    }
}

/// A cluster in which all but the node `a` is ready.
fn cluster(a: NodeState) -> ClusterState {
    let b = node("b", Stage::Ready, Reason::Ready, "Ready");
    let dns = Part { ready: true, reason: Reason::Ready, message: "ready".to_owned() };
    ClusterState { ready: a.is_ready(), nodes: vec![a, b], dns, addons: Vec::new(), strangers: Vec::new() }
}

fn ready() -> ClusterState {
    cluster(node("a", Stage::Ready, Reason::Ready, "Ready"))
}

fn waiting(message: &str) -> ClusterState {
    cluster(node("a", Stage::Up, Reason::WaitingForKubelet, message))
}

fn off() -> ClusterState {
    cluster(node("a", Stage::Off, Reason::MachineOff, "its machine is shut off"))
}

fn tracker() -> Tracker {
    Tracker::new(Limits::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn minutes(minutes: u64) -> Duration {
    seconds(minutes * 60)
}

/// The reason for giving up when `states` follow each other, `step` apart, and when that was.
#[track_caller]
fn given_up(step: Duration, states: impl IntoIterator<Item = ClusterState>) -> (Duration, String) {
    let mut tracker = tracker();
    for (state, number) in states.into_iter().zip(0..) {
        match tracker.update(&state, step * number).1 {
            Verdict::GiveUp(why) => return (step * number, why),
            Verdict::Ready => panic!("it is ready"),
            Verdict::Wait => {}
        }
    }
    panic!("it still waits");
}

#[test]
fn only_changes_are_said() {
    let mut tracker = tracker();
    let (lines, verdict) = tracker.update(&waiting("up"), minutes(0));
    assert_eq!((lines.len(), verdict), (3, Verdict::Wait));
    assert_eq!(tracker.update(&waiting("up"), minutes(1)).0, Vec::<String>::new());
    let (lines, verdict) = tracker.update(&ready(), minutes(2));
    assert_eq!((lines, verdict), (vec!["a: Ready".to_owned()], Verdict::Ready));
}

/// A cluster in which all is ready but an addon.
fn addon(reason: Reason, message: &str) -> ClusterState {
    let addon = AddonState { name: "web".to_owned(), ready: false, reason, message: message.to_owned() };
    ClusterState { ready: false, addons: vec![addon], ..ready() }
}

#[test]
fn an_addon_is_waited_for_and_named() {
    let waits = || addon(Reason::AddonNotReady, "waiting for deployment web: 0 of 1 pods are available");
    let mut tracker = tracker();
    let (lines, verdict) = tracker.update(&waits(), minutes(0));
    assert!(lines.contains(&"web: waiting for deployment web: 0 of 1 pods are available".to_owned()), "{lines:?}");
    assert_eq!(verdict, Verdict::Wait);
    let (when, why) = given_up(minutes(1), std::iter::repeat_with(waits));
    assert_eq!(when, Limits::default().stall);
    assert!(why.ends_with("stuck:\n  web: waiting for deployment web: 0 of 1 pods are available"), "{why}");
    // That of masters which are older than the lab is not to be waited for, and no hindrance where their age is none.
    let older = || addon(Reason::Stale, "not applied");
    let (when, why) = given_up(minutes(1), std::iter::repeat_with(older));
    assert!(when == minutes(0) && why.contains("will not be by waiting"), "{why}");
    assert!(older().of_any_age().ready && !waits().of_any_age().ready);
}

#[test]
fn a_stall_names_who_is_stuck_and_at_what() {
    let mut tracker = tracker();
    let state = waiting("up, waiting for the kubelet");
    tracker.update(&state, minutes(2));
    assert_eq!(tracker.update(&state, minutes(16)).1, Verdict::Wait);
    let why = "the cluster is not Ready, and nothing has moved for 15 minutes; stuck:\n  \
               a: up, waiting for the kubelet";
    assert_eq!(tracker.update(&state, minutes(17)).1, Verdict::GiveUp(why.to_owned()));
}

#[test]
fn to_and_fro_is_no_progress() {
    let to_and_fro = (0..).map(|minute| {
        let reason = if minute % 2 == 0 { Reason::NotReady } else { Reason::NotRegistered };
        cluster(node("a", Stage::Started, reason, "x"))
    });
    assert_eq!(given_up(minutes(1), to_and_fro).0, minutes(16));
}

#[test]
fn a_number_that_counts_is_neither_progress_nor_said_each_time() {
    let message = |minute| format!("NotReady: PLEG was last seen active {minute}m10s ago");
    let counting = |minute| cluster(node("a", Stage::Started, Reason::NotReady, &message(minute)));
    assert_eq!(given_up(minutes(1), (0..).map(counting)).0, minutes(15));
    let mut tracker = tracker();
    assert_eq!(tracker.update(&counting(1), minutes(1)).0.len(), 3);
    assert_eq!(tracker.update(&counting(2), minutes(2)).0, Vec::<String>::new());
    let other = cluster(node("a", Stage::Started, Reason::NotReady, "NotReady: other"));
    assert_eq!(tracker.update(&other, minutes(3)).0, ["a: NotReady: other"]);
}

#[test]
fn a_new_event_on_the_console_is_progress() {
    let booting = |event: &str| {
        let message = format!("starting: {event}, 14 s after its start");
        let node = node("a", Stage::Off, Reason::Booting, &message);
        cluster(NodeState { event: Some(event.to_owned()), ..node })
    };
    let mut tracker = tracker();
    for (event, minute) in [("start", 0), ("network", 14), ("etcd", 28)] {
        let (lines, verdict) = tracker.update(&booting(event), minutes(minute));
        assert_eq!(verdict, Verdict::Wait);
        assert!(lines.iter().any(|line| line.starts_with(&format!("a: starting: {event}"))), "{lines:?}");
    }
    assert!(matches!(tracker.update(&booting("etcd"), minutes(43)).1, Verdict::GiveUp(_)));
    assert_eq!(given_up(minutes(1), (0..).map(|n| booting(&format!("try {n}")))).0, minutes(15));
}

#[test]
fn the_ceiling_holds_while_things_move() {
    let mut tracker = tracker();
    let reasons =
        [Reason::NoAnswer, Reason::WaitingForKubelet, Reason::NotRegistered, Reason::NotReady, Reason::NotLabelled];
    for (reason, number) in reasons.into_iter().zip(0..) {
        let state = cluster(node("a", Stage::Up, reason, "x"));
        assert_eq!(tracker.update(&state, minutes(12 * number)).1, Verdict::Wait, "{reason:?}");
    }
    let (_, verdict) = tracker.update(&cluster(node("a", Stage::Up, Reason::KernelPanic, "x")), minutes(60));
    assert!(matches!(verdict, Verdict::GiveUp(why) if why.contains("after 60 minutes") && why.contains("a: x")));
}

#[test]
fn a_boot_that_failed_ends_the_wait_at_once() {
    let mut state = cluster(node("a", Stage::Off, Reason::BootFailed, "boot failed: why"));
    state.nodes[1] = node("b", Stage::Up, Reason::WaitingForKubelet, "up");
    let (after, why) = given_up(seconds(3), [state]);
    assert_eq!((after, why.as_str()), (seconds(0), "the cluster can't become Ready:\n  a: boot failed: why"));
}

#[test]
fn a_machine_that_is_off_may_be_started_in_the_first_minute() {
    let (after, why) = given_up(seconds(3), std::iter::repeat_with(off));
    assert_eq!((after, why.as_str()), (seconds(60), "the cluster can't become Ready:\n  a: its machine is shut off"));
    // And, by whoever reloads it, between two looks.
    let mut tracker = tracker();
    for (state, at) in [(waiting("up"), 100), (off(), 103), (waiting("up"), 106), (off(), 109)] {
        assert_eq!(tracker.update(&state, seconds(at)).1, Verdict::Wait, "{at}");
    }
    assert!(matches!(tracker.update(&off(), seconds(112)).1, Verdict::GiveUp(_)));
}

#[test]
fn a_machine_that_is_not_created_yet_is_waited_for() {
    let missing = || cluster(node("a", Stage::Off, Reason::NotCreated, "not created yet"));
    let (after, _) = given_up(minutes(1), std::iter::repeat_with(missing));
    assert_eq!(after, minutes(15));
}

#[test]
fn a_stale_node_ends_the_wait_when_all_others_are_ready() {
    let stale = |stage, reason| {
        let node = node("a", stage, reason, "Ready, but older than its box");
        cluster(NodeState { stale: Some(Stale::Box), ..node })
    };
    let (after, why) = given_up(seconds(3), [stale(Stage::Started, Reason::Stale)]);
    let expected = "the cluster is not Ready, and will not be by waiting:\n  a: Ready, but older than its box";
    assert_eq!((after, why.as_str()), (seconds(0), expected));

    let mut others = stale(Stage::Started, Reason::Stale);
    others.nodes[1] = node("b", Stage::Up, Reason::WaitingForKubelet, "up");
    let mut dns = stale(Stage::Started, Reason::Stale);
    (dns.dns.ready, dns.dns.reason) = (false, Reason::DnsUnavailable);
    // It may still become well.
    let booting = stale(Stage::Up, Reason::WaitingForKubelet);
    for (state, number) in [others, dns, booting].iter().zip(0..) {
        assert_eq!(tracker().update(state, seconds(number)).1, Verdict::Wait, "{number}");
    }
}

#[test]
fn age_alone_can_be_made_to_be_no_reason_to_wait() {
    let stale = |reason| cluster(NodeState { stale: Some(Stale::Box), ..node("a", Stage::Started, reason, "x") });
    assert_eq!(tracker().update(&stale(Reason::Stale).of_any_age(), seconds(0)).1, Verdict::Ready);
    assert_eq!(tracker().update(&stale(Reason::NotReady).of_any_age(), seconds(0)).1, Verdict::Wait);
    let mut dns = stale(Reason::Stale);
    dns.dns.ready = false;
    assert_eq!(tracker().update(&dns.of_any_age(), seconds(0)).1, Verdict::Wait);
}
