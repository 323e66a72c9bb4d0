//! Routes, and addresses that the host answers for.

use std::net::IpAddr;

use rustix::io::Errno;

use crate::NetError;
use crate::address::{IpNet, address, bytes, family};
use crate::codec::{Message, attributes, u32_at};
use crate::socket::{ACK, CREATE, DUMP, Netlink, REPLACE, REQUEST};

const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const DEL_NEIGHBOUR: u16 = 29;

const TO: u16 = 1;
const OUT: u16 = 4;
const VIA: u16 = 5;

const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const SCOPE_ANY: u8 = 0;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;
const ONLINK: u32 = 4;
const PERMANENT: u16 = 0x80;
const PROXY: u8 = 8;

/// The next hop of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// Take it as reachable on the link, though no address there covers it.
    pub onlink: bool,
}

/// A route in the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to; prefix 0 is the default route.
    pub to: IpNet,
    /// Out of which link.
    pub link: u32,
    /// Through whom; unset is directly.
    pub via: Option<Gateway>,
}

/// An address that this host answers for on a link, on behalf of a zone behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The address.
    pub address: IpAddr,
    /// Where it answers.
    pub link: u32,
}

impl Netlink {
    /// Adds or replaces a route; an address beyond the prefix is cut off.
    pub fn add_route(&mut self, route: &Route) -> Result<(), NetError> {
        let flags = REQUEST | ACK | CREATE | REPLACE;
        let IpNet { address, prefix } = route.to;
        let scope = if route.via.is_some() || address.is_ipv6() {
            SCOPE_ANY
        } else {
            SCOPE_LINK
        };
        let onlink = if route.via.is_some_and(|via| via.onlink) {
            ONLINK
        } else {
            0
        };
        let head = [
            family(address),
            prefix,
            0,
            0,
            TABLE_MAIN,
            PROTOCOL_BOOT,
            scope,
            UNICAST,
        ];
        let mut head = head.to_vec();
        head.extend(onlink.to_ne_bytes());
        let mut message = Message::new(NEW_ROUTE, flags).fixed(&head);
        if prefix > 0 {
            message.attribute(TO, &network(address, prefix));
        }
        message.word(OUT, route.link);
        if let Some(via) = route.via {
            message.attribute(VIA, &bytes(via.address));
        }
        self.run(message)
            .map_err(NetError::new("set route to", route.to.to_string()))
    }

    /// Removes the route out of the link of that number; one that is gone is fine.
    pub fn delete_route(&mut self, to: IpNet, link: u32) -> Result<(), NetError> {
        let IpNet { address, prefix } = to;
        // Any protocol and scope, and nothing said of the type.
        let nowhere = 255;
        let head = [
            family(address),
            prefix,
            0,
            0,
            TABLE_MAIN,
            0,
            nowhere,
            0,
            0,
            0,
            0,
            0,
        ];
        let mut message = Message::new(DEL_ROUTE, REQUEST | ACK).fixed(&head);
        message.attribute(TO, &network(address, prefix));
        message.word(OUT, link);
        match self.run(message) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(NetError::new("remove route to", to.to_string())(errno)),
        }
    }

    /// The routes of the main table that have a link.
    pub fn routes(&mut self) -> Result<Vec<Route>, NetError> {
        let message = Message::new(GET_ROUTE, REQUEST | DUMP).fixed(&[0; 12]);
        let mut all = Vec::new();
        let each = |_, body: &[u8]| {
            if body.len() < 12 || body[4] != TABLE_MAIN {
                return;
            }
            let find = |wanted| {
                attributes(body, 12)
                    .find(|(k, _)| *k == wanted)
                    .map(|(_, v)| v)
            };
            let any: IpAddr = if body[0] == 2 {
                [0; 4].into()
            } else {
                [0; 16].into()
            };
            let Some(link) = find(OUT).and_then(|v| u32_at(v, 0)) else {
                return;
            };
            let onlink = u32_at(body, 8).is_some_and(|flags| flags & ONLINK != 0);
            let via = find(VIA).and_then(address);
            all.push(Route {
                to: IpNet {
                    address: find(TO).and_then(address).unwrap_or(any),
                    prefix: body[1],
                },
                link,
                via: via.map(|address| Gateway { address, onlink }),
            });
        };
        self.ask(message, each)
            .map_err(NetError::new("list", "routes"))?;
        Ok(all)
    }

    /// Answers for an address on a link. IPv4 needs forwarding on the link, IPv6 `proxy_ndp`.
    pub fn add_proxy(&mut self, neighbour: &Neighbour) -> Result<(), NetError> {
        let message = proxy(NEW_NEIGHBOUR, CREATE | REPLACE, neighbour);
        let address = neighbour.address.to_string();
        self.run(message)
            .map_err(NetError::new("answer for address", address))
    }

    /// Stops answering for an address; one that nobody answers for is fine.
    pub fn delete_proxy(&mut self, neighbour: &Neighbour) -> Result<(), NetError> {
        match self.run(proxy(DEL_NEIGHBOUR, 0, neighbour)) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => {
                let address = neighbour.address.to_string();
                Err(NetError::new("stop answering for address", address)(errno))
            }
        }
    }
}

/// `struct ndmsg`: family, three bytes of padding, link, state, flags, type.
fn proxy(kind: u16, flags: u16, neighbour: &Neighbour) -> Message {
    let mut head = vec![family(neighbour.address), 0, 0, 0];
    head.extend(neighbour.link.to_ne_bytes());
    head.extend(PERMANENT.to_ne_bytes());
    head.extend([PROXY, 0]);
    let mut message = Message::new(kind, REQUEST | ACK | flags).fixed(&head);
    message.attribute(TO, &bytes(neighbour.address));
    message
}

/// The kernel refuses a route whose address has bits beyond its prefix.
pub(crate) fn network(address: IpAddr, prefix: u8) -> Vec<u8> {
    let mut bytes = bytes(address);
    for (at, byte) in bytes.iter_mut().enumerate() {
        let keep = usize::from(prefix).saturating_sub(at * 8).min(8);
        *byte &= (0xff00_u16 >> keep).to_le_bytes()[0];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cut_off() {
        for (net, kept) in [
            ("10.1.2.3/8", vec![10, 0, 0, 0]),
            ("10.1.2.255/25", vec![10, 1, 2, 128]),
            ("10.1.2.3/32", vec![10, 1, 2, 3]),
            ("10.1.2.3/0", vec![0; 4]),
        ] {
            let net: IpNet = net.parse().unwrap();
            assert_eq!(network(net.address, net.prefix), kept);
        }
    }
}
