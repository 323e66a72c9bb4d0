//! The second at which a package was published.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A second, UTC, written `20261121T123715Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_seconds: i64,
}

/// The text is no date and time that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Time must be ISO8601 format.")]
pub struct TimestampError;

/// The first and last second that four digits of a year can name.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_207_200;

impl Timestamp {
    /// The second this many after 1970 began; None outside the years 1 to 9999.
    #[must_use]
    pub fn from_unix(unix_seconds: i64) -> Option<Self> {
        let known = RANGE.contains(&unix_seconds);
        known.then_some(Self { unix_seconds })
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// The calendar's date and time, UTC.
    #[must_use]
    pub fn civil(self) -> DateTime {
        let time = jiff::Timestamp::from_second(self.unix_seconds).unwrap_or_default();
        TimeZone::UTC.to_datetime(time)
    }

    /// Reads the 15 characters before the `Z`.
    pub(crate) fn read(text: &[u8]) -> Result<Self, TimestampError> {
        if text.len() != 15 || text[8] != b'T' {
            return Err(TimestampError);
        }
        let year = digits(&text[..4]).filter(|year| *year > 0);
        let part = |at: usize| {
            let value = digits(&text[at..at + 2]).ok_or(TimestampError)?;
            i8::try_from(value).map_err(|_| TimestampError)
        };
        let civil = DateTime::new(
            year.ok_or(TimestampError)?,
            part(4)?,
            part(6)?,
            part(9)?,
            part(11)?,
            part(13)?,
            0,
        );
        let civil = civil.map_err(|_| TimestampError)?;
        let time = TimeZone::UTC.to_timestamp(civil);
        let seconds = time.map_err(|_| TimestampError)?.as_second();
        Self::from_unix(seconds).ok_or(TimestampError)
    }

    /// Prints the 15 characters before the `Z`.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self.civil();
        let (year, month, day) = (civil.year(), civil.month(), civil.day());
        let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
        write!(
            f,
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}"
        )
    }
}

fn digits(text: &[u8]) -> Option<i16> {
    text.iter().try_fold(0, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| i16::from(byte - b'0'))?;
        Some(sum * 10 + digit)
    })
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('Z').ok_or(TimestampError)?;
        Self::read(text.as_bytes())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)?;
        f.write_str("Z")
    }
}
