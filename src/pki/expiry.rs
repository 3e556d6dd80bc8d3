//! How long every certificate of a lab still lasts.

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use time::{Duration, OffsetDateTime};

use super::store::Leaves;
use super::{certificate, files, pairs};
use crate::plan::Plan;

/// The end of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// Whose it is and what for, such as `kube-master-01 apiserver`.
    pub name: String,
    /// The last moment it is valid.
    #[serde(serialize_with = "rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whole days left, rounded down: negative from the moment it is over.
    pub days: i64,
}

/// The ends of all certificates that are there, the nearest first. Makes and changes nothing.
pub(super) fn scan(leaves: &Leaves, plan: &Plan) -> Result<Vec<Expiry>> {
    let expiry =
        |name: String, not_after: OffsetDateTime| Expiry { name, not_after, days: days(not_after - leaves.now) };
    let authority = |a: &super::authority::Authority| expiry(format!("{} authority", a.ca.name()), a.not_after);
    let mut all: Vec<_> = leaves.trust.iter().map(authority).collect();
    let nodes = plan.nodes.iter().map(|node| (node.name.as_str(), leaves.node_file(&node.name)));
    for (owner, path) in std::iter::once(("host", leaves.host_file())).chain(nodes) {
        let Some(text) = files::read(&path)? else { continue };
        let reading = || format!("reading {}", path.display());
        for (name, pair) in pairs::parse(text.reveal()).with_context(reading)? {
            all.push(expiry(format!("{owner} {name}"), certificate::not_after(&pair).with_context(reading)?));
        }
    }
    all.sort_by_key(|expiry| expiry.not_after);
    Ok(all)
}

/// Whole days, rounded down; `whole_days` rounds to zero, where what ended an hour ago would have none left to lose.
const fn days(left: Duration) -> i64 {
    left.whole_seconds().div_euclid(Duration::DAY.whole_seconds())
}

/// RFC 3339 in UTC, the form Kubernetes uses for times.
fn rfc3339<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    serializer.collect_str(&format_args!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_has_less_than_no_day_left() {
        let of = |hours| days(Duration::hours(hours));
        assert_eq!([of(-25), of(-1), of(0), of(23), of(24)], [-2, -1, 0, 0, 1]);
    }
}
