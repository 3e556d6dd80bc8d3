//! `hab status`: one look at the cluster.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Serialize;

use super::{Global, print};
use crate::cluster::{Cluster, ClusterState, Left, NodeState};
use crate::lab::{self, origin::Origins};
use crate::pki::Expiry;
use crate::saves;

/// From so many days on, every certificate that ends is named: a month is time enough to build and boot anew.
const SOON: i64 = 30;

/// From so many seconds on, a clock that is wrong is named. Less does nobody harm, and one second is no more than the
/// resolution of what is compared.
const SKEW: i64 = 2;

/// Say what is Ready, what is not and why, and how long the certificates last; code 1 when not all is Ready
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Output<'s> {
    #[serde(flatten)]
    state: &'s ClusterState,
    certificates: &'s [Expiry],
    /// The saves that machines run from, each with its machines' nodes.
    saves: &'s BTreeMap<String, Vec<String>>,
    /// What the cluster still knows of nodes that the lab has no more.
    left: &'s Left,
}

impl Status {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let certificates = pki.expiry(&plan)?;
        let cluster = Cluster::new(&plan, &pki.client(), &global.lab)?;
        let state = cluster.probe();
        let left = cluster.left(&state);
        let saves = saves::running_from(&Origins::read(&global.lab, plan.provider)?, &plan);
        if self.json {
            print::json(&Output { state: &state, certificates: &certificates, saves: &saves, left: &left })?;
        } else {
            print::out(text(&state, &certificates) + &running_from(&saves, plan.nodes.len()) + &left_behind(&left))?;
        }
        let waiting = state.nodes.iter().filter(|node| !node.is_ready()).count();
        match (state.ready, waiting) {
            (true, _) => Ok(()),
            (false, 0) if !state.dns.ready => bail!("the nodes are Ready, DNS is not"),
            (false, 0) => bail!("the nodes and DNS are Ready, not all addons are"),
            (false, waiting) => bail!("{waiting} of {} nodes are not Ready", state.nodes.len()),
        }
    }
}

fn text(state: &ClusterState, certificates: &[Expiry]) -> String {
    let head = ["NODE", "ROLE", "STATE"].map(str::to_owned);
    let nodes = state.nodes.iter().map(|node| [node.name.clone(), node.role.to_string(), node.message.clone()]);
    let dns = ["DNS".to_owned(), String::new(), state.dns.message.clone()];
    let addons = state.addons.iter().map(|addon| [addon.name.clone(), "addon".to_owned(), addon.message.clone()]);
    let rows: Vec<_> = std::iter::once(head).chain(nodes).chain([dns]).chain(addons).collect();
    print::table(&rows) + "\n" + &clocks(state) + &days_left(certificates)
}

/// Whose clock is wrong. Certificates and tokens have a beginning and an end; a machine takes its clock from the host when
/// it starts, and a host that was suspended leaves it behind.
fn clocks(state: &ClusterState) -> String {
    let line = |node: &NodeState| {
        let skew = node.clock_skew_seconds.filter(|skew| skew.abs() > SKEW)?;
        let way = if skew < 0 { "behind" } else { "ahead of" };
        let name = &node.name;
        Some(format!("{name}'s clock is {} s {way} this machine's: `vagrant reload {name}` sets it\n", skew.abs()))
    };
    state.nodes.iter().filter_map(line).collect()
}

/// The nearest end, or all that are near.
fn days_left(certificates: &[Expiry]) -> String {
    let line = |expiry: &Expiry| match expiry.days {
        days if days < 0 => format!("{} has ended on {}", expiry.name, expiry.not_after.date()),
        days => format!("{} ends in {days} days, on {}", expiry.name, expiry.not_after.date()),
    };
    let soon: String = certificates.iter().filter(|e| e.days < SOON).map(|e| line(e) + "\n").collect();
    match certificates.first() {
        Some(first) if soon.is_empty() => format!("certificates: the first, {}\n", line(first)),
        _ => soon,
    }
}

/// Which machines have not booted, but run from a save.
fn running_from(saves: &BTreeMap<String, Vec<String>>, nodes: usize) -> String {
    let line = |(name, from): (&String, &Vec<String>)| match from.len() {
        all if all == nodes => format!("the lab runs from the save `{name}`\n"),
        1 => format!("{} runs from the save `{name}`\n", from[0]),
        _ => format!("{} run from the save `{name}`\n", from.join(", ")),
    };
    saves.iter().map(line).collect()
}

/// Who was destroyed without having left.
fn left_behind(left: &Left) -> String {
    let nodes = left.nodes.iter().map(|name| (name, "Kubernetes"));
    let members = left.members.iter().map(|member| (&member.name, "etcd"));
    let line = |(name, whose): (&String, &str)| {
        format!("{whose} still knows {name}, which the lab has no more: `hab leave {name}`\n")
    };
    nodes.chain(members).map(line).collect()
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::cluster::{Part, Reason, Stage};
    use crate::role::Role;

    #[test]
    fn a_clock_that_is_wrong_is_said() {
        let node = |(name, skew): (&str, Option<i64>)| NodeState {
            name: name.to_owned(),
            role: Role::Master,
            stage: Stage::Ready,
            reason: Reason::Ready,
            message: "Ready".to_owned(),
            event: None,
            stale: None,
            clock_skew_seconds: skew,
        };
        let dns = Part { ready: true, reason: Reason::Ready, message: "ready".to_owned() };
        let nodes = [("a", None), ("b", Some(2)), ("c", Some(-2)), ("d", Some(3)), ("e", Some(-3600))].map(node);
        let text = text(
            &ClusterState { ready: true, nodes: nodes.into(), dns, addons: Vec::new(), strangers: Vec::new() },
            &[],
        );
        let expected = "DNS           ready\n\nd's clock is 3 s ahead of this machine's: `vagrant reload d` sets it\n\
                        e's clock is 3600 s behind this machine's: `vagrant reload e` sets it\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_lab_that_runs_from_a_save_is_said() {
        let saves =
            |from: &[&str]| BTreeMap::from([("ready".to_owned(), from.iter().map(|&n| n.to_owned()).collect())]);
        assert_eq!(running_from(&BTreeMap::new(), 3), "");
        assert_eq!(running_from(&saves(&["a", "b", "c"]), 3), "the lab runs from the save `ready`\n");
        assert_eq!(running_from(&saves(&["a", "b"]), 3), "a, b run from the save `ready`\n");
        assert_eq!(running_from(&saves(&["a"]), 3), "a runs from the save `ready`\n");
    }

    fn expiry(name: &str, days: i64) -> Expiry {
        Expiry { name: name.to_owned(), days, not_after: OffsetDateTime::UNIX_EPOCH + time::Duration::days(days) }
    }

    #[test]
    fn the_nearest_end_is_said_or_all_that_are_near() {
        assert_eq!(days_left(&[]), "");
        let far = [expiry("host admin", 300), expiry("etcd-01 peer", 400)];
        assert_eq!(days_left(&far), "certificates: the first, host admin ends in 300 days, on 1970-10-28\n");
        let near = [expiry("a", -1), expiry("b", 29), expiry("c", 30)];
        assert_eq!(days_left(&near), "a has ended on 1969-12-31\nb ends in 29 days, on 1970-01-30\n");
    }
}
