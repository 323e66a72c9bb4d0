//! Checks of single values: canonical text out, or the classic message.

mod net;

use std::borrow::Cow;

use zones_types::Bytes;

use crate::{AttrType, IpType};

pub(crate) use net::{
    PROTECTIONS, address, addresses, bandwidth, global_nic, mac, mac_choice, mtu, physical,
    protection, router, router_warning, share, vlan,
};

/// What a check may look at besides the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Whose IP stack the zone uses.
    pub ip_type: IpType,
    /// Whether this is the host itself.
    pub host: bool,
}

/// Brings a text into its canonical form, or says what is wrong with it.
pub type Check = for<'a> fn(&'a str, Context) -> Result<Cow<'a, str>, String>;

/// Nearly all values are canonical as they were typed.
type Checked<'a> = Result<Cow<'a, str>, String>;

fn keep(text: &str) -> Checked<'_> {
    Ok(Cow::Borrowed(text))
}

pub(crate) fn free(text: &str, _: Context) -> Checked<'_> {
    keep(text)
}

pub(crate) fn filled(text: &str, _: Context) -> Checked<'_> {
    if text.is_empty() {
        return Err("A value was expected here.".to_owned());
    }
    keep(text)
}

pub(crate) fn dir(text: &str, _: Context) -> Checked<'_> {
    absolute("dir", text)
}

pub(crate) fn raw(text: &str, _: Context) -> Checked<'_> {
    absolute("raw", text)
}

fn absolute<'a>(what: &str, text: &'a str) -> Checked<'a> {
    if !text.starts_with('/') {
        return Err(format!("{what} {text} is not an absolute path."));
    }
    keep(text)
}

pub(crate) fn fs_type(text: &str, _: Context) -> Checked<'_> {
    let bad =
        text.is_empty() || text.len() > 255 || text.contains('/') || [".", ".."].contains(&text);
    if bad {
        return Err(format!("\"{text}\" is not a valid type."));
    }
    keep(text)
}

pub(crate) fn rctl_name(text: &str, _: Context) -> Checked<'_> {
    let letters = |rest: &str| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !text.strip_prefix("zone.").is_some_and(letters) {
        return Err(format!("'{text}' is not a valid zone rctl name."));
    }
    keep(text)
}

pub(crate) fn attr_name(text: &str, _: Context) -> Checked<'_> {
    if !text
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphanumeric)
    {
        return Err(format!(
            "Invalid attr name {text}: must start with an alpha-numeric character."
        ));
    }
    // The manual page allows the underscore, the classic check forgot it.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.bytes().all(fits) {
        return Err(format!(
            "Invalid attr name {text}: can only contain alpha-numeric characters, plus '-' and '.'."
        ));
    }
    if text.starts_with("zone") {
        return Err(format!(
            "Invalid attr name {text}: names starting with zone are reserved."
        ));
    }
    keep(text)
}

pub(crate) fn attr_type(text: &str, _: Context) -> Checked<'_> {
    match text.parse::<AttrType>() {
        Ok(_) => keep(text),
        Err(()) => Err(format!("invalid attr type '{text}'")),
    }
}

pub(crate) fn boolean(text: &str, _: Context) -> Checked<'_> {
    match text {
        "true" | "false" => keep(text),
        _ => Err("A value of true or false was expected here.".to_owned()),
    }
}

/// A uuid in its usual form, brought to lower case. Source: RFC 9562, section 4.
pub(crate) fn uuid(text: &str) -> Checked<'_> {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if text.len() != 36 || !text.bytes().enumerate().all(fits) {
        return Err(format!("illegal UUID value specified: {text}"));
    }
    Ok(Cow::Owned(text.to_ascii_lowercase()))
}

/// Whether `value` is one of `attr_type`.
pub(crate) fn attr_value(attr_type: AttrType, value: &str) -> Result<(), String> {
    let fits = match attr_type {
        AttrType::Int => value.parse::<i64>().is_ok(),
        AttrType::Uint => value.parse::<u64>().is_ok(),
        AttrType::Boolean => ["true", "false"].contains(&value),
        AttrType::String => true,
    };
    if fits {
        return Ok(());
    }
    Err(format!(
        "invalid attr value for type={}",
        attr_type.as_str()
    ))
}

pub(crate) fn dataset(text: &str, _: Context) -> Checked<'_> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.: ".contains(&byte))
    };
    if !text.split('/').all(part) || text.len() > 255 {
        return Err("dataset: name invalid".to_owned());
    }
    keep(text)
}

const NCPUS_RANGE: &str = "ncpus property is out of range.";

/// `n` or `lo-hi`.
pub(crate) fn cpu_range(text: &str, _: Context) -> Checked<'_> {
    match parse_cpu_range(text) {
        Some((low, high)) if low == high => Ok(Cow::Owned(low.to_string())),
        Some((low, high)) => Ok(Cow::Owned(format!("{low}-{high}"))),
        None => Err(NCPUS_RANGE.to_owned()),
    }
}

pub(crate) fn parse_cpu_range(text: &str) -> Option<(u32, u32)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (number::<u32>(low)?, number::<u32>(high)?);
    (low >= 1 && low <= high).then_some((low, high))
}

/// Decimal digits only: `parse` alone would take a plus sign.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// CPUs with two decimals; kept as text, `1.50`.
pub(crate) fn cpu_cap(text: &str, _: Context) -> Checked<'_> {
    match parse_cpu_cap(text) {
        Some(percent) => Ok(Cow::Owned(cpu_cap_text(percent))),
        None => Err(NCPUS_RANGE.to_owned()),
    }
}

pub(crate) fn cpu_cap_text(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

/// Percent of one CPU, rounded half up from the third decimal.
pub(crate) fn parse_cpu_cap(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || text == "." || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let place = |at: usize| {
        fraction
            .as_bytes()
            .get(at)
            .map_or(0, |byte| u64::from(byte - b'0'))
    };
    let fraction = place(0) * 10 + place(1) + u64::from(place(2) >= 5);
    let percent = whole.checked_mul(100)?.checked_add(fraction)?;
    (percent >= 1 && percent <= u64::from(u32::MAX)).then_some(percent)
}

pub(crate) fn importance(text: &str, _: Context) -> Checked<'_> {
    match number::<u32>(text) {
        Some(value) => Ok(Cow::Owned(value.to_string())),
        None => Err("importance property is out of range.".to_owned()),
    }
}

pub(crate) fn size(text: &str, _: Context) -> Checked<'_> {
    let bytes: Bytes = text.parse().map_err(|error| format!("{error}"))?;
    Ok(Cow::Owned(bytes.0.to_string()))
}

pub(crate) fn swap(text: &str, context: Context) -> Checked<'_> {
    let megabytes = if context.host { 100 } else { 50 };
    let bytes: Bytes = text.parse().map_err(|error| format!("{error}"))?;
    if bytes < Bytes(megabytes << 20) {
        return Err(format!(
            "swap value is too small.  It must be at least {megabytes}M."
        ));
    }
    Ok(Cow::Owned(bytes.0.to_string()))
}

pub(crate) fn user(text: &str, _: Context) -> Checked<'_> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    if text.len() > 32 || !text.as_bytes().first().is_some_and(starts) || !text.bytes().all(fits) {
        return Err(format!("user {text} is not a valid username"));
    }
    keep(text)
}

/// What an `admin` may be allowed.
pub(crate) const AUTHS: &[&str] = &[
    "login",
    "manage",
    "clonefrom",
    "copyfrom",
    "config",
    "liveconfig",
];

pub(crate) fn auths(text: &str, _: Context) -> Checked<'_> {
    match text.split(',').find(|auth| !AUTHS.contains(auth)) {
        Some(bad) => Err(format!("'{bad}' is not a valid authorization")),
        None => keep(text),
    }
}

/// Names in a set of security flags, and words for whole sets.
pub(crate) const FLAGS: &[&str] = &[
    "aslr",
    "forbidnullmap",
    "noexecstack",
    "all",
    "none",
    "current",
];

pub(crate) fn flags(text: &str, _: Context) -> Checked<'_> {
    let plain = |flag: &'_ str| FLAGS.contains(&flag.trim_start_matches(['-', '!']));
    match text.split(',').find(|flag| !plain(flag)) {
        Some(bad) => Err(format!("'{bad}' is not a valid security flag")),
        None => keep(text),
    }
}

/// Classes of the scheduler.
pub(crate) const CLASSES: &[&str] = &["TS", "IA", "FSS", "FX", "RT", "SDC"];

/// Values of `boot-priority`, first to boot first. Source: zonecfg(8) of Solaris 11.
pub(crate) const PRIORITIES: &[&str] = &["high", "default", "low"];

/// Values of `autoshutdown`. Source: zonecfg(8) of Solaris 11; nothing here can be suspended.
pub(crate) const SHUTDOWNS: &[&str] = &["shutdown", "halt"];

/// Values of `file-mac-profile`. Source: zonecfg(8) and mwac(7) of Solaris 11.
pub(crate) const PROFILES: &[&str] = &[
    "none",
    "strict",
    "fixed-configuration",
    "flexible-configuration",
];

/// Whether the value is one of a few, or empty.
pub(crate) fn one_of(name: &str, text: &str, known: &[&str]) -> Result<(), String> {
    if text.is_empty() || known.contains(&text) {
        return Ok(());
    }
    Err(format!("{name} value must be one of {}.", known.join(", ")))
}

/// A type in `fs-allowed`; a leading `-` is allowed on the whole list.
pub(crate) fn fs_allowed(text: &str) -> Result<(), String> {
    if text.len() > 1024 {
        return Err("fs-allowed is too long; it may have 1024 characters.".to_owned());
    }
    let list = text.strip_prefix('-').unwrap_or(text);
    let context = Context {
        ip_type: IpType::Shared,
        host: false,
    };
    for name in list.split(',').filter(|_| !list.is_empty()) {
        fs_type(name, context)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_counts_are_exact_in_hundredths() {
        let cases = [
            ("1.5", 150),
            ("0.01", 1),
            (".5", 50),
            ("2", 200),
            ("0.125", 13),
        ];
        for (text, percent) in cases {
            assert_eq!(parse_cpu_cap(text), Some(percent), "{text}");
        }
        for bad in [
            "",
            ".",
            "0",
            "0.001",
            "-1",
            "1e3",
            "1,5",
            "99999999999999999999",
        ] {
            assert_eq!(parse_cpu_cap(bad), None, "{bad}");
        }
        assert_eq!(cpu_cap_text(150), "1.50");
    }

    #[test]
    fn cpu_ranges_go_upwards() {
        assert_eq!(parse_cpu_range("1-4"), Some((1, 4)));
        assert_eq!(parse_cpu_range("2"), Some((2, 2)));
        for bad in ["0", "4-1", "-", "1-", "a", "+1", "1-2-3"] {
            assert_eq!(parse_cpu_range(bad), None, "{bad}");
        }
    }
}
