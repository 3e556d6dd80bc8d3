//! How far a node's clock is from this machine's, by the header Date of an answer.

use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

/// The header's resolution (RFC 9110, 5.6.7).
const RESOLUTION: Duration = Duration::SECOND;

/// Whole seconds by which a node's clock is ahead of this machine's (behind: negative), at least; 0 while it may be
/// right. The node wrote `date` at some moment between `asked` and `answered`. `None` when it is no date.
pub(super) fn skew(date: &str, asked: OffsetDateTime, answered: OffsetDateTime) -> Option<i64> {
    let date = OffsetDateTime::parse(date, &Rfc2822).ok()?;
    let (least, most) = (date - answered, date + RESOLUTION - asked);
    Some(if least.is_positive() {
        least.whole_seconds()
    } else if most.is_negative() {
        most.whole_seconds()
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Tue, 24 Nov 2026 22:32:53 GMT";

    /// Asked and answered so many milliseconds after the date.
    fn found(asked: i64, answered: i64) -> Option<i64> {
        let date = OffsetDateTime::from_unix_timestamp(1_795_559_573).unwrap();
        skew(DATE, date + Duration::milliseconds(asked), date + Duration::milliseconds(answered))
    }

    #[test]
    fn a_clock_that_may_be_right_is() {
        assert_eq!(found(0, 10), Some(0));
        assert_eq!(found(990, 999), Some(0));
        // An answer that took 14 s says little.
        assert_eq!(found(-12_000, 2000), Some(0));
    }

    #[test]
    fn a_clock_that_is_wrong_is_so_by_at_least_that() {
        assert_eq!(found(-3_600_000, -3_599_500), Some(3599));
        assert_eq!(found(3_601_000, 3_601_020), Some(-3600));
        assert_eq!(found(-14_000, -4000), Some(4));
    }

    #[test]
    fn what_is_no_date_says_nothing() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(skew("yesterday", now, now), None);
        assert_eq!(skew("", now, now), None);
    }
}
