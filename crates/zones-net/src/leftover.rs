//! What outlives the network namespace of a zone, and is taken away when the zone is down.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::str::FromStr;

use rustix::io::Errno;
use zones_types::ZoneId;

use crate::apply::{LEAVING, remove_bridge_without, remove_idle_bridge};
use crate::{
    DEFAULT_BRIDGE, IfName, IpNet, MovedLink, Neighbour, NetError, Netlink, Plan, Settings, Step,
    guard, uplink,
};

/// One thing that a zone's network leaves on the host. Prints as one line and reads back, so that
/// whoever comes after a crash can take it away; what is gone already is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// The zone uses a bridge that goes with its last port.
    Bridge(IfName),
    /// A pair: its end on the host, with its guard, and the name in the zone.
    Port(IfName, IfName),
    /// A link of the host.
    Moved(Box<MovedLink>),
    /// The host answers for an address on a link.
    Proxy(IfName, IpAddr),
    /// A route to the zone by a link that stays.
    Route(IfName, IpNet),
    /// An address with an uplink.
    Uplink(IpAddr),
    /// The zone needs settings of the host.
    Settings,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge(bridge) => write!(f, "bridge {bridge}"),
            Self::Port(port, zone) => write!(f, "port {port} {zone}"),
            Self::Moved(moved) => moved.fmt(f),
            Self::Proxy(link, address) => write!(f, "proxy {link} {address}"),
            Self::Route(link, to) => write!(f, "route {link} {to}"),
            Self::Uplink(address) => write!(f, "uplink {address}"),
            Self::Settings => f.write_str("settings"),
        }
    }
}

impl FromStr for Leftover {
    type Err = Errno;

    fn from_str(line: &str) -> Result<Self, Errno> {
        fn read<T: FromStr>(text: &str) -> Result<T, Errno> {
            text.parse().map_err(|_| Errno::INVAL)
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["bridge", bridge] => Ok(Self::Bridge(read(bridge)?)),
            ["port", port, zone] => Ok(Self::Port(read(port)?, read(zone)?)),
            ["link", ..] => Ok(Self::Moved(Box::new(line.parse()?))),
            ["proxy", link, address] => Ok(Self::Proxy(read(link)?, read(address)?)),
            ["route", link, to] => Ok(Self::Route(read(link)?, read(to)?)),
            ["uplink", address] => Ok(Self::Uplink(read(address)?)),
            ["settings"] => Ok(Self::Settings),
            _ => Err(Errno::INVAL),
        }
    }
}

impl Plan {
    /// What is to be noted before the plan is applied.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Leftover> {
        let mut all: Vec<Leftover> = self.steps.iter().filter_map(of).collect();
        let settings = |step: &Step| match step {
            Step::Forwarding { .. } => true,
            Step::HostSetting { kept, .. } => *kept,
            _ => false,
        };
        if self.steps.iter().any(settings) {
            all.push(Leftover::Settings);
        }
        all
    }
}

fn of(step: &Step) -> Option<Leftover> {
    match step {
        Step::EnsureBridge { bridge, .. } => Some(Leftover::Bridge(bridge.clone())),
        Step::AddVeth { host, zone, .. } => Some(Leftover::Port(host.clone(), zone.clone())),
        Step::MoveLink(moved) => Some(Leftover::Moved(moved.clone())),
        Step::HostProxy { link, address } => Some(Leftover::Proxy(link.clone(), *address)),
        Step::HostRoute { link, to } if link.as_str() == DEFAULT_BRIDGE => {
            Some(Leftover::Route(link.clone(), *to))
        }
        Step::Uplink { address } => Some(Leftover::Uplink(*address)),
        _ => None,
    }
}

/// Takes away what other programs of the host see of a zone: routes, answers, bridges. Its
/// processes may live still; nothing that guards them goes. Does as much as it can.
///
/// Errors: the first refusal of the kernel.
pub fn detach(left: &[Leftover], zone: ZoneId) -> Result<(), NetError> {
    let mut host = Netlink::open()?;
    let mut first = Ok(());
    for one in left.iter().rev() {
        let done = match one {
            Leftover::Proxy(link, address) => on_link(&mut host, link, |host, link| {
                host.delete_proxy(&Neighbour {
                    address: *address,
                    link,
                })
            }),
            Leftover::Route(link, to) => {
                on_link(&mut host, link, |host, link| host.delete_route(*to, link))
            }
            Leftover::Bridge(bridge) => remove_bridge_without(&mut host, bridge, zone).map(drop),
            Leftover::Port(port, _) => {
                // One that is gone by now needs no mark.
                let _ = host.set_alias(port, LEAVING);
                Ok(())
            }
            _ => Ok(()),
        };
        first = first.and(done);
    }
    first
}

/// The same for one interface of a zone that goes on: a bridge stays while the zone has other
/// ports.
pub(crate) fn detach_one(left: &[Leftover], zone: ZoneId) -> Result<(), NetError> {
    let (bridges, rest): (Vec<_>, Vec<_>) = left
        .iter()
        .cloned()
        .partition(|one| matches!(one, Leftover::Bridge(_)));
    let mut first = detach(&rest, zone);
    let mut host = Netlink::open()?;
    for one in bridges {
        if let Leftover::Bridge(bridge) = one {
            let done = remove_idle_bridge(&mut host, &bridge).map(drop);
            first = first.and(done);
        }
    }
    first
}

/// Takes away the rest, once no process of the zone is left: guards, uplinks, links that were lent.
/// `netns` is what stands of the zone's network; without it the kernel has returned hardware to the
/// first namespace of the host. Links of the zone itself die with its namespace, and are not
/// deleted here because that would take 30 ms for each veth. `settings` are put back when they
/// are given:
/// when no other zone needs them. `filter` is opened when it is needed: the kernel waits some 20 ms
/// when it is closed after rules went, so it is for the caller to drop, when nobody waits. Does as
/// much as it can.
///
/// Errors: the first refusal of the kernel.
pub fn release(
    left: &[Leftover],
    netns: Option<BorrowedFd<'_>>,
    settings: Option<&Settings>,
    filter: &mut Option<Netlink>,
) -> Result<(), NetError> {
    let mut first = Ok(());
    let mut ports = Vec::new();
    let mut uplinks = Vec::new();
    let mut lent = Vec::new();
    for one in left {
        match one {
            Leftover::Port(port, _) => ports.push(port.clone()),
            Leftover::Uplink(address) => uplinks.push(*address),
            Leftover::Moved(moved) => lent.push(moved),
            _ => {}
        }
    }
    if !lent.is_empty() {
        let mut host = Netlink::open()?;
        let mut zone = netns.map(Netlink::open_in).transpose()?;
        for moved in lent {
            let done = moved.take_back(&mut host, zone.as_mut());
            first = first.and(done);
        }
    }
    if !ports.is_empty() || !uplinks.is_empty() {
        let filter = match filter {
            Some(filter) => filter,
            None => filter.insert(Netlink::open_filter()?),
        };
        let unlinked = uplink::remove(filter, &uplinks);
        let unguarded = guard::remove(filter, &ports);
        first = first.and(unlinked).and(unguarded);
    }
    if let Some(settings) = settings {
        settings.put_back();
    }
    first
}

/// Does something with a link of the host, unless it is gone.
fn on_link(
    host: &mut Netlink,
    link: &IfName,
    body: impl FnOnce(&mut Netlink, u32) -> Result<(), NetError>,
) -> Result<(), NetError> {
    match host.link(link)? {
        Some(found) => body(host, found.index),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_read_back() {
        for line in [
            "bridge zbr0",
            "port zv1.0 net0",
            "link eth1 net0 index=4 up=true mtu=1500 queue=1000",
            "link eth1 eth1 index=4 up=false mtu=1500 queue=0 kind=veth inside=7 \
             mac=02:00:00:00:00:01 permanent=02:00:00:00:00:02 name=enp1s0 name=lan \
             address=192.0.2.1/24 address=2001:db8::1/64 alias=to the left",
            "proxy eth0 192.0.2.7",
            "route zbr0 192.0.2.7/32",
            "uplink 2001:db8::7",
            "settings",
        ] {
            assert_eq!(line.parse::<Leftover>().unwrap().to_string(), line);
        }
        for bad in ["", "rm -rf /", "link eth1", "link eth1 eth1 up=7", "uplink"] {
            assert!(bad.parse::<Leftover>().is_err(), "{bad}");
        }
    }
}
