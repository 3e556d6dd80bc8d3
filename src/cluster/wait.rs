//! Decides after every look whether to go on waiting, and prints what changed. Names the nodes that are stuck.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::status::{ClusterState, Reason, Stage};

/// How patient a wait is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between two looks.
    pub poll: Duration,
    /// A machine that is off may be about to be started for so long: `hab wait` may have begun before `vagrant up`.
    pub off: Duration,
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
            off: Duration::from_secs(60),
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

/// What one node, DNS or an addon was at a look.
#[derive(Debug)]
struct Item<'s> {
    name: &'s str,
    message: &'s str,
    ready: bool,
    kind: Kind,
}

/// What counts as progress when it was never seen before: nothing that a node words freely, for a number that counts in
/// such words would keep a stuck wait alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    stage: Option<Stage>,
    reason: Reason,
    event: Option<String>,
}

/// Remembers what was seen.
#[derive(Debug)]
pub(super) struct Tracker {
    limits: Limits,
    /// What was last printed of each, without its numbers.
    printed: BTreeMap<String, (Kind, String)>,
    known: BTreeSet<(String, Kind)>,
    /// Whose machines were off at this look, and already at the one before.
    off: BTreeMap<String, bool>,
    progress: Duration,
}

impl Tracker {
    pub fn new(limits: Limits) -> Self {
        let (printed, known, off) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { limits, printed, known, off, progress: Duration::ZERO }
    }

    /// Takes a look's result, `elapsed` after the beginning; the lines say what is different from the last look.
    ///
    /// Only what was never seen before counts as progress: a node that goes to and fro between two troubles is stuck.
    pub fn update(&mut self, state: &ClusterState, elapsed: Duration) -> (Vec<String>, Verdict) {
        let mut lines = Vec::new();
        for item in items(state) {
            let now = (item.kind, without_numbers(item.message));
            if self.printed.get(item.name) != Some(&now) {
                lines.push(format!("{}: {}", item.name, item.message));
            }
            if self.known.insert((item.name.to_owned(), now.0.clone())) {
                self.progress = elapsed;
            }
            self.printed.insert(item.name.to_owned(), now);
        }
        let off = state.nodes.iter().filter(|n| matches!(n.reason, Reason::MachineOff | Reason::MachinePaused));
        self.off = off.map(|node| (node.name.clone(), self.off.contains_key(&node.name))).collect();
        (lines, self.verdict(state, elapsed))
    }

    fn verdict(&self, state: &ClusterState, elapsed: Duration) -> Verdict {
        let still = elapsed.saturating_sub(self.progress);
        let all: fn(&Item) -> bool = |item| !item.ready;
        if state.ready {
            Verdict::Ready
        } else if items(state).any(|item| self.is_lost(&item, elapsed)) {
            give_up("the cluster can't become Ready", state, |item| self.is_lost(item, elapsed))
        } else if items(state).all(|item| item.ready || item.kind.reason == Reason::Stale) {
            give_up("the cluster is not Ready, and will not be by waiting", state, all)
        } else if elapsed >= self.limits.ceiling {
            give_up(&format!("the cluster is not Ready after {}; stuck", span(elapsed)), state, all)
        } else if still >= self.limits.stall {
            let why = format!("the cluster is not Ready, and nothing has moved for {}; stuck", span(still));
            give_up(&why, state, all)
        } else {
            Verdict::Wait
        }
    }

    /// True when it can't become Ready by itself. A boot that failed would fail again; a machine that is off may be
    /// about to start, or on its way through a reload.
    fn is_lost(&self, item: &Item<'_>, elapsed: Duration) -> bool {
        let off = elapsed >= self.limits.off && self.off.get(item.name).is_some_and(|before| *before);
        item.kind.reason == Reason::BootFailed || off
    }
}

fn give_up(why: &str, state: &ClusterState, which: impl Fn(&Item<'_>) -> bool) -> Verdict {
    let lines = items(state).filter(which).map(|item| format!("\n  {}: {}", item.name, item.message));
    Verdict::GiveUp(format!("{why}:{}", lines.collect::<String>()))
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

fn without_numbers(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_digit(), "")
}

/// Every node, DNS, unless it is not waited for (then there is nothing to say of it), and every addon.
fn items(state: &ClusterState) -> impl Iterator<Item = Item<'_>> {
    let nodes = state.nodes.iter().map(|node| Item {
        name: &node.name,
        message: &node.message,
        ready: node.is_ready(),
        kind: Kind { stage: Some(node.stage), reason: node.reason, event: node.event.as_deref().map(without_numbers) },
    });
    let part =
        |name, ready, reason, message| Item { name, message, ready, kind: Kind { stage: None, reason, event: None } };
    let dns = &state.dns;
    let dns = (!dns.message.is_empty()).then(|| part("dns", dns.ready, dns.reason, dns.message.as_str()));
    let addons = state.addons.iter().map(move |addon| part(&addon.name, addon.ready, addon.reason, &addon.message));
    nodes.chain(dns).chain(addons)
}

#[cfg(test)]
mod tests;
