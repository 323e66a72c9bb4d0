//! Addresses of links.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::codec::{Message, attributes, u32_at};
use crate::socket::{ACK, CREATE, DUMP, Netlink, REPLACE, REQUEST};
use crate::{IfName, NetError};

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const LOCAL: u16 = 2;
const PREFIXED: u16 = 1;

/// Without the second of waiting in which an IPv6 address may not be used yet.
const NO_DUPLICATE_CHECK: u8 = 0x02;

/// An address and the length of its network prefix; without one, the host prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNet {
    /// The address.
    pub address: IpAddr,
    /// Bits that name the network: up to 32 or 128.
    pub prefix: u8,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network address: use ADDRESS or ADDRESS/BITS")]
pub struct IpNetError(pub String);

impl IpNet {
    /// The address alone, with all bits of prefix.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Whether an address is in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        let of = |address| crate::route::network(address, self.prefix);
        same_family && of(self.address) == of(address)
    }
}

impl FromStr for IpNet {
    type Err = IpNetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || IpNetError(text.into());
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let host = Self::host(address.parse().map_err(|_| error())?);
        let Some(prefix) = prefix else {
            return Ok(host);
        };
        let digits = prefix.bytes().all(|b| b.is_ascii_digit());
        match prefix.parse() {
            Ok(prefix) if digits && prefix <= host.prefix => Ok(Self { prefix, ..host }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// An address as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that has it.
    pub link: u32,
    /// The address.
    pub net: IpNet,
}

pub(crate) const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

pub(crate) fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(crate) fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
    }
}

impl Netlink {
    /// Gives an address to the link of that number; setting it twice is fine.
    pub fn add_address(&mut self, link: u32, net: IpNet) -> Result<(), NetError> {
        let flags = REQUEST | ACK | CREATE | REPLACE;
        let quick = if net.address.is_ipv6() {
            NO_DUPLICATE_CHECK
        } else {
            0
        };
        let mut head = vec![family(net.address), net.prefix, quick, 0];
        head.extend(link.to_ne_bytes());
        let mut message = Message::new(NEW_ADDRESS, flags).fixed(&head);
        let value = bytes(net.address);
        message.attribute(LOCAL, &value);
        message.attribute(PREFIXED, &value);
        self.run(message)
            .map_err(NetError::new("set address", net.to_string()))
    }

    /// All addresses of the namespace.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetError> {
        let message = Message::new(GET_ADDRESS, REQUEST | DUMP).fixed(&[0; 8]);
        let mut all = Vec::new();
        let each = |_, body: &[u8]| {
            let find = |wanted| attributes(body, 8).find(|(kind, _)| *kind == wanted);
            let value = find(LOCAL)
                .or_else(|| find(PREFIXED))
                .and_then(|(_, v)| address(v));
            if let (Some(address), Some(link)) = (value, u32_at(body, 4)) {
                let prefix = body[1];
                all.push(Address {
                    link,
                    net: IpNet { address, prefix },
                });
            }
        };
        self.ask(message, each)
            .map_err(NetError::new("list", "addresses"))?;
        Ok(all)
    }

    /// Brings the loopback up, which gives it its addresses.
    pub fn loopback_up(&mut self) -> Result<(), NetError> {
        let lo: IfName = "lo".parse().expect("a valid name");
        self.set_up(&lo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        for (text, printed) in [
            ("10.0.0.5/24", "10.0.0.5/24"),
            ("10.0.0.5", "10.0.0.5/32"),
            ("fd00::1/64", "fd00::1/64"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(text.parse::<IpNet>().unwrap().to_string(), printed);
        }
        let net: IpNet = "10.1.2.3/24".parse().unwrap();
        assert!(net.contains("10.1.2.254".parse().unwrap()));
        assert!(!net.contains("10.1.3.3".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        for bad in [
            "",
            "10.0.0/8",
            "10.0.0.5/33",
            "fd00::1/129",
            "10.0.0.5/",
            "1.2.3.4/+8",
            "a",
        ] {
            assert!(bad.parse::<IpNet>().is_err(), "{bad}");
        }
    }
}
