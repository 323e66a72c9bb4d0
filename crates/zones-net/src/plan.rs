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

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zones_types::ZoneId;

use crate::{Gateway, IfName, IpNet, Link, LinkKind, Mac};

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
    /// `defrouter`. A routed interface always goes through the host.
    pub defrouter: Option<IpAddr>,
    /// `mac-addr`; unset is random.
    pub mac: Option<Mac>,
    /// `vlan-id`, 1 to 4094.
    pub vlan: Option<u16>,
    /// Largest packet, bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
}

/// One thing to do; prints as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the printed line says")]
pub enum Step {
    /// Makes the bridge when it is missing.
    EnsureBridge { bridge: IfName },
    /// A pair, one end in the zone.
    AddVeth {
        host: IfName,
        zone: IfName,
        bridge: Option<IfName>,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    /// A macvlan in the zone.
    AddMacvlan {
        lower: IfName,
        zone: IfName,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    /// A VLAN in the zone.
    AddVlan {
        lower: IfName,
        zone: IfName,
        id: u16,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    /// Moves a link of the host into the zone; it comes back by [`crate::release`].
    MoveLink {
        link: IfName,
        zone: IfName,
        was_up: bool,
    },
    /// An interface setting on the host.
    HostSetting {
        link: IfName,
        family: &'static str,
        key: &'static str,
        value: &'static str,
    },
    /// An address on the host's end.
    HostAddress { link: IfName, net: IpNet },
    /// A route on the host.
    HostRoute { link: IfName, to: IpNet },
    /// The host answers for the address on that link.
    HostProxy { link: IfName, address: IpAddr },
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
            Self::EnsureBridge { bridge } => write!(f, "bridge {bridge}"),
            Self::AddVeth {
                host,
                zone,
                bridge: Some(bridge),
                ..
            } => {
                write!(f, "veth {host} on bridge {bridge}, {zone} in the zone")
            }
            Self::AddVeth { host, zone, .. } => write!(f, "veth {host}, {zone} in the zone"),
            Self::AddMacvlan { lower, zone, .. } => {
                write!(f, "macvlan on {lower}, {zone} in the zone")
            }
            Self::AddVlan {
                lower, zone, id, ..
            } => {
                write!(f, "vlan {id} of {lower}, {zone} in the zone")
            }
            Self::MoveLink { link, zone, .. } => write!(f, "move {link} into the zone as {zone}"),
            Self::HostSetting {
                link,
                family,
                key,
                value,
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
    /// What the configuration asks for and this plan does not give, a sentence each.
    pub not_enforced: Vec<String>,
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

/// Makes the steps for the interfaces of one zone. `host` is what [`crate::Netlink::links`] says.
pub fn plan(host: &[Link], zone: ZoneId, interfaces: &[Interface]) -> Result<Plan, PlanError> {
    plan_from(host, zone, interfaces, 0)
}

/// As [`plan`], for interfaces that a running zone gets beside those it has.
pub fn plan_more(host: &[Link], zone: ZoneId, interfaces: &[Interface]) -> Result<Plan, PlanError> {
    let prefix = end_prefix(zone);
    let number = |link: &Link| link.name.strip_prefix(&prefix)?.parse::<usize>().ok();
    let next = host
        .iter()
        .filter_map(number)
        .max()
        .map_or(0, |last| last + 1);
    plan_from(host, zone, interfaces, next)
}

/// The host's ends are numbered from `first` on.
fn plan_from(
    host: &[Link],
    zone: ZoneId,
    interfaces: &[Interface],
    first: usize,
) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for (n, interface) in interfaces.iter().enumerate() {
        if interfaces[..n]
            .iter()
            .any(|other| other.name == interface.name)
        {
            return Err(PlanError::Twice(interface.name.clone()));
        }
        if let Some(tag) = interface.vlan.filter(|tag| !(1..=4094).contains(tag)) {
            return Err(PlanError::VlanRange(interface.name.clone(), tag));
        }
        let end = format!("{}{}", end_prefix(zone), first + n);
        let end = end
            .parse()
            .expect("ids have five digits, and no zone has millions of interfaces");
        match &interface.mode {
            Mode::Exclusive { physical, lower } => {
                exclusive(&mut plan, host, interface, physical, lower.as_ref(), end)?;
            }
            Mode::Shared { physical } => shared(&mut plan, host, interface, physical, end)?,
        }
    }
    Ok(plan)
}

/// How the host's ends of a zone's pairs begin; the number of the interface follows.
pub(crate) fn end_prefix(zone: ZoneId) -> String {
    format!("zv{zone}.")
}

fn find<'a>(host: &'a [Link], name: &IfName) -> Option<&'a Link> {
    host.iter().find(|link| link.name == name.as_str())
}

fn veth(interface: &Interface, host: IfName, bridge: Option<IfName>) -> Step {
    Step::AddVeth {
        host,
        zone: interface.name.clone(),
        bridge,
        mac: interface.mac,
        mtu: interface.mtu,
    }
}

fn exclusive(
    plan: &mut Plan,
    host: &[Link],
    interface: &Interface,
    physical: &IfName,
    lower: Option<&IfName>,
    end: IfName,
) -> Result<(), PlanError> {
    let (zone, mac, mtu) = (interface.name.clone(), interface.mac, interface.mtu);
    let link = find(host, lower.unwrap_or(physical));
    let wants_bridge = match (lower, link) {
        (Some(lower), None) => {
            let (physical, lower) = (physical.clone(), lower.clone());
            return Err(PlanError::NoLower { physical, lower });
        }
        (None, None) => {
            let bridge: IfName = DEFAULT_BRIDGE.parse().expect("a valid name");
            plan.steps.push(Step::EnsureBridge {
                bridge: bridge.clone(),
            });
            Some(bridge)
        }
        (_, Some(link)) if link.kind == LinkKind::Bridge => Some(lower.unwrap_or(physical).clone()),
        (_, Some(link)) if link.kind == LinkKind::Loopback => {
            return Err(PlanError::Loopback(physical.clone()));
        }
        (_, Some(_)) => None,
    };
    if wants_bridge.is_some() && interface.vlan.is_some() {
        return Err(PlanError::VlanNeedsNic(physical.clone()));
    }
    match (wants_bridge, lower, link) {
        (Some(bridge), ..) => plan.steps.push(veth(interface, end, Some(bridge))),
        (None, Some(lower), _) => {
            let lower = lower.clone();
            plan.steps.push(match interface.vlan {
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
        (None, None, link) => {
            if interface.vlan.is_some() {
                return Err(PlanError::VlanNeedsNic(physical.clone()));
            }
            plan.steps.push(Step::MoveLink {
                link: physical.clone(),
                zone: zone.clone(),
                was_up: link.is_some_and(|link| link.up),
            });
            if mac.is_some() || mtu.is_some() {
                plan.steps.push(Step::ZoneTune {
                    link: zone,
                    mac,
                    mtu,
                });
            }
        }
    }
    if !interface.addresses.is_empty() {
        let text = format!(
            "the zone can use other addresses than those of {}",
            interface.name
        );
        plan.not_enforced.push(text);
    }
    addresses(plan, interface);
    if let Some(address) = interface.defrouter {
        router(plan, interface, address, false);
    }
    Ok(())
}

fn shared(
    plan: &mut Plan,
    host: &[Link],
    interface: &Interface,
    physical: &IfName,
    end: IfName,
) -> Result<(), PlanError> {
    let name = &interface.name;
    let Some(link) = find(host, physical) else {
        let (physical, lower) = (name.clone(), physical.clone());
        return Err(PlanError::NoLower { physical, lower });
    };
    if interface.vlan.is_some() {
        return Err(PlanError::VlanNeedsNic(physical.clone()));
    }
    if link.kind == LinkKind::Bridge {
        plan.steps
            .push(veth(interface, end, Some(physical.clone())));
        let text = format!("nothing on bridge {physical} keeps {name} to its addresses");
        plan.not_enforced.push(text);
        addresses(plan, interface);
        if let Some(address) = interface.defrouter {
            router(plan, interface, address, false);
        }
        return Ok(());
    }
    let loopback = link.kind == LinkKind::Loopback;
    plan.steps.push(veth(interface, end.clone(), None));
    let mut routers = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let of_family = |net: &&IpNet| net.address.is_ipv4() == (family == "ipv4");
        let nets: Vec<_> = interface.addresses.iter().filter(of_family).collect();
        if !nets.is_empty() {
            routed(plan, family, &nets, physical, &end, loopback);
            routers.push(if family == "ipv4" {
                ROUTER_V4
            } else {
                ROUTER_V6
            });
        }
    }
    // The zone has its address alone: with the whole network on the link it would look for its
    // neighbours there, where only the host is.
    plan.steps.push(Step::ZoneUp { link: name.clone() });
    for net in &interface.addresses {
        let net = IpNet::host(net.address);
        plan.steps.push(Step::ZoneAddress {
            link: name.clone(),
            net,
        });
    }
    for address in routers {
        router(plan, interface, address, true);
    }
    Ok(())
}

/// The host's side of a routed interface, for one family.
fn routed(
    plan: &mut Plan,
    family: &'static str,
    nets: &[&IpNet],
    physical: &IfName,
    end: &IfName,
    loopback: bool,
) {
    let setting = |link: &IfName, key, value| Step::HostSetting {
        link: link.clone(),
        family,
        key,
        value,
    };
    plan.steps.push(setting(end, "forwarding", "1"));
    if family == "ipv4" {
        // Packets with an address that is not routed to this link are dropped: the guard against
        // borrowed addresses.
        plan.steps.push(setting(end, "rp_filter", "1"));
    }
    match (family, loopback) {
        (_, true) => {}
        ("ipv4", _) => plan.steps.push(setting(physical, "forwarding", "1")),
        _ => {
            // Forwarding on the link itself would end its own automatic configuration.
            plan.steps.push(setting(physical, "proxy_ndp", "1"));
            let text = format!("IPv6 of {end} needs net.ipv6.conf.all.forwarding=1 on the host");
            plan.not_enforced.push(text);
        }
    }
    let router = if family == "ipv4" {
        ROUTER_V4
    } else {
        ROUTER_V6
    };
    let net = IpNet {
        address: router,
        prefix: if family == "ipv4" { 32 } else { 64 },
    };
    let link = end.clone();
    plan.steps.push(Step::HostAddress { link, net });
    for net in nets {
        let (link, to) = (end.clone(), IpNet::host(net.address));
        plan.steps.push(Step::HostRoute { link, to });
        if !loopback {
            let (link, address) = (physical.clone(), net.address);
            plan.steps.push(Step::HostProxy { link, address });
        }
    }
}

fn addresses(plan: &mut Plan, interface: &Interface) {
    let link = &interface.name;
    plan.steps.push(Step::ZoneUp { link: link.clone() });
    for net in &interface.addresses {
        let (link, net) = (link.clone(), *net);
        plan.steps.push(Step::ZoneAddress { link, net });
    }
}

fn router(plan: &mut Plan, interface: &Interface, address: IpAddr, onlink: bool) {
    plan.steps.push(Step::ZoneRouter {
        link: interface.name.clone(),
        via: Gateway { address, onlink },
    });
}

#[cfg(test)]
mod tests;
