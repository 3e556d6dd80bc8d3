//! The time, handed in: `SOURCE_DATE_EPOCH` when the user pins it, else the machine's clock.
//!
//! Rooms that need a time take a [`Clock`], so tests and reproducible builds can fix it.

use anyhow::{Context, Result, bail};
use time::OffsetDateTime;

/// A source of the current time that never changes during one run.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: OffsetDateTime,
}

impl Clock {
    /// Reads `SOURCE_DATE_EPOCH` (seconds since 1970, <https://reproducible-builds.org/specs/source-date-epoch/>)
    /// or, when it is not set, the machine's clock.
    ///
    /// # Errors
    /// The variable is set and is not a whole number of seconds that a date can be made of.
    pub fn from_env() -> Result<Self> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => {
                let seconds: i64 = text
                    .trim()
                    .parse()
                    .with_context(|| format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds"))?;
                Self::at(seconds)
            }
            Err(std::env::VarError::NotPresent) => Ok(Self { now: OffsetDateTime::now_utc() }),
            Err(std::env::VarError::NotUnicode(_)) => bail!("SOURCE_DATE_EPOCH is not text"),
        }
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
