//! Addresses, links, MAC addresses, VLANs.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::IpType;

use super::{Checked, Context, keep, number};

/// IPv4 with an optional prefix, IPv6 with its prefix, or a host name with an optional prefix.
pub(crate) fn address(text: &str, _: Context) -> Checked<'_> {
    let (host, prefix) = match text.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix)),
        None => (text, None),
    };
    let within = |max: u8| prefix.is_none_or(|p| number::<u8>(p).is_some_and(|p| p <= max));
    if host.parse::<Ipv6Addr>().is_ok() {
        if prefix.is_none() {
            return Err(format!(
                "{text}: IPv6 addresses require /prefix-length suffix."
            ));
        }
        if !within(128) {
            return Err(format!(
                "{text}: IPv6 address prefix lengths must be 0 - 128."
            ));
        }
        return keep(text);
    }
    // Digits and dots that are no address would be a host name by the grammar; nobody means that.
    let numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    if !is_address && (numeric || !is_host_name(host)) {
        return Err(format!("{text}: bogus host name or network address syntax"));
    }
    if !within(32) {
        return Err(format!(
            "{text}: IPv4 address prefix lengths must be 0 - 32."
        ));
    }
    keep(text)
}

fn is_host_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let starts = text
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphanumeric);
    starts && text.bytes().all(fits) && text.len() <= 255
}

/// As an address, but a router of IPv6 needs no prefix.
pub(crate) fn router(text: &str, context: Context) -> Checked<'_> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return keep(text);
    }
    address(text, context)
}

/// What to say of a prefix that a router does not need.
pub(crate) fn router_warning(text: &str) -> Option<String> {
    text.contains('/').then(|| {
        format!(
            "Warning: prefix length in {text} is not required and will be ignored. \
             The default host-prefix length will be used"
        )
    })
}

/// Name of a link: what Linux takes, 1 to 15 bytes.
fn is_link(text: &str) -> bool {
    let odd = |char: char| char == '/' || char == ':' || char.is_whitespace() || char.is_control();
    !text.is_empty() && text.len() <= 15 && !text.contains(odd) && ![".", ".."].contains(&text)
}

pub(crate) fn physical(text: &str, context: Context) -> Checked<'_> {
    if text.contains(':') {
        return Err(match context.ip_type {
            IpType::Shared => format!("{text}: LUNs not allowed in physical interface names"),
            IpType::Exclusive => format!(
                "{text}: physical interface name required; logical interface name not allowed"
            ),
        });
    }
    if !is_link(text) {
        return Err(format!("{text}: invalid physical interface name"));
    }
    keep(text)
}

pub(crate) fn global_nic(text: &str, _: Context) -> Checked<'_> {
    if !is_link(text) {
        return Err(format!("{text}: invalid physical interface name"));
    }
    keep(text)
}

/// Six bytes, one or two hex digits each; comes out with two lower-case digits each.
pub(crate) fn mac(text: &str, _: Context) -> Checked<'_> {
    let bad = || format!("{text}: invalid MAC address");
    let mut bytes = Vec::new();
    for part in text.split([':', '-']) {
        let hex = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = hex.then(|| u8::from_str_radix(part, 16).ok()).flatten();
        bytes.push(byte.ok_or_else(bad)?);
    }
    if bytes.len() != 6 || bytes[0] & 1 == 1 {
        return Err(bad());
    }
    let parts: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Cow::Owned(parts.join(":")))
}

pub(crate) fn vlan(text: &str, _: Context) -> Checked<'_> {
    match number::<u16>(text) {
        Some(id @ 1..=4094) => Ok(Cow::Owned(id.to_string())),
        _ => Err("vlan-id property is out of range; it must be 1 - 4094.".to_owned()),
    }
}

/// One address or several, set apart by commas.
pub(crate) fn addresses(text: &str, context: Context) -> Checked<'_> {
    for one in text.split(',') {
        address(one, context)?;
    }
    keep(text)
}

/// A MAC address or how it is chosen.
pub(crate) fn mac_choice(text: &str, context: Context) -> Checked<'_> {
    match text {
        "auto" | "random" | "factory" => keep(text),
        _ => mac(text, context),
    }
}

/// Bytes of the largest packet; less than 68 is no IPv4 link. Source: RFC 791, section 3.2.
pub(crate) fn mtu(text: &str, _: Context) -> Checked<'_> {
    match number::<u32>(text) {
        Some(bytes @ 68..=65_535) => Ok(Cow::Owned(bytes.to_string())),
        _ => Err("mtu property is out of range; it must be 68 - 65535.".to_owned()),
    }
}

/// Bits a second: digits, then K, M or G; plain digits are megabits. Source: dladm(8), `maxbw`.
pub(crate) fn bandwidth(text: &str, _: Context) -> Checked<'_> {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']);
    let scale = text.len() - digits.len();
    match number::<u32>(digits) {
        Some(1..) if scale <= 1 => Ok(Cow::Owned(text.to_ascii_uppercase())),
        _ => Err(format!(
            "invalid maxbw: {text}; a number with K, M or G was expected"
        )),
    }
}

pub(crate) fn share(text: &str, _: Context) -> Checked<'_> {
    match number::<u32>(text) {
        Some(share @ 1..=100) => Ok(Cow::Owned(share.to_string())),
        _ => Err("bwshare property is out of range; it must be 1 - 100.".to_owned()),
    }
}

/// Kinds of protection of a link. Source: dladm(8), `protection`.
pub(crate) const PROTECTIONS: [&str; 4] =
    ["mac-nospoof", "ip-nospoof", "dhcp-nospoof", "restricted"];

pub(crate) fn protection(text: &str, _: Context) -> Checked<'_> {
    match text.split(',').find(|one| !PROTECTIONS.contains(one)) {
        Some(bad) => Err(format!("'{bad}' is not a valid link-protection")),
        None => keep(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Context = Context {
        ip_type: IpType::Shared,
        host: false,
    };

    #[test]
    fn addresses_follow_the_grammar() {
        for good in [
            "10.0.0.1",
            "10.0.0.1/24",
            "fe80::1/64",
            "web-1.example.org/24",
        ] {
            assert_eq!(address(good, SHARED).as_deref(), Ok(good));
        }
        let cases = [
            ("fe80::1", "IPv6 addresses require /prefix-length suffix."),
            (
                "fe80::1/129",
                "IPv6 address prefix lengths must be 0 - 128.",
            ),
            ("10.0.0.1/33", "IPv4 address prefix lengths must be 0 - 32."),
            ("10.0.0.1/+2", "IPv4 address prefix lengths must be 0 - 32."),
            ("10.0.0.256", "bogus host name or network address syntax"),
            ("-web", "bogus host name or network address syntax"),
            ("", "bogus host name or network address syntax"),
        ];
        for (text, message) in cases {
            assert_eq!(address(text, SHARED), Err(format!("{text}: {message}")));
        }
    }

    #[test]
    fn mac_addresses_come_out_in_one_form() {
        assert_eq!(mac("2:8:20:AA:bb:c", SHARED).unwrap(), "02:08:20:aa:bb:0c");
        for bad in [
            "",
            "1:2:3:4:5",
            "2:8:20:aa:bb:ccc",
            "01:00:00:00:00:00",
            "x:0:0:0:0:0",
        ] {
            assert!(mac(bad, SHARED).is_err(), "{bad}");
        }
    }
}
