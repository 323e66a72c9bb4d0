//! Dates as in mail. Source: RFC 2822 section 3.3, Debian policy 4.4.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds since 1970 of `Sat, 11 Jul 2026 10:16:37 UTC`. Only UTC is allowed there.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| *m == month)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = words.next()?;
    let sane = (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..61).contains(&second)
        && matches!(zone, "UTC" | "GMT" | "Z" | "+0000" | "-0000");
    sane.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 in the Gregorian calendar; the year is taken to start in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse_date;

    #[test]
    fn dates() {
        for (text, want) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Sat, 11 Jul 2026 10:16:37 UTC", Some(1_783_764_997)),
            ("Tue, 29 Feb 2000 12:00:00 +0000", Some(951_825_600)),
            ("1 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sat, 11 Jul 2026 10:16:37 CET", None),
            ("Sat, 11 Jux 2026 10:16:37 UTC", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_date(text), want, "{text}");
        }
    }
}
