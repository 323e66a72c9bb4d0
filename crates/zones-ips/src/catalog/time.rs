//! Times of catalogs, to the microsecond.

use std::fmt;
use std::str::FromStr;

use crate::version::{Timestamp, TimestampError};

/// A microsecond, UTC, written `20261121T123715.447749Z`; whole seconds have no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CatalogTime {
    second: Timestamp,
    microseconds: u32,
}

impl CatalogTime {
    /// This many microseconds after 1970 began; None outside the years 1 to 9999.
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        Some(Self {
            second: Timestamp::from_unix(micros.div_euclid(1_000_000))?,
            microseconds: u32::try_from(micros.rem_euclid(1_000_000)).ok()?,
        })
    }

    /// Microseconds since 1970 began.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.second.unix_seconds() * 1_000_000 + i64::from(self.microseconds)
    }

    /// The second, without fraction.
    #[must_use]
    pub fn second(self) -> Timestamp {
        self.second
    }

    /// The next microsecond: what comes later in a log must be later.
    #[must_use]
    pub fn next(self) -> Self {
        Self::from_unix_micros(self.unix_micros() + 1).unwrap_or(self)
    }
}

impl FromStr for CatalogTime {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('Z').ok_or(TimestampError)?;
        let (second, fraction) = text.split_once('.').unwrap_or((text, "000000"));
        let is_fraction = fraction.len() == 6 && fraction.bytes().all(|it| it.is_ascii_digit());
        let microseconds = fraction.parse().ok().filter(|_| is_fraction);
        Ok(Self {
            second: Timestamp::read(second.as_bytes())?,
            microseconds: microseconds.ok_or(TimestampError)?,
        })
    }
}

impl fmt::Display for CatalogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.second.write(f)?;
        match self.microseconds {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:06}Z"),
        }
    }
}
