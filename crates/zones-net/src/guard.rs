//! What keeps a zone to its own addresses: rules on the host's end of its pair, where the zone
//! cannot reach them.
//!
//! | protection | what of the zone is dropped |
//! |---|---|
//! | `mac-nospoof` | frames with another hardware address; ARP that claims another one |
//! | `restricted` | all but IPv4, IPv6 and ARP: tags, spanning trees, discovery of neighbours |
//! | `ip-nospoof` | IP, ARP, neighbour discovery with an address that is not the zone's (1) |
//! | `dhcp-nospoof` | answers of DHCP servers; requests for another hardware address |
//!
//! (1) And router advertisements, redirects, all that `restricted` drops.
//!
//! With `ip-nospoof`, IPv6 may use the link-local address of the hardware address, too.
//!
//! Source: `link-protection` of dladm(8), RFC 826, RFC 4861, RFC 2131.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use rustix::io::Errno;

use crate::nft::{Batch, Family, Hook, Rule, field};
use crate::{IfName, Mac, NetError, Netlink};

const IP: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IP6: [u8; 2] = [0x86, 0xdd];
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const NOBODY: [u8; 4] = [0; 4];
const NOBODY6: [u8; 16] = [0; 16];

/// What of a zone's traffic is checked, see the table of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own")]
pub struct Protection {
    /// `mac-nospoof`.
    pub mac: bool,
    /// `restricted`.
    pub restricted: bool,
    /// `ip-nospoof`.
    pub ip: bool,
    /// `dhcp-nospoof`.
    pub dhcp: bool,
}

/// Why a text is no link protection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no link protection: use `none` or some of mac-nospoof, restricted, ip-nospoof, dhcp-nospoof"
)]
pub struct ProtectionError(pub String);

impl Protection {
    /// Nothing is checked.
    pub const NONE: Self = Self {
        mac: false,
        restricted: false,
        ip: false,
        dhcp: false,
    };

    /// What an interface gets whose configuration does not say: addresses are checked where there
    /// are some, and a zone that does not configure itself has no business with DHCP.
    #[must_use]
    pub const fn usual(shared: bool, has_addresses: bool) -> Self {
        Self {
            mac: true,
            restricted: true,
            ip: shared || has_addresses,
            dhcp: shared,
        }
    }
}

impl FromStr for Protection {
    type Err = ProtectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut protection = Self::NONE;
        if text == "none" {
            return Ok(protection);
        }
        for word in text.split(',').map(str::trim) {
            match word {
                "mac-nospoof" => protection.mac = true,
                "restricted" => protection.restricted = true,
                "ip-nospoof" => protection.ip = true,
                "dhcp-nospoof" => protection.dhcp = true,
                other => return Err(ProtectionError(other.to_owned())),
            }
        }
        Ok(protection)
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = [
            (self.mac, "mac-nospoof"),
            (self.restricted, "restricted"),
            (self.ip, "ip-nospoof"),
            (self.dhcp, "dhcp-nospoof"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
        .collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

/// A guard on one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The host's end of the pair.
    pub port: IfName,
    /// The hardware address of the zone's end.
    pub mac: Mac,
    /// The addresses of the zone.
    pub addresses: Vec<IpAddr>,
    /// What is checked.
    pub protection: Protection,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guard {} ({}): {}", self.port, self.protection, self.mac)?;
        if self.protection.ip {
            self.addresses
                .iter()
                .try_for_each(|one| write!(f, " {one}"))?;
        }
        Ok(())
    }
}

/// The link-local address that the kernel makes of a hardware address. Source: RFC 4291, 2.5.6.
fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0xfe, 0x80]);
    bytes[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    bytes.into()
}

impl Guard {
    fn rules(&self) -> Vec<Rule> {
        let Protection {
            mac,
            restricted,
            ip,
            dhcp,
        } = self.protection;
        let rule = Rule::default;
        let mut rules = Vec::new();
        if mac {
            rules.push(rule().without_field(field::ETHER_SOURCE, self.mac.0).drop());
            let claims = rule().with_field(field::ETHER_TYPE, ARP);
            rules.push(
                claims
                    .without_field(field::ARP_SENDER_MAC, self.mac.0)
                    .drop(),
            );
        }
        if restricted || ip {
            let others = [IP, ARP, IP6];
            rules.push(rule().with_none_of(field::ETHER_TYPE, others).drop());
        }
        if dhcp {
            self.dhcp_rules(&mut rules);
        }
        if ip {
            self.v4_rules(&mut rules);
            self.v6_rules(&mut rules);
        }
        rules
    }

    fn dhcp_rules(&self, rules: &mut Vec<Rule>) {
        let port = |number: u16| number.to_be_bytes();
        let udp = |kind| {
            Rule::default()
                .with_field(field::ETHER_TYPE, kind)
                .carries(UDP)
        };
        rules.push(udp(IP).with_field(field::SOURCE_PORT, port(67)).drop());
        rules.push(udp(IP6).with_field(field::SOURCE_PORT, port(547)).drop());
        let asks = udp(IP).with_field(field::DESTINATION_PORT, port(67));
        rules.push(asks.without_field(field::DHCP_CLIENT, self.mac.0).drop());
    }

    fn v4_rules(&self, rules: &mut Vec<Rule>) {
        let mut own: Vec<[u8; 4]> = Vec::new();
        own.extend(self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(v4) => Some(v4.octets()),
            IpAddr::V6(_) => None,
        }));
        let ip = || Rule::default().with_field(field::ETHER_TYPE, IP);
        // Who has no address yet may ask for one.
        let asks = ip().with_field(field::IP_SOURCE, NOBODY).carries(UDP);
        rules.push(asks.with_field(field::PORTS, [0, 68, 0, 67]).accept());
        rules.push(ip().with_none_of(field::IP_SOURCE, &own).drop());
        let arp = || Rule::default().with_field(field::ETHER_TYPE, ARP);
        // Ethernet and IPv4, or the fields below are not where they are looked for.
        let kind = [0, 1, 8, 0, 6, 4];
        rules.push(arp().without_field(field::ARP_KIND, kind).drop());
        // Without an address one may ask whether somebody has it, and say nothing.
        let nobody = arp().with_field(field::ARP_SENDER_IP, NOBODY);
        rules.push(nobody.without_field(field::ARP_OPERATION, [0, 1]).drop());
        own.push(NOBODY);
        rules.push(arp().with_none_of(field::ARP_SENDER_IP, &own).drop());
    }

    fn v6_rules(&self, rules: &mut Vec<Rule>) {
        const ROUTER: [u8; 2] = [134, 137];
        const SOLICIT: u8 = 135;
        const ADVERTISE: u8 = 136;
        /// Multicast listeners, solicitations of routers and neighbours.
        const OF_NOBODY: [u8; 5] = [131, 132, 133, SOLICIT, 143];
        let mut own = vec![link_local(self.mac).octets()];
        own.extend(self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(v6.octets()),
        }));
        let ip = || Rule::default().with_field(field::ETHER_TYPE, IP6);
        let icmp = |kind: u8| ip().carries(ICMP6).with_field(field::ICMP6_TYPE, [kind]);
        rules.extend(ROUTER.map(|kind| icmp(kind).drop()));
        let claims = icmp(ADVERTISE).with_none_of(field::ND_TARGET, &own);
        rules.push(claims.drop());
        // Asking for an address without having one is claiming it.
        let nobody = || ip().with_field(field::IP6_SOURCE, NOBODY6);
        let claims = nobody()
            .carries(ICMP6)
            .with_field(field::ICMP6_TYPE, [SOLICIT]);
        rules.push(claims.with_none_of(field::ND_TARGET, &own).drop());
        rules.push(nobody().carries_not(ICMP6).drop());
        let other = OF_NOBODY.map(|kind| [kind]);
        let chatter = nobody().carries(ICMP6);
        rules.push(chatter.with_none_of(field::ICMP6_TYPE, other).drop());
        own.push(NOBODY6);
        rules.push(ip().with_none_of(field::IP6_SOURCE, &own).drop());
    }
}

/// Puts a guard on its port, in place of one that may be there.
pub(crate) fn set(filter: &mut Netlink, guard: &Guard) -> Result<(), NetError> {
    let chain = guard.port.as_str();
    let make = || {
        let batch = Batch::new(Family::Netdev).table(false);
        let batch = batch.chain(chain, Hook::Ingress(chain));
        let add = |batch: Batch, rule: &Rule| batch.rule(chain, rule);
        guard.rules().iter().fold(batch, add)
    };
    let mut result = filter.commit(make());
    if result == Err(Errno::EXIST) {
        // Left by a zone of the same number whose daemon was killed.
        let _ = filter.commit(Batch::new(Family::Netdev).delete_chain(chain));
        result = filter.commit(make());
    }
    result.map_err(NetError::new("guard port", chain))
}

/// Takes guards away; those that are gone are fine. Removes the table with the last one.
pub(crate) fn remove(filter: &mut Netlink, ports: &[IfName]) -> Result<(), NetError> {
    let failed = || NetError::new("remove the guards of", crate::nft::TABLE);
    let chains = filter.chains(Family::Netdev).map_err(failed())?;
    let ours = |chain: &&String| ports.iter().any(|port| port.as_str() == chain.as_str());
    let found: Vec<&String> = chains.iter().filter(ours).collect();
    if found.is_empty() {
        return Ok(());
    }
    let batch = Batch::new(Family::Netdev);
    let batch = if found.len() == chains.len() {
        batch.delete_table()
    } else {
        let each = |batch: Batch, chain: &&String| batch.delete_chain(chain);
        found.iter().fold(batch, each)
    };
    match filter.commit(batch) {
        // Older kernels remove a chain with its link, which goes at the same time.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed()(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_reads_and_prints() {
        for text in [
            "none",
            "mac-nospoof",
            "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof",
        ] {
            assert_eq!(text.parse::<Protection>().unwrap().to_string(), text);
        }
        for bad in ["", "ip", "none,restricted", "ip-nospoof,"] {
            assert!(bad.parse::<Protection>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_kernels_link_local_address() {
        let mac = Mac([0x02, 0x08, 0x20, 0x01, 0x02, 0x03]);
        assert_eq!(link_local(mac).to_string(), "fe80::8:20ff:fe01:203");
    }

    #[test]
    fn each_protection_has_rules_of_its_own() {
        let guard = |text: &str| Guard {
            port: "zv1.0".parse().unwrap(),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            addresses: vec!["192.0.2.1".parse().unwrap()],
            protection: text.parse().unwrap(),
        };
        let count = |text: &str| guard(text).rules().len();
        assert_eq!(count("none"), 0);
        assert_eq!(count("mac-nospoof"), 2);
        assert_eq!(count("restricted"), 1);
        assert_eq!(count("dhcp-nospoof"), 3);
        let all = "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof";
        assert_eq!(count(all), 5 + count("ip-nospoof"));
    }
}
