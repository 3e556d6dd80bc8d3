//! The time, handed in: modules that need one take a [`Clock`], so tests can fix it.

use anyhow::{Context, Result};
use time::OffsetDateTime;

/// A source of the current time that never changes during one run.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: OffsetDateTime,
}

impl Clock {
    /// The machine's clock. `SOURCE_DATE_EPOCH` has no say: what is dated are certificates, and one dated years back
    /// would have ended before its node boots.
    #[must_use]
    pub fn system() -> Self {
        Self { now: OffsetDateTime::now_utc() }
    }

    /// A clock that stands at `seconds` since 1970.
    ///
    /// # Errors
    /// No date has that many seconds.
    pub fn at(seconds: i64) -> Result<Self> {
        let now = OffsetDateTime::from_unix_timestamp(seconds)
            .with_context(|| format!("{seconds} seconds since 1970 is not a date"))?;
        Ok(Self { now })
    }

    /// The moment this run works with, in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_still() {
        let clock = Clock::at(1_700_000_000).unwrap();
        assert_eq!(clock.now().unix_timestamp(), 1_700_000_000);
    }

    #[test]
    fn a_date_outside_the_calendar_is_refused() {
        assert!(Clock::at(i64::MAX).is_err());
    }
}
