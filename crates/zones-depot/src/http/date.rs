//! Times as HTTP and as access logs write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`, of seconds since 1970.
pub(crate) fn imf(seconds: u64) -> String {
    /// The last second of the year 9999; later ones have no such form.
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST)))
}

/// Seconds since 1970 of any of the three forms of RFC 9110, section 5.6.7.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    time.duration_since(UNIX_EPOCH)
        .ok()
        .map(|time| time.as_secs())
}

pub(crate) fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_secs())
}

/// `06/Nov/1994:08:49:37 +0000`, as access logs have it.
pub(crate) fn log_stamp(seconds: u64) -> String {
    let imf = imf(seconds);
    let words: Vec<&str> = imf.split(' ').collect();
    match words[..] {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => imf,
    }
}

/// `Sun Nov  6 08:49:37 1994`, as ctime(3) has it and `info` prints it.
pub(crate) fn ctime(seconds: u64) -> String {
    let imf = imf(seconds);
    let words: Vec<&str> = imf.split(' ').collect();
    match words[..] {
        [name, day, month, year, time, _] => {
            let day = day.trim_start_matches('0');
            format!(
                "{} {month} {day:>2} {time} {year}",
                name.trim_end_matches(',')
            )
        }
        _ => imf,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_in_every_form() {
        let second = 784_111_777;
        assert_eq!(imf(second), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(log_stamp(second), "06/Nov/1994:08:49:37 +0000");
        assert_eq!(ctime(second), "Sun Nov  6 08:49:37 1994");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(second), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(imf(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
