//! What the user should know about certificates, in a line or two however many nodes it concerns.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::certificate::Reason;
use super::profiles::Ca;

/// How long before an authority's end hab begins to say so: nothing renews an authority, the lab has to be made anew,
/// and that wants planning.
pub(super) const CA_SOON: Duration = Duration::days(365);

/// Counts what was issued anew.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<Reason, Issued>);

#[derive(Debug)]
struct Issued {
    leaves: usize,
    owners: usize,
    first: String,
    last: String,
}

impl Notes {
    /// A leaf of `owner` was issued anew; the leaves of one owner come together.
    pub fn issued(&mut self, reason: Reason, owner: &str) {
        let issued = self.0.entry(reason).or_insert_with(|| Issued {
            leaves: 0,
            owners: 1,
            first: owner.to_owned(),
            last: owner.to_owned(),
        });
        issued.leaves += 1;
        if issued.last != owner {
            issued.owners += 1;
            owner.clone_into(&mut issued.last);
        }
    }

    /// A line for each reason.
    pub fn lines(&self) -> Vec<String> {
        let line = |(reason, issued): (&Reason, &Issued)| {
            let Issued { leaves, owners, first, .. } = issued;
            let leaves = if *leaves == 1 { "1 certificate".to_owned() } else { format!("{leaves} certificates") };
            let others = match owners - 1 {
                0 => String::new(),
                1 => " and 1 other node".to_owned(),
                n => format!(" and {n} other nodes"),
            };
            let why = match reason {
                Reason::Missing => "it was not in the file",
                Reason::Plan => "hab.yaml, or a newer hab, gives other names, groups or addresses",
                Reason::Expiring => "less than 30 days were left",
            };
            format!("issued {leaves} of {first}{others} anew: {why}; nodes take it at their next first boot")
        };
        self.0.iter().map(line).collect()
    }
}

/// Says that an authority is in its last year.
pub(super) fn ending(ca: Ca, not_after: OffsetDateTime) -> String {
    format!(
        "the lab's {} authority ends on {}; before that, destroy the lab and make it anew with a new private folder",
        ca.name(),
        not_after.date()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_are_one_line() {
        let mut notes = Notes::default();
        for owner in ["a", "a", "b", "c"] {
            notes.issued(Reason::Plan, owner);
        }
        notes.issued(Reason::Expiring, "x");
        assert_eq!(
            notes.lines(),
            [
                "issued 4 certificates of a and 2 other nodes anew: hab.yaml, or a newer hab, gives other names, groups or addresses; \
                 nodes take it at their next first boot",
                "issued 1 certificate of x anew: less than 30 days were left; nodes take it at their next first boot",
            ]
        );
    }
}
