//! nftables by netlink: tables, chains, rules and sets that zones need, each change one batch that
//! is taken whole or not at all.
//!
//! All tables of ours are called [`TABLE`]; no message here names another one.
//!
//! Source: `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`, nft(8).

mod expr;

use std::net::IpAddr;

use rustix::io::Errno;

pub(crate) use expr::{Rule, field};

use crate::codec::{Message, attributes, text};
use crate::socket::{ACK, CREATE, DUMP, EXCLUSIVE, Netlink, REQUEST};

/// The name of every table of ours.
pub(crate) const TABLE: &str = "zones";

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const DEL_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const DEL_CHAIN: u16 = SUBSYSTEM | 5;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
const GET_ELEMENT: u16 = SUBSYSTEM | 13;
const DEL_ELEMENT: u16 = SUBSYSTEM | 14;

const APPEND: u16 = 0x800;
/// The bit that says "this attribute holds others"; nftables wants it.
const NESTED: u16 = 0x8000;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6 of the host's stack.
    Inet = 1,
    /// Frames as they come out of a link.
    Netdev = 5,
}

/// Where a chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook<'a> {
    /// Frames that come out of this link.
    Ingress(&'a str),
    /// Packets on their way through the host.
    Forward,
    /// Packets that leave, where their source may be exchanged.
    SourceNat,
}

/// Changes that are made together.
pub(crate) struct Batch {
    family: Family,
    messages: Vec<Message>,
}

fn message(family: Family, kind: u16, flags: u16) -> Message {
    Message::new(kind, REQUEST | flags).fixed(&[family as u8, 0, 0, 0])
}

/// A number as nftables has them: in the byte order of the network.
fn number(message: &mut Message, kind: u16, value: u32) {
    message.attribute(kind, &value.to_be_bytes());
}

impl Batch {
    pub(crate) fn new(family: Family) -> Self {
        let messages = Vec::new();
        Self { family, messages }
    }

    fn push(mut self, kind: u16, flags: u16, put: impl FnOnce(&mut Message)) -> Self {
        let mut one = message(self.family, kind, flags);
        one.text(1, TABLE);
        put(&mut one);
        self.messages.push(one);
        self
    }

    /// Makes our table; `fresh` refuses one that is there.
    pub(crate) fn table(self, fresh: bool) -> Self {
        let flags = if fresh { CREATE | EXCLUSIVE } else { CREATE };
        self.push(NEW_TABLE, flags, |m| number(m, 2, 0))
    }

    /// Removes our table and all that is in it.
    pub(crate) fn delete_table(self) -> Self {
        self.push(DEL_TABLE, 0, |_| {})
    }

    /// Makes a chain that lets pass what no rule drops.
    pub(crate) fn chain(self, name: &str, hook: Hook<'_>) -> Self {
        let (kind, number_of, priority) = match hook {
            // Before everything that the administrator hangs there.
            Hook::Ingress(_) => ("filter", 0, -500),
            Hook::Forward => ("filter", 2, 0),
            Hook::SourceNat => ("nat", 4, 100_i32),
        };
        self.push(NEW_CHAIN, CREATE | EXCLUSIVE, |m| {
            m.text(3, name);
            m.text(7, kind);
            m.nest(4 | NESTED, |m| {
                number(m, 1, number_of);
                number(m, 2, priority.cast_unsigned());
                if let Hook::Ingress(link) = hook {
                    m.text(3, link);
                }
            });
        })
    }

    /// Removes a chain and its rules.
    pub(crate) fn delete_chain(self, name: &str) -> Self {
        self.push(DEL_CHAIN, 0, |m| m.text(3, name))
    }

    /// Appends a rule to a chain.
    pub(crate) fn rule(self, chain: &str, rule: &Rule) -> Self {
        self.push(NEW_RULE, CREATE | APPEND, |m| {
            m.text(2, chain);
            m.nest(4 | NESTED, |m| rule.put(m));
        })
    }

    /// Makes a set of addresses.
    pub(crate) fn set(self, name: &str, v4: bool) -> Self {
        // What nft(8) calls ipv4_addr and ipv6_addr.
        let (kind, length) = if v4 { (7, 4) } else { (8, 16) };
        let id = u32::try_from(self.messages.len()).unwrap_or(0);
        self.push(NEW_SET, CREATE | EXCLUSIVE, |m| {
            m.text(2, name);
            number(m, 3, 0);
            number(m, 4, kind);
            number(m, 5, length);
            number(m, 10, id);
        })
    }

    /// Puts an address into a set; one that is in already is fine.
    pub(crate) fn element(self, set: &str, address: IpAddr) -> Self {
        self.push(NEW_ELEMENT, CREATE, |m| put_element(m, set, address))
    }

    /// Takes an address out of a set.
    pub(crate) fn delete_element(self, set: &str, address: IpAddr) -> Self {
        self.push(DEL_ELEMENT, 0, |m| put_element(m, set, address))
    }
}

fn put_element(m: &mut Message, set: &str, address: IpAddr) {
    m.text(2, set);
    m.nest(3 | NESTED, |m| {
        m.nest(1 | NESTED, |m| {
            m.nest(1 | NESTED, |m| {
                m.attribute(1, &crate::address::bytes(address));
            });
        });
    });
}

impl Netlink {
    /// Makes all changes of a batch, or none of them.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), Errno> {
        // The head of the brackets names the subsystem, in the byte order of the network.
        let bracket = |kind| Message::new(kind, REQUEST).fixed(&[0, 0, 0, 10]);
        let mut messages = vec![bracket(BATCH_BEGIN)];
        messages.extend(batch.messages);
        if let Some(last) = messages.last_mut() {
            last.demand_answer();
        }
        messages.push(bracket(BATCH_END));
        self.run_all(messages)
    }

    /// Whether our table is there.
    pub(crate) fn has_table(&mut self, family: Family) -> Result<bool, Errno> {
        let mut get = message(family, GET_TABLE, ACK);
        get.text(1, TABLE);
        match self.run(get) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The chains of our table.
    pub(crate) fn chains(&mut self, family: Family) -> Result<Vec<String>, Errno> {
        let mut chains = Vec::new();
        self.ask(message(family, GET_CHAIN, DUMP), |_, body| {
            let find = |wanted| attributes(body, 4).find(|(kind, _)| *kind == wanted);
            if find(1).is_some_and(|(_, name)| text(name) == TABLE)
                && let Some((_, name)) = find(3)
            {
                chains.push(text(name));
            }
        })?;
        Ok(chains)
    }

    /// How many addresses are in a set of our table.
    pub(crate) fn elements(&mut self, family: Family, set: &str) -> Result<usize, Errno> {
        let mut get = message(family, GET_ELEMENT, DUMP);
        get.text(1, TABLE);
        get.text(2, set);
        let mut count = 0;
        let each = |_, body: &[u8]| {
            for (_, list) in attributes(body, 4).filter(|(kind, _)| *kind == 3) {
                count += attributes(list, 0).filter(|(kind, _)| *kind == 1).count();
            }
        };
        match self.ask(get, each) {
            Ok(()) => Ok(count),
            Err(Errno::NOENT) => Ok(0),
            Err(errno) => Err(errno),
        }
    }
}
