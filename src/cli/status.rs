//! `hab status`: one look at the cluster.

use anyhow::{Result, bail};
use serde::Serialize;

use super::{Global, print};
use crate::cluster::{Cluster, ClusterState};
use crate::lab;
use crate::pki::Expiry;

/// From so many days on, every certificate that ends is named: a month is time enough to build and boot anew.
const SOON: i64 = 30;

/// Say what is Ready, what is not and why, and how long the certificates last; code 1 when not all is Ready
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Whole<'s> {
    #[serde(flatten)]
    state: &'s ClusterState,
    certificates: &'s [Expiry],
}

impl Status {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let certificates = pki.expiry(&plan)?;
        let state = Cluster::new(&plan, &pki.client())?.probe();
        if self.json {
            print::json(&Whole { state: &state, certificates: &certificates })?;
        } else {
            print::out(text(&state, &certificates))?;
        }
        let waiting = state.nodes.iter().filter(|node| !node.is_ready()).count();
        match (state.ready, waiting) {
            (true, _) => Ok(()),
            (false, 0) => bail!("the nodes are Ready, DNS is not"),
            (false, waiting) => bail!("{waiting} of {} nodes are not Ready", state.nodes.len()),
        }
    }
}

fn text(state: &ClusterState, certificates: &[Expiry]) -> String {
    let head = ["NODE", "ROLE", "STATE"].map(str::to_owned);
    let nodes = state.nodes.iter().map(|node| [node.name.clone(), node.role.to_string(), node.says.clone()]);
    let dns = ["DNS".to_owned(), String::new(), state.dns.says.clone()];
    let rows: Vec<_> = std::iter::once(head).chain(nodes).chain([dns]).collect();
    print::table(&rows) + "\n" + &days_left(certificates)
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

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

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
