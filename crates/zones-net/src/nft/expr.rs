//! Rules: what a packet must be like, and what then happens to it.

use super::{NESTED, number};
use crate::codec::Message;

/// Every load goes to this register of 16 bytes and is compared at once.
const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Bytes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    base: u32,
    offset: u32,
    length: u32,
}

/// The bytes that guards and uplinks look at.
pub(crate) mod field {
    use super::Field;

    const LINK: u32 = 0;
    const NETWORK: u32 = 1;
    const TRANSPORT: u32 = 2;

    const fn at(base: u32, offset: u32, length: u32) -> Field {
        Field {
            base,
            offset,
            length,
        }
    }

    /// Source of a frame.
    pub(crate) const ETHER_SOURCE: Field = at(LINK, 6, 6);
    /// Type of a frame; that of the tag where it has one.
    pub(crate) const ETHER_TYPE: Field = at(LINK, 12, 2);
    /// Source of an IPv4 packet.
    pub(crate) const IP_SOURCE: Field = at(NETWORK, 12, 4);
    /// Source of an IPv6 packet.
    pub(crate) const IP6_SOURCE: Field = at(NETWORK, 8, 16);
    /// Kinds and lengths of the addresses of an ARP packet.
    pub(crate) const ARP_KIND: Field = at(NETWORK, 0, 6);
    /// Question or answer.
    pub(crate) const ARP_OPERATION: Field = at(NETWORK, 6, 2);
    /// Who says it, by hardware address.
    pub(crate) const ARP_SENDER_MAC: Field = at(NETWORK, 8, 6);
    /// Who says it, by IPv4 address.
    pub(crate) const ARP_SENDER_IP: Field = at(NETWORK, 14, 4);
    /// Source port.
    pub(crate) const SOURCE_PORT: Field = at(TRANSPORT, 0, 2);
    /// Destination port.
    pub(crate) const DESTINATION_PORT: Field = at(TRANSPORT, 2, 2);
    /// Both ports.
    pub(crate) const PORTS: Field = at(TRANSPORT, 0, 4);
    /// Hardware address of the client in a DHCP message, after the header of UDP.
    pub(crate) const DHCP_CLIENT: Field = at(TRANSPORT, 8 + 28, 6);
    /// Type of an ICMPv6 message.
    pub(crate) const ICMP6_TYPE: Field = at(TRANSPORT, 0, 1);
    /// The address that a neighbour message is about.
    pub(crate) const ND_TARGET: Field = at(TRANSPORT, 8, 16);
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Equal = 0,
    Differ = 1,
}

#[derive(Debug, Clone)]
enum Expr {
    Compare(Field, Op, Vec<u8>),
    /// Something the kernel knows of the packet.
    Meta(u32, Op, Vec<u8>),
    InSet(Field, &'static str, bool),
    Verdict(u32),
    Masquerade,
}

/// All conditions must hold for the last part to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule(Vec<Expr>);

const INPUT_NAME: u32 = 6;
const OUTPUT_NAME: u32 = 7;
const IP_VERSION: u32 = 15;
const TRANSPORT_PROTOCOL: u32 = 16;

/// Names of links are compared with all their zeros.
fn padded(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

impl Rule {
    fn with(mut self, expr: Expr) -> Self {
        self.0.push(expr);
        self
    }

    pub(crate) fn with_field(self, field: Field, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        self.with(Expr::Compare(field, Op::Equal, bytes))
    }

    pub(crate) fn without_field(self, field: Field, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        self.with(Expr::Compare(field, Op::Differ, bytes))
    }

    /// None of these.
    pub(crate) fn with_none_of<T: AsRef<[u8]>>(
        self,
        field: Field,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let each = |rule: Self, value: T| rule.without_field(field, value);
        values.into_iter().fold(self, each)
    }

    /// The protocol above IP; headers between are skipped.
    pub(crate) fn carries(self, protocol: u8) -> Self {
        self.with(Expr::Meta(TRANSPORT_PROTOCOL, Op::Equal, vec![protocol]))
    }

    pub(crate) fn carries_not(self, protocol: u8) -> Self {
        self.with(Expr::Meta(TRANSPORT_PROTOCOL, Op::Differ, vec![protocol]))
    }

    /// IPv4 or IPv6, in tables that see both.
    pub(crate) fn of_version(self, v4: bool) -> Self {
        let version = if v4 { 2 } else { 10 };
        self.with(Expr::Meta(IP_VERSION, Op::Equal, vec![version]))
    }

    pub(crate) fn comes_from(self, link: &str) -> Self {
        self.with(Expr::Meta(INPUT_NAME, Op::Equal, padded(link)))
    }

    pub(crate) fn leaves_not_by(self, link: &str) -> Self {
        self.with(Expr::Meta(OUTPUT_NAME, Op::Differ, padded(link)))
    }

    pub(crate) fn in_set(self, field: Field, set: &'static str) -> Self {
        self.with(Expr::InSet(field, set, true))
    }

    pub(crate) fn not_in_set(self, field: Field, set: &'static str) -> Self {
        self.with(Expr::InSet(field, set, false))
    }

    pub(crate) fn drop(self) -> Self {
        self.with(Expr::Verdict(DROP))
    }

    pub(crate) fn accept(self) -> Self {
        self.with(Expr::Verdict(ACCEPT))
    }

    /// The source becomes the address of the link that the packet leaves by.
    pub(crate) fn masquerade(self) -> Self {
        self.with(Expr::Masquerade)
    }

    pub(super) fn put(&self, m: &mut Message) {
        self.0.iter().for_each(|expr| expr.put(m));
    }
}

fn put(m: &mut Message, name: &str, inner: impl FnOnce(&mut Message)) {
    m.nest(1 | NESTED, |m| {
        m.text(1, name);
        m.nest(2 | NESTED, inner);
    });
}

fn compare(m: &mut Message, op: Op, bytes: &[u8]) {
    put(m, "cmp", |m| {
        number(m, 1, REGISTER);
        number(m, 2, op as u32);
        m.nest(3 | NESTED, |m| m.attribute(1, bytes));
    });
}

impl Field {
    fn load(self, m: &mut Message) {
        put(m, "payload", |m| {
            number(m, 1, REGISTER);
            number(m, 2, self.base);
            number(m, 3, self.offset);
            number(m, 4, self.length);
        });
    }
}

impl Expr {
    fn put(&self, m: &mut Message) {
        match self {
            Self::Compare(field, op, bytes) => {
                field.load(m);
                compare(m, *op, bytes);
            }
            Self::Meta(key, op, bytes) => {
                put(m, "meta", |m| {
                    number(m, 2, *key);
                    number(m, 1, REGISTER);
                });
                compare(m, *op, bytes);
            }
            Self::InSet(field, set, inside) => {
                field.load(m);
                put(m, "lookup", |m| {
                    m.text(1, set);
                    number(m, 2, REGISTER);
                    number(m, 5, u32::from(!inside));
                });
            }
            Self::Verdict(code) => put(m, "immediate", |m| {
                number(m, 1, VERDICT_REGISTER);
                m.nest(2 | NESTED, |m| m.nest(2 | NESTED, |m| number(m, 1, *code)));
            }),
            Self::Masquerade => put(m, "masq", |_| {}),
        }
    }
}
