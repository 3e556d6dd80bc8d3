//! Waiting with eyes open: what changed is said, and who does not change is named.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::status::ClusterState;

/// How patient a wait is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between two looks.
    pub poll: Duration,
    /// Without anything new for so long, the wait is given up.
    pub stall: Duration,
    /// After so long it is given up in any case.
    pub ceiling: Duration,
}

impl Default for Limits {
    /// Without hardware virtualisation the laboratory's largest cluster (3+2+1) was up after 14 minutes, and a noisy
    /// hour takes two and a half times as long: 35 minutes, so an hour is generous. Its API servers were ready after
    /// less than 10 minutes, with etcd's answers in between: 15 minutes of silence are no slowness any more.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(3),
            stall: Duration::from_secs(15 * 60),
            ceiling: Duration::from_secs(60 * 60),
        }
    }
}

/// What a look led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is ready.
    Ready,
    /// Look again.
    Wait,
    /// Waiting any longer makes no sense; says why.
    GiveUp(String),
}

/// Remembers what was seen.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    last: BTreeMap<String, String>,
    known: BTreeSet<(String, String)>,
    progress: Duration,
}

impl Watch {
    pub fn new(limits: Limits) -> Self {
        Self { limits, last: BTreeMap::new(), known: BTreeSet::new(), progress: Duration::ZERO }
    }

    /// Takes a look's result, `elapsed` after the beginning; the lines say what is different from the last look.
    ///
    /// Only what was never seen before counts as progress: a node that goes to and fro between two troubles is stuck.
    pub fn look(&mut self, state: &ClusterState, elapsed: Duration) -> (Vec<String>, Verdict) {
        let mut lines = Vec::new();
        for (name, says, _) in things(state) {
            if self.last.get(name).is_some_and(|last| last == says) {
                continue;
            }
            self.last.insert(name.to_owned(), says.to_owned());
            lines.push(format!("{name}: {says}"));
            if self.known.insert((name.to_owned(), says.to_owned())) {
                self.progress = elapsed;
            }
        }
        (lines, self.verdict(state, elapsed))
    }

    fn verdict(&self, state: &ClusterState, elapsed: Duration) -> Verdict {
        let span = |time: Duration| match time.as_secs() {
            seconds @ ..120 => format!("{seconds} seconds"),
            seconds => format!("{} minutes", seconds / 60),
        };
        let still = elapsed.saturating_sub(self.progress);
        let why = if state.ready {
            return Verdict::Ready;
        } else if elapsed >= self.limits.ceiling {
            format!("the cluster is not Ready after {}", span(elapsed))
        } else if still >= self.limits.stall {
            format!("the cluster is not Ready, and nothing has moved for {}", span(still))
        } else {
            return Verdict::Wait;
        };
        let stuck = things(state).filter(|(_, _, ready)| !ready).map(|(name, says, _)| format!("\n  {name}: {says}"));
        Verdict::GiveUp(format!("{why}; stuck:{}", stuck.collect::<String>()))
    }
}

/// Every node and DNS: name, words, whether it is ready.
fn things(state: &ClusterState) -> impl Iterator<Item = (&str, &str, bool)> {
    let nodes = state.nodes.iter().map(|node| (node.name.as_str(), node.says.as_str(), node.is_ready()));
    nodes.chain(std::iter::once(("dns", state.dns.says.as_str(), state.dns.ready)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{NodeState, Part, Stage};
    use crate::role::Role;

    fn state(says: &str, ready: bool) -> ClusterState {
        let stage = if ready { Stage::Ready } else { Stage::Up };
        let node = |name: &str, stage, says: &str| NodeState {
            name: name.to_owned(),
            role: Role::Worker,
            stage,
            says: says.to_owned(),
        };
        ClusterState {
            ready,
            nodes: vec![node("a", stage, says), node("b", Stage::Ready, "Ready")],
            dns: Part { ready: true, says: "ready".to_owned() },
        }
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn only_changes_are_said() {
        let mut watch = Watch::new(Limits::default());
        let (lines, verdict) = watch.look(&state("up", false), minutes(0));
        assert_eq!((lines.len(), verdict), (3, Verdict::Wait));
        assert_eq!(watch.look(&state("up", false), minutes(1)).0, Vec::<String>::new());
        let (lines, verdict) = watch.look(&state("Ready", true), minutes(2));
        assert_eq!((lines, verdict), (vec!["a: Ready".to_owned()], Verdict::Ready));
    }

    #[test]
    fn a_stall_names_who_is_stuck_and_at_what() {
        let mut watch = Watch::new(Limits::default());
        watch.look(&state("up, waiting for the kubelet", false), minutes(2));
        assert_eq!(watch.look(&state("up, waiting for the kubelet", false), minutes(16)).1, Verdict::Wait);
        let (_, verdict) = watch.look(&state("up, waiting for the kubelet", false), minutes(17));
        let why = "the cluster is not Ready, and nothing has moved for 15 minutes; stuck:\n  \
                   a: up, waiting for the kubelet";
        assert_eq!(verdict, Verdict::GiveUp(why.to_owned()));
    }

    #[test]
    fn to_and_fro_is_no_progress() {
        let mut watch = Watch::new(Limits::default());
        let mut looks = (0..).map(|minute| {
            let says = if minute % 2 == 0 { "one" } else { "other" };
            (minute, watch.look(&state(says, false), minutes(minute)).1)
        });
        let (minute, _) = looks.find(|(_, verdict)| *verdict != Verdict::Wait).unwrap();
        assert_eq!(minute, 16);
    }

    #[test]
    fn the_ceiling_holds_while_things_move() {
        let mut watch = Watch::new(Limits::default());
        for minute in 0..60 {
            assert_eq!(watch.look(&state(&minute.to_string(), false), minutes(minute)).1, Verdict::Wait);
        }
        let (_, verdict) = watch.look(&state("60", false), minutes(60));
        assert!(matches!(verdict, Verdict::GiveUp(why) if why.contains("after 60 minutes") && why.contains("a: 60")));
    }
}
