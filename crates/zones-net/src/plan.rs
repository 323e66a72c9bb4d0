//! From the interfaces of a zone to the steps that make them.
//!
//! | mode | `physical` / lower link | what the zone gets |
//! |---|---|---|
//! | exclusive | lower link, or else `physical`, is a bridge | veth, a port of the bridge |
//! | exclusive | lower link is another link | macvlan on it, or its VLAN when a tag is given |
//! | exclusive | `physical` is another link of the host | that link itself |
//! | exclusive | neither exists | veth on the bridge [`DEFAULT_BRIDGE`], made when missing |
//! | shared | `physical` is a bridge | veth, a port of it, addressed from outside |
//! | shared | `physical` is another link | veth, routed by the host, addressed from outside |
//!
//! Who names [`DEFAULT_BRIDGE`] itself gets it as well, made when missing. On it, the host is the
//! router of each address (see [`Step::Uplink`]), unless the bridge is one of the administrator.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zones_types::ZoneId;

use crate::guard::{Guard, Protection};
use crate::{Address, Gateway, IfName, IpNet, Link, LinkKind, Mac, MovedLink};

/// The bridge of zones whose configuration names no link of the host.
pub const DEFAULT_BRIDGE: &str = "zbr0";

/// The host's end of a routed interface, the same for all: it is on a link of two.
const ROUTER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1));
const ROUTER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// How an interface belongs to the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The zone owns its interface and configures it.
    Exclusive {
        /// `physical`: the interface as the zone sees it.
        physical: IfName,
        /// `global-nic`: the link of the host it is made on.
        lower: Option<IfName>,
    },
    /// The host owns it: the zone sees its addresses and can change nothing.
    Shared {
        /// `physical`: the link of the host that the addresses are on.
        physical: IfName,
    },
}

/// One network interface of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name inside the zone.
    pub name: IfName,
    /// How it belongs to the zone.
    pub mode: Mode,
    /// `address` or `allowed-address`; may be empty.
    pub addresses: Vec<IpNet>,
    /// Whether the zone finds them set, and its router; else it sets them itself, and no others
    /// where it is guarded.
    pub configure: bool,
    /// `defrouter`. A routed interface always goes through the host.
    pub defrouter: Option<IpAddr>,
    /// `mac-addr`; unset is [`Interface::own_mac`], or that of the hardware.
    pub mac: Option<Mac>,
    /// What a link that is made for the zone gets when nothing is configured, see
    /// [`crate::mac_for`]; `None` is another one each time it is made.
    pub own_mac: Option<Mac>,
    /// `vlan-id`, 1 to 4094.
    pub vlan: Option<u16>,
    /// Largest packet, bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// `link-protection`; unset is [`Protection::usual`].
    pub protection: Option<Protection>,
    /// `uplink`: whether the host routes for the addresses on the default bridge.
    pub uplink: bool,
}

/// What there is on the host.
#[derive(Debug, Clone, Default)]
pub struct HostView {
    /// Its links.
    pub links: Vec<Link>,
    /// Their addresses.
    pub addresses: Vec<Address>,
}

/// One thing to do; prints as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the printed line says")]
pub enum Step {
    /// Makes the bridge when it is missing.
    EnsureBridge { bridge: IfName, mac: Mac },
    /// A pair, one end in the zone; the host's end is down.
    AddVeth {
        host: IfName,
        zone: IfName,
        mac: Mac,
        mtu: Option<u32>,
    },
    /// Rules on the host's end.
    Guard(Guard),
    /// Brings the host's end up, as a port of a bridge where one is given.
    HostUp {
        link: IfName,
        bridge: Option<IfName>,
    },
    /// A macvlan in the zone.
    AddMacvlan {
        lower: IfName,
        zone: IfName,
        mac: Mac,
        mtu: Option<u32>,
    },
    /// A VLAN in the zone.
    AddVlan {
        lower: IfName,
        zone: IfName,
        id: u16,
        mac: Mac,
        mtu: Option<u32>,
    },
    /// Moves a link of the host into the zone; it comes back by [`crate::release`].
    MoveLink(Box<MovedLink>),
    /// A setting below `/proc/sys/net`; one of a link that stays is kept and put back.
    HostSetting {
        link: IfName,
        family: &'static str,
        key: &'static str,
        value: &'static str,
        kept: bool,
    },
    /// Makes the host a router for IPv4, or else IPv6.
    Forwarding { v4: bool },
    /// An address on the host's end.
    HostAddress { link: IfName, net: IpNet },
    /// A route on the host.
    HostRoute { link: IfName, to: IpNet },
    /// The host answers for the address on that link.
    HostProxy { link: IfName, address: IpAddr },
    /// Lets an address on the default bridge out, behind the addresses of the host.
    Uplink { address: IpAddr },
    /// Brings an interface up in the zone.
    ZoneUp { link: IfName },
    /// Sets the hardware address and size of an interface that was moved in.
    ZoneTune {
        link: IfName,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    /// An address in the zone.
    ZoneAddress { link: IfName, net: IpNet },
    /// The default route in the zone.
    ZoneRouter { link: IfName, via: Gateway },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureBridge { bridge, .. } => write!(f, "bridge {bridge}"),
            Self::Guard(guard) => guard.fmt(f),
            Self::HostUp {
                link,
                bridge: Some(bridge),
            } => write!(f, "{link} up, on bridge {bridge}"),
            Self::HostUp { link, .. } => write!(f, "{link} up"),
            Self::Forwarding { v4: true } => f.write_str("forward IPv4"),
            Self::Forwarding { v4: false } => f.write_str("forward IPv6"),
            Self::Uplink { address } => write!(f, "uplink for {address}"),
            Self::AddVeth { host, zone, .. } => write!(f, "veth {host}, {zone} in the zone"),
            Self::AddMacvlan { lower, zone, .. } => {
                write!(f, "macvlan on {lower}, {zone} in the zone")
            }
            Self::AddVlan {
                lower, zone, id, ..
            } => {
                write!(f, "vlan {id} of {lower}, {zone} in the zone")
            }
            Self::MoveLink(moved) => {
                write!(f, "move {} into the zone as {}", moved.link, moved.zone)
            }
            Self::HostSetting {
                link,
                family,
                key,
                value,
                ..
            } => {
                write!(f, "set net/{family}/conf/{link}/{key} = {value}")
            }
            Self::HostAddress { link, net } => write!(f, "address {net} on {link}"),
            Self::HostRoute { link, to } => write!(f, "route {to} to {link}"),
            Self::HostProxy { link, address } => write!(f, "answer for {address} on {link}"),
            Self::ZoneUp { link } => write!(f, "zone: {link} up"),
            Self::ZoneTune { link, .. } => write!(f, "zone: address and mtu of {link}"),
            Self::ZoneAddress { link, net } => write!(f, "zone: address {net} on {link}"),
            Self::ZoneRouter { link, via } => {
                write!(f, "zone: default route by {} on {link}", via.address)
            }
        }
    }
}

/// What is to be done for a zone, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What the configuration asks for and this plan does not give, and why.
    pub not_enforced: Vec<(&'static str, String)>,
}

/// Why the interfaces cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A link of the host that is named does not exist.
    #[error("net physical={physical}: the host has no link `{lower}`; make it or correct the name")]
    NoLower {
        /// The interface.
        physical: IfName,
        /// The missing link.
        lower: IfName,
    },
    /// A tag where none can be set.
    #[error("net physical={0}: vlan-id needs global-nic to be a network interface, not a bridge")]
    VlanNeedsNic(IfName),
    /// A tag out of range.
    #[error("net physical={0}: vlan-id {1} is not between 1 and 4094")]
    VlanRange(IfName, u16),
    /// The loopback cannot leave the host.
    #[error("net physical={0}: the loopback of the host cannot be given to a zone")]
    Loopback(IfName),
    /// Two interfaces with one name.
    #[error("net physical={0}: the zone has two interfaces of that name")]
    Twice(IfName),
}

/// Makes the steps for the interfaces of one zone.
pub fn plan(host: &HostView, zone: ZoneId, interfaces: &[Interface]) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for (number, interface) in interfaces.iter().enumerate() {
        if interfaces[..number]
            .iter()
            .any(|other| other.name == interface.name)
        {
            return Err(PlanError::Twice(interface.name.clone()));
        }
        let one = plan_one(host, zone, number, interface)?;
        plan.steps.extend(one.steps);
        plan.not_enforced.extend(one.not_enforced);
    }
    Ok(plan)
}

/// The same for one interface, the one of that number: for a zone that runs already, any number
/// that none of its interfaces has.
pub fn plan_one(
    host: &HostView,
    zone: ZoneId,
    number: usize,
    interface: &Interface,
) -> Result<Plan, PlanError> {
    if let Some(tag) = interface.vlan.filter(|tag| !(1..=4094).contains(tag)) {
        return Err(PlanError::VlanRange(interface.name.clone(), tag));
    }
    let end = format!("{}{number}", end_prefix(zone));
    let end = end
        .parse()
        .expect("ids have five digits, and no zone has millions of interfaces");
    let mut work = Work {
        plan: Plan::default(),
        host,
        interface,
        mac: interface
            .mac
            .or(interface.own_mac)
            .unwrap_or_else(Mac::random),
        end,
    };
    match &interface.mode {
        Mode::Exclusive { physical, lower } => work.exclusive(physical, lower.as_ref())?,
        Mode::Shared { physical } => work.shared(physical)?,
    }
    Ok(work.plan)
}

/// How the host's ends of a zone's pairs begin; the number of the interface follows.
pub(crate) fn end_prefix(zone: ZoneId) -> String {
    format!("zv{zone}.")
}

/// The zone whose pair has this end on the host, such as 7 of `zv7.0`.
#[must_use]
pub fn zone_of(link: &str) -> Option<ZoneId> {
    let (id, number) = link.strip_prefix("zv")?.split_once('.')?;
    number.parse::<u16>().ok()?;
    id.parse().ok().map(ZoneId)
}

/// What stands below an interface.
enum Below<'a> {
    /// A bridge, and whether it is ours to make.
    Bridge(IfName, bool),
    Link(&'a Link),
}

/// The plan of one interface, growing.
struct Work<'a> {
    plan: Plan,
    host: &'a HostView,
    interface: &'a Interface,
    /// What a link that is made for it gets.
    mac: Mac,
    /// The host's end of its pair.
    end: IfName,
}

impl<'a> Work<'a> {
    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    /// `named` is `global-nic`, or else `physical`; only `physical` may be a name for the zone.
    fn below(&self, named: &IfName, must_exist: bool) -> Result<Below<'a>, PlanError> {
        let found = self.host.links.iter();
        let found = found.clone().find(|link| link.name == named.as_str());
        let default = || DEFAULT_BRIDGE.parse().expect("a valid name");
        match found {
            Some(link) if link.kind == LinkKind::Bridge => {
                let ours = link.name == DEFAULT_BRIDGE && link.is_ours();
                Ok(Below::Bridge(named.clone(), ours))
            }
            Some(link) => Ok(Below::Link(link)),
            None if named.as_str() == DEFAULT_BRIDGE || !must_exist => {
                let mut links = self.host.links.iter();
                let foreign = links.any(|link| link.name == DEFAULT_BRIDGE && !link.is_ours());
                Ok(Below::Bridge(default(), !foreign))
            }
            None => Err(PlanError::NoLower {
                physical: self.interface.name.clone(),
                lower: named.clone(),
            }),
        }
    }

    fn exclusive(&mut self, physical: &IfName, lower: Option<&IfName>) -> Result<(), PlanError> {
        let interface = self.interface;
        let mac = self.mac;
        let (zone, mtu) = (interface.name.clone(), interface.mtu);
        match (
            self.below(lower.unwrap_or(physical), lower.is_some())?,
            lower,
        ) {
            (Below::Bridge(bridge, ours), _) => return self.port(physical, &bridge, ours, false),
            (Below::Link(link), _) if link.kind == LinkKind::Loopback => {
                return Err(PlanError::Loopback(physical.clone()));
            }
            (Below::Link(_), Some(lower)) => {
                let lower = lower.clone();
                self.step(match interface.vlan {
                    Some(id) => Step::AddVlan {
                        lower,
                        zone,
                        id,
                        mac,
                        mtu,
                    },
                    None => Step::AddMacvlan {
                        lower,
                        zone,
                        mac,
                        mtu,
                    },
                });
            }
            (Below::Link(_), None) if interface.vlan.is_some() => {
                return Err(PlanError::VlanNeedsNic(physical.clone()));
            }
            (Below::Link(link), None) => self.lend(link, physical),
        }
        let asked = interface.protection.is_some_and(|p| p != Protection::NONE);
        if asked || (!interface.addresses.is_empty() && interface.protection.is_none()) {
            let why = format!(
                "the host has no end of {} that it could guard; it has one with a bridge as \
                 global-nic",
                interface.name
            );
            self.plan.not_enforced.push(("link-protection", why));
        }
        self.addresses();
        Ok(())
    }

    fn lend(&mut self, link: &Link, physical: &IfName) {
        let Interface { name, mac, mtu, .. } = self.interface;
        let has = self.host.addresses.iter();
        let has = has.filter(|address| address.link == link.index && !is_link_local(address.net));
        self.step(Step::MoveLink(Box::new(MovedLink {
            link: physical.clone(),
            zone: name.clone(),
            inside: None,
            before: link.clone(),
            addresses: has.map(|address| address.net).collect(),
        })));
        if mac.is_some() || mtu.is_some() {
            self.step(Step::ZoneTune {
                link: name.clone(),
                mac: *mac,
                mtu: *mtu,
            });
        }
    }

    fn shared(&mut self, physical: &IfName) -> Result<(), PlanError> {
        match self.below(physical, true)? {
            Below::Bridge(bridge, ours) => self.port(physical, &bridge, ours, true),
            Below::Link(_) if self.interface.vlan.is_some() => {
                Err(PlanError::VlanNeedsNic(physical.clone()))
            }
            Below::Link(link) => {
                let loopback = link.kind == LinkKind::Loopback;
                self.routed(physical, loopback);
                Ok(())
            }
        }
    }

    /// A port of a bridge.
    fn port(
        &mut self,
        physical: &IfName,
        bridge: &IfName,
        ours: bool,
        shared: bool,
    ) -> Result<(), PlanError> {
        if self.interface.vlan.is_some() {
            return Err(PlanError::VlanNeedsNic(physical.clone()));
        }
        if bridge.as_str() == DEFAULT_BRIDGE {
            // Of its own on each host.
            let mac = crate::mac_for(&self.mac.to_string(), bridge);
            let bridge = bridge.clone();
            self.step(Step::EnsureBridge { bridge, mac });
        }
        self.pair(shared, Some(bridge.clone()));
        let routes = if ours && self.interface.uplink {
            self.uplinks(bridge)
        } else {
            Vec::new()
        };
        self.addresses();
        for via in routes {
            self.router(via);
        }
        Ok(())
    }

    /// The pair, guarded before a frame can pass.
    fn pair(&mut self, shared: bool, bridge: Option<IfName>) {
        let interface = self.interface;
        let mac = self.mac;
        let (port, zone) = (self.end.clone(), interface.name.clone());
        self.step(Step::AddVeth {
            host: port.clone(),
            zone,
            mac,
            mtu: interface.mtu,
        });
        let addresses: Vec<IpAddr> = interface.addresses.iter().map(|net| net.address).collect();
        let usual = Protection::usual(shared, !addresses.is_empty());
        let protection = interface.protection.unwrap_or(usual);
        if protection != Protection::NONE {
            self.step(Step::Guard(Guard {
                port: port.clone(),
                mac,
                addresses,
                protection,
            }));
        }
        self.step(Step::HostUp { link: port, bridge });
    }

    /// Makes the host the router of the addresses on the default bridge. Returns what routes the
    /// zone gets.
    fn uplinks(&mut self, bridge: &IfName) -> Vec<Gateway> {
        let interface = self.interface;
        let mut gateways = Vec::new();
        for v4 in [true, false] {
            let nets = interface
                .addresses
                .iter()
                .filter(|net| net.address.is_ipv4() == v4);
            let nets: Vec<IpNet> = nets.copied().collect();
            if nets.is_empty() {
                continue;
            }
            let wanted = interface.defrouter.filter(|router| router.is_ipv4() == v4);
            let router = wanted.unwrap_or(if v4 { ROUTER_V4 } else { ROUTER_V6 });
            let used = nets.iter().map(|net| net.address).chain([router]);
            if let Some(other) = used.filter_map(|address| self.elsewhere(address)).next() {
                let why = format!(
                    "the host has the network {other} of {} on another link; give the zone an \
                     address of another network, or that link as global-nic",
                    interface.name
                );
                self.plan.not_enforced.push(("uplink", why));
                continue;
            }
            self.route_for(bridge, v4, router, &nets);
            if wanted.is_none() && interface.configure {
                gateways.push(Gateway {
                    address: router,
                    onlink: true,
                });
            }
        }
        gateways
    }

    fn route_for(&mut self, bridge: &IfName, v4: bool, router: IpAddr, nets: &[IpNet]) {
        self.step(Step::Forwarding { v4 });
        self.step(Step::HostSetting {
            link: bridge.clone(),
            family: if v4 { "ipv4" } else { "ipv6" },
            key: "forwarding",
            value: "1",
            kept: false,
        });
        // Without a route to the network: each zone has a route of its own.
        let net = match router {
            ROUTER_V6 => IpNet {
                address: router,
                prefix: 64,
            },
            other => IpNet::host(other),
        };
        let link = bridge.clone();
        self.step(Step::HostAddress { link, net });
        for net in nets {
            let (link, address) = (bridge.clone(), net.address);
            let to = IpNet::host(address);
            self.step(Step::HostRoute { link, to });
            self.step(Step::Uplink { address });
        }
    }

    /// The network of another link of the host that the address belongs to.
    fn elsewhere(&self, address: IpAddr) -> Option<IpNet> {
        let links = || self.host.links.iter();
        let bridge = links().find(|link| link.name == DEFAULT_BRIDGE);
        let bridge = bridge.map(|link| link.index);
        let mut nets = self.host.addresses.iter().filter(|one| {
            Some(one.link) != bridge && !is_link_local(one.net) && one.net.contains(address)
        });
        nets.next().map(|one| one.net)
    }

    /// An interface that the host routes to; the zone owns nothing of it.
    fn routed(&mut self, physical: &IfName, loopback: bool) {
        let interface = self.interface;
        let name = &interface.name;
        self.pair(true, None);
        let mut gateways = Vec::new();
        for v4 in [true, false] {
            let nets = interface
                .addresses
                .iter()
                .filter(|net| net.address.is_ipv4() == v4);
            let nets: Vec<IpNet> = nets.copied().collect();
            if !nets.is_empty() {
                self.routes(v4, &nets, physical, loopback);
                gateways.push(Gateway {
                    address: if v4 { ROUTER_V4 } else { ROUTER_V6 },
                    onlink: true,
                });
            }
        }
        // The zone has its address alone: with the whole network on the link it would look for its
        // neighbours there, where only the host is.
        self.step(Step::ZoneUp { link: name.clone() });
        for net in &interface.addresses {
            let net = IpNet::host(net.address);
            let link = name.clone();
            self.step(Step::ZoneAddress { link, net });
        }
        for via in gateways {
            self.router(via);
        }
    }

    /// The host's side of a routed interface, for one family.
    fn routes(&mut self, v4: bool, nets: &[IpNet], physical: &IfName, loopback: bool) {
        let family = if v4 { "ipv4" } else { "ipv6" };
        let setting = |link: &IfName, key, kept| Step::HostSetting {
            link: link.clone(),
            family,
            key,
            value: "1",
            kept,
        };
        let end = self.end.clone();
        self.step(setting(&end, "forwarding", false));
        if v4 {
            // Packets with an address that is not routed to this link are dropped, guarded or not.
            self.step(setting(&end, "rp_filter", false));
        }
        if !loopback {
            if !v4 {
                self.step(Step::Forwarding { v4 });
            }
            // A link that forwards answers for addresses that are routed elsewhere.
            self.step(setting(physical, "forwarding", true));
            if !v4 {
                self.step(setting(physical, "proxy_ndp", true));
            }
        }
        let net = IpNet {
            address: if v4 { ROUTER_V4 } else { ROUTER_V6 },
            prefix: if v4 { 32 } else { 64 },
        };
        let link = end.clone();
        self.step(Step::HostAddress { link, net });
        for net in nets {
            let (link, to) = (end.clone(), IpNet::host(net.address));
            self.step(Step::HostRoute { link, to });
            if !loopback {
                let (link, address) = (physical.clone(), net.address);
                self.step(Step::HostProxy { link, address });
            }
        }
    }

    /// The zone's side of an interface with a network of its own.
    fn addresses(&mut self) {
        let interface = self.interface;
        let link = &interface.name;
        self.step(Step::ZoneUp { link: link.clone() });
        if !interface.configure {
            return;
        }
        for net in &interface.addresses {
            let (link, net) = (link.clone(), *net);
            self.step(Step::ZoneAddress { link, net });
        }
        if let Some(address) = interface.defrouter {
            // An address without a network says nothing of where the router is: it is on the link.
            let alone = |net: &IpNet| *net == IpNet::host(net.address);
            let same_family = |net: &&IpNet| net.address.is_ipv4() == address.is_ipv4();
            let onlink = interface
                .addresses
                .iter()
                .find(same_family)
                .is_some_and(alone);
            self.router(Gateway { address, onlink });
        }
    }

    fn router(&mut self, via: Gateway) {
        let link = self.interface.name.clone();
        self.step(Step::ZoneRouter { link, via });
    }
}

fn is_link_local(net: IpNet) -> bool {
    match net.address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests;
