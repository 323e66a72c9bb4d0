//! Links: interfaces of any kind.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::codec::{Message, attributes, text, u32_at};
use crate::socket::{ACK, CREATE, DUMP, EXCLUSIVE, Netlink, REQUEST};
use crate::{IfName, NetError};

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_PROPERTY: u16 = 108;
const DEL_PROPERTY: u16 = 109;
const GET_LINK: u16 = 18;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const QUEUE: u16 = 13;
const PROPERTIES: u16 = 52;
const ALTERNATIVE: u16 = 53;
const PERMANENT: u16 = 54;
/// The bit that says "this attribute holds others".
const NESTED: u16 = 0x8000;
const LOWER: u16 = 5;
const MASTER: u16 = 10;
const INFO: u16 = 18;
const ALIAS: u16 = 20;
const NETNS_FD: u16 = 28;
const EXT_MASK: u16 = 29;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

const UP: u32 = 1;
const LOOPBACK: u32 = 8;
/// No ARP, promiscuous, all multicast: what a user of a link may have switched.
const MOODS: u32 = 0x80 | 0x100 | 0x200;
/// Counters are half of an answer and nobody here reads them.
const WITHOUT_COUNTERS: u32 = 8;
const MACVLAN_BRIDGE: u32 = 4;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Why a text is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no hardware address: use six numbers of up to two hex digits, `:` between them")]
pub struct MacError(pub String);

impl std::str::FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let byte = |part: &str| {
            let digits = part.bytes().all(|byte| byte.is_ascii_hexdigit());
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| digits && part.len() <= 2)
        };
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        let six = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
        six.map(Self).ok_or_else(|| MacError(text.to_owned()))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Mac {
    /// A locally administered address that nobody had before.
    #[must_use]
    pub fn random() -> Self {
        use rustix::rand::{GetRandomFlags, getrandom};
        let mut bytes = [0; 6];
        // Six bytes come at once or, before the kernel has entropy, late; never in part.
        let _ = getrandom(&mut bytes, GetRandomFlags::empty());
        bytes[0] = 0x02;
        Self(bytes)
    }
}

/// A locally administered address that the same zone and interface always get, so that neighbours
/// and DHCP servers know them again. `zone` is best what no zone of another host has: its uuid.
#[must_use]
pub fn mac_for(zone: &str, interface: &IfName) -> Mac {
    // FNV-1a: stable between releases, which a hash of the standard library is not.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in zone.bytes().chain([0]).chain(interface.as_str().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let [a, b, c, d, e, ..] = hash.to_le_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// What sort of link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// The loopback.
    Loopback,
    /// A bridge.
    Bridge,
    /// Any other kind of virtual link, by the kernel's name for it.
    Virtual(String),
    /// Hardware, or a device that says nothing.
    Physical,
}

/// A link as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number in its namespace.
    pub index: u32,
    /// The name.
    pub name: String,
    /// What sort.
    pub kind: LinkKind,
    /// Whether it is administratively up.
    pub up: bool,
    /// The hardware address, where it has one.
    pub mac: Option<Mac>,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// The bridge or bond it is a port of.
    pub master: Option<u32>,
    /// The description.
    pub alias: Option<String>,
    /// The hardware address that it was built with.
    pub permanent: Option<Mac>,
    /// Packets that may wait to be sent.
    pub queue: u32,
    /// Its other names.
    pub alternatives: Vec<String>,
}

impl Link {
    fn parse(body: &[u8]) -> Option<Self> {
        let flags = u32_at(body, 8)?;
        let mut link = Self {
            index: u32_at(body, 4)?,
            name: String::new(),
            kind: LinkKind::Physical,
            up: flags & UP != 0,
            mac: None,
            mtu: 0,
            master: None,
            alias: None,
            permanent: None,
            queue: 0,
            alternatives: Vec::new(),
        };
        if flags & LOOPBACK != 0 {
            link.kind = LinkKind::Loopback;
        }
        for (kind, value) in attributes(body, 16) {
            match kind {
                NAME => link.name = text(value),
                ADDRESS => link.mac = value.try_into().ok().map(Mac),
                MTU => link.mtu = u32_at(value, 0)?,
                MASTER => link.master = u32_at(value, 0),
                ALIAS => link.alias = Some(text(value)),
                PERMANENT => link.permanent = value.try_into().ok().map(Mac),
                QUEUE => link.queue = u32_at(value, 0)?,
                PROPERTIES => {
                    let names = attributes(value, 0).filter(|(kind, _)| *kind == ALTERNATIVE);
                    link.alternatives = names.map(|(_, name)| text(name)).collect();
                }
                INFO => {
                    let found = attributes(value, 0).find(|(kind, _)| *kind == INFO_KIND);
                    if let Some((_, name)) = found {
                        link.kind = match text(name).as_str() {
                            "bridge" => LinkKind::Bridge,
                            other => LinkKind::Virtual(other.into()),
                        };
                    }
                }
                _ => {}
            }
        }
        Some(link)
    }
}

impl Link {
    /// Whether it is a bridge that we made.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.alias.as_deref() == Some(crate::apply::OURS)
    }
}

/// A link to make.
#[derive(Debug, Clone, Copy)]
pub enum NewLink<'a> {
    /// A bridge, made up and marked as ours. It takes the hardware address of the birth.
    Bridge {
        /// Its description, to know it again.
        alias: &'a str,
    },
    /// A pair; this end stays here and is down, the peer is made in another namespace.
    Veth {
        /// The peer's name there.
        peer: &'a IfName,
    },
    /// A link with an address of its own on another link, made in another namespace.
    Macvlan {
        /// The link below, here.
        lower: u32,
    },
    /// The tagged traffic of another link, made in another namespace.
    Vlan {
        /// The link below, here.
        lower: u32,
        /// The tag, 1 to 4094.
        id: u16,
    },
}

/// What a link gets at birth.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// The namespace that the zone's end goes to; unset is this one.
    pub netns: Option<BorrowedFd<'a>>,
    /// The hardware address of the zone's end; unset is random.
    pub mac: Option<Mac>,
    /// Largest packet of both ends, bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
}

/// `struct ifinfomsg`: family, pad, type, index, flags, which flags change.
fn info(index: u32, up: bool) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        bytes[8..12].copy_from_slice(&UP.to_ne_bytes());
        bytes[12..16].copy_from_slice(&UP.to_ne_bytes());
    }
    bytes
}

fn put_birth(message: &mut Message, birth: &Birth<'_>) {
    if let Some(netns) = birth.netns {
        message.attribute(NETNS_FD, &netns.as_raw_fd().to_ne_bytes());
    }
    if let Some(mac) = birth.mac {
        message.attribute(ADDRESS, &mac.0);
    }
    if let Some(mtu) = birth.mtu {
        message.word(MTU, mtu);
    }
}

impl Netlink {
    /// All links of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>, NetError> {
        let mut message = Message::new(GET_LINK, REQUEST | DUMP).fixed(&info(0, false));
        message.word(EXT_MASK, WITHOUT_COUNTERS);
        let mut links = Vec::new();
        self.ask(message, |_, body| links.extend(Link::parse(body)))
            .map_err(NetError::new("list", "links"))?;
        Ok(links)
    }

    /// The link of that name; `None` when there is none.
    pub fn link(&mut self, name: &IfName) -> Result<Option<Link>, NetError> {
        let mut message = Message::new(GET_LINK, REQUEST | ACK).fixed(&info(0, false));
        message.text(NAME, name.as_str());
        message.word(EXT_MASK, WITHOUT_COUNTERS);
        let mut found = None;
        match self.ask(message, |_, body| found = Link::parse(body)) {
            Ok(()) => Ok(found),
            Err(Errno::NODEV) => Ok(None),
            Err(errno) => Err(NetError::new("find link", name.as_str())(errno)),
        }
    }

    /// The number of the link of that name. Errors: there is none.
    pub fn index(&mut self, name: &IfName) -> Result<u32, NetError> {
        match self.link(name)? {
            Some(link) => Ok(link.index),
            None => Err(NetError::new("find link", name.as_str())(Errno::NODEV)),
        }
    }

    /// Makes a link. Errors: the name is taken, the kernel lacks the kind.
    pub fn add_link(
        &mut self,
        name: &IfName,
        new: NewLink<'_>,
        birth: &Birth<'_>,
    ) -> Result<(), NetError> {
        let here = matches!(new, NewLink::Bridge { .. });
        let flags = REQUEST | ACK | CREATE | EXCLUSIVE;
        let mut message = Message::new(NEW_LINK, flags).fixed(&info(0, here));
        message.text(NAME, name.as_str());
        let mut alias_after = None;
        match new {
            NewLink::Bridge { alias } => {
                // A bridge whose address nobody sets changes it as its ports come and go.
                put_birth(&mut message, birth);
                message.nest(INFO, |m| m.text(INFO_KIND, "bridge"));
                alias_after = Some(alias);
            }
            NewLink::Veth { peer } => {
                if let Some(mtu) = birth.mtu {
                    message.word(MTU, mtu);
                }
                message.nest(INFO, |m| {
                    m.text(INFO_KIND, "veth");
                    m.nest(INFO_DATA, |m| {
                        // VETH_INFO_PEER holds a whole link message.
                        m.nest(1, |m| {
                            m.raw(&info(0, false));
                            m.text(NAME, peer.as_str());
                            put_birth(m, birth);
                        });
                    });
                });
            }
            NewLink::Macvlan { lower } => {
                message.word(LOWER, lower);
                put_birth(&mut message, birth);
                message.nest(INFO, |m| {
                    m.text(INFO_KIND, "macvlan");
                    m.nest(INFO_DATA, |m| m.word(1, MACVLAN_BRIDGE));
                });
            }
            NewLink::Vlan { lower, id } => {
                message.word(LOWER, lower);
                put_birth(&mut message, birth);
                message.nest(INFO, |m| {
                    m.text(INFO_KIND, "vlan");
                    m.nest(INFO_DATA, |m| m.attribute(1, &id.to_ne_bytes()));
                });
            }
        }
        self.run(message)
            .map_err(NetError::new("make link", name.as_str()))?;
        // The kernel passes over a description that comes with the request to make a link.
        match alias_after {
            Some(alias) => self.set("describe link", name, info(0, false), |m| {
                m.text(NAME, name.as_str());
                m.text(ALIAS, alias);
            }),
            None => Ok(()),
        }
    }

    /// Changes a link that exists; `put` appends what is to change.
    fn set(
        &mut self,
        doing: &'static str,
        link: &IfName,
        head: [u8; 16],
        put: impl FnOnce(&mut Message),
    ) -> Result<(), NetError> {
        let mut message = Message::new(NEW_LINK, REQUEST | ACK).fixed(&head);
        put(&mut message);
        self.run(message)
            .map_err(NetError::new(doing, link.as_str()))
    }

    /// Brings a link up.
    pub fn set_up(&mut self, link: &IfName) -> Result<(), NetError> {
        self.set("bring up link", link, info(0, true), |m| {
            m.text(NAME, link.as_str())
        })
    }

    /// Takes a link down.
    pub fn set_down(&mut self, link: &IfName) -> Result<(), NetError> {
        let mut head = info(0, false);
        head[12..16].copy_from_slice(&UP.to_ne_bytes());
        self.set("take down link", link, head, |m| {
            m.text(NAME, link.as_str())
        })
    }

    /// Makes a link a port of the bridge of that number, and brings it up.
    pub fn set_master(&mut self, link: &IfName, bridge: u32) -> Result<(), NetError> {
        self.set("set the bridge of link", link, info(0, true), |m| {
            m.text(NAME, link.as_str());
            m.word(MASTER, bridge);
        })
    }

    /// Sets the hardware address.
    pub fn set_mac(&mut self, link: &IfName, mac: Mac) -> Result<(), NetError> {
        self.set("set the address of link", link, info(0, false), |m| {
            m.text(NAME, link.as_str());
            m.attribute(ADDRESS, &mac.0);
        })
    }

    /// Sets the largest packet, bytes.
    pub fn set_mtu(&mut self, link: &IfName, mtu: u32) -> Result<(), NetError> {
        self.set("set the mtu of link", link, info(0, false), |m| {
            m.text(NAME, link.as_str());
            m.word(MTU, mtu);
        })
    }

    /// Sets the text that says what a link is for.
    pub fn set_alias(&mut self, link: &IfName, alias: &str) -> Result<(), NetError> {
        self.set("set the alias of link", link, info(0, false), |m| {
            m.text(NAME, link.as_str());
            m.text(ALIAS, alias);
        })
    }

    /// Gives a link another name; it must be down on older kernels.
    pub fn rename(&mut self, link: &IfName, to: &IfName) -> Result<(), NetError> {
        let index = self.index(link)?;
        let name = |m: &mut Message| m.text(NAME, to.as_str());
        self.set("rename link", link, info(index, false), name)
    }

    /// Moves a link to another namespace, where it is down and has no addresses.
    pub fn move_to(&mut self, link: &IfName, netns: BorrowedFd<'_>) -> Result<(), NetError> {
        self.set("move link", link, info(0, false), |m| {
            m.text(NAME, link.as_str());
            m.attribute(NETNS_FD, &netns.as_raw_fd().to_ne_bytes());
        })
    }

    /// Moves the link of that number to another namespace, where it gets this name, in one step: a
    /// name that it has here, and that is taken there, is no obstacle.
    pub(crate) fn move_as(
        &mut self,
        index: u32,
        name: &IfName,
        netns: BorrowedFd<'_>,
    ) -> Result<(), NetError> {
        self.set("move link", name, info(index, false), |m| {
            m.attribute(NETNS_FD, &netns.as_raw_fd().to_ne_bytes());
            m.text(NAME, name.as_str());
        })
    }

    /// Gives the link of that number another name for each of these, or takes them away.
    pub(crate) fn alternatives(
        &mut self,
        index: u32,
        names: &[String],
        have: bool,
    ) -> Result<(), NetError> {
        if names.is_empty() {
            return Ok(());
        }
        let (kind, flags) = if have {
            (NEW_PROPERTY, CREATE | EXCLUSIVE)
        } else {
            (DEL_PROPERTY, 0)
        };
        let mut message = Message::new(kind, REQUEST | ACK | flags).fixed(&info(index, false));
        message.nest(PROPERTIES | NESTED, |m| {
            names.iter().for_each(|name| m.text(ALTERNATIVE, name));
        });
        self.run(message)
            .map_err(NetError::new("set other names of link", names.join(" ")))
    }

    /// Takes a link down and makes it what it was: address, size, queue, description, mood.
    pub(crate) fn reset(&mut self, index: u32, to: &Link) -> Result<(), NetError> {
        let name = to.name.parse::<IfName>();
        let name = name.map_err(|_| NetError::new("reset link", &*to.name)(Errno::INVAL))?;
        let mut head = info(index, false);
        head[12..16].copy_from_slice(&(UP | MOODS).to_ne_bytes());
        self.set("take down link", &name, head, |_| {})?;
        self.set("reset link", &name, info(index, false), |m| {
            if let Some(mac) = to.mac {
                m.attribute(ADDRESS, &mac.0);
            }
            m.word(MTU, to.mtu);
            m.word(QUEUE, to.queue);
            m.attribute(ALIAS, to.alias.as_deref().unwrap_or("").as_bytes());
        })
    }

    /// Deletes a link. A veth costs some 30 ms: let its namespace die instead.
    pub fn delete_link(&mut self, link: &IfName) -> Result<(), NetError> {
        let mut message = Message::new(DEL_LINK, REQUEST | ACK).fixed(&info(0, false));
        message.text(NAME, link.as_str());
        self.run(message)
            .map_err(NetError::new("delete link", link.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_zones_are_stable_and_local() {
        let mac = mac_for("web1", &"net0".parse().unwrap());
        assert_eq!(mac, mac_for("web1", &"net0".parse().unwrap()));
        assert_ne!(mac, mac_for("web1", &"net1".parse().unwrap()));
        assert_eq!(mac.0[0] & 3, 2, "unicast and locally administered");
        assert_eq!(Mac([2, 0, 0xab, 1, 2, 3]).to_string(), "02:00:ab:01:02:03");
        assert_eq!("2:8:20:0:0:a".parse(), Ok(Mac([2, 8, 0x20, 0, 0, 10])));
        for bad in [
            "",
            "xx",
            "1:2:3:4:5",
            "1:2:3:4:5:6:7",
            "+1:2:3:4:5:6",
            "100:2:3:4:5:6",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_short_answer_is_no_link() {
        assert_eq!(Link::parse(&[0; 7]), None);
    }
}
