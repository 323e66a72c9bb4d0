//! Running a plan, undoing it when it fails, and what is left to do when the zone is down.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use zones_types::ZoneId;

use crate::link::Birth;
use crate::plan::{end_prefix, zone_of};
use crate::{
    DEFAULT_BRIDGE, HostView, IfName, IpNet, Leftover, Link, Mac, MovedLink, Neighbour, NetError,
    Netlink, NewLink, Plan, Route, Settings, Step, guard, leftover, setting, uplink,
};

/// Tells our bridges from those of the administrator.
pub(crate) const OURS: &str = "zones";

/// Marks ports of a zone that halts.
pub(crate) const LEAVING: &str = "zones: leaving";

/// How often a bridge is made again that somebody removes who does not share our lock.
const TRIES: usize = 5;

/// Both sides, with the numbers of the links that were asked for once.
struct Sides<'a> {
    host: Netlink,
    zone: Netlink,
    /// Opened by the first rule.
    filter: Option<Netlink>,
    netns: BorrowedFd<'a>,
    settings: &'a Settings,
    bridge_mac: Option<Mac>,
    numbers: HashMap<(bool, IfName), u32>,
    undo: Vec<Undo>,
    left: Vec<Leftover>,
}

/// How to take a step back.
enum Undo {
    DeleteLink(IfName),
    DeleteZoneLink(IfName),
    RemoveBridge(IfName),
    Release(Leftover),
}

/// Makes the interfaces of a zone: from the namespace of this thread into `netns`, loopback
/// included. Settings of the host that it changes are noted in `settings`, and are for the caller
/// to put back, as only they know which other zones need them.
///
/// Returns what is left when the zone is down: [`Plan::leftovers`], and more exactly where the
/// links of the host are. The caller lets one zone at a time in here, and into [`crate::detach`]
/// and [`crate::release`].
///
/// Errors: the first step that the kernel refused; what was made before it is undone.
pub fn apply(
    plan: &Plan,
    netns: BorrowedFd<'_>,
    settings: &Settings,
) -> Result<Vec<Leftover>, NetError> {
    let mut sides = Sides {
        host: Netlink::open()?,
        zone: Netlink::open_in(netns)?,
        filter: None,
        netns,
        settings,
        bridge_mac: None,
        numbers: HashMap::new(),
        undo: Vec::new(),
        left: plan.leftovers(),
    };
    let result = sides.zone.loopback_up();
    match result.and_then(|()| plan.steps.iter().try_for_each(|step| sides.run(step))) {
        Ok(()) => Ok(sides.left),
        Err(error) => {
            // The error that is told is the first; a failing undo would only hide it.
            while let Some(step) = sides.undo.pop() {
                let _ = sides.take_back(step);
            }
            Err(error)
        }
    }
}

/// Removes one interface of a zone that goes on: what [`apply`] returned for the plan of it alone.
///
/// Errors: the first refusal of the kernel; the rest is removed all the same.
pub fn remove(
    left: &[Leftover],
    zone: ZoneId,
    name: &IfName,
    netns: BorrowedFd<'_>,
    settings: Option<&Settings>,
) -> Result<(), NetError> {
    let mut host = Netlink::open()?;
    let mut first = Ok(());
    let mut inside = true;
    for one in left {
        let done = match one {
            // With its end here goes the one in the zone, whatever its name is by now.
            Leftover::Port(port, _) => {
                inside = false;
                host.delete_link(port).or_else(gone)
            }
            Leftover::Moved(_) => {
                inside = false;
                Ok(())
            }
            _ => Ok(()),
        };
        first = first.and(done);
    }
    if inside {
        let done = Netlink::open_in(netns).and_then(|mut zone| zone.delete_link(name));
        let done = done.or_else(gone);
        first = first.and(done);
    }
    let detached = leftover::detach_one(left, zone);
    let released = crate::release(left, Some(netns), settings, &mut None);
    first.and(detached).and(released)
}

fn gone(error: NetError) -> Result<(), NetError> {
    match error.source {
        Errno::NODEV => Ok(()),
        _ => Err(error),
    }
}

impl Netlink {
    /// What there is on the host, to plan with.
    pub fn view(&mut self) -> Result<HostView, NetError> {
        Ok(HostView {
            links: self.links()?,
            addresses: self.addresses()?,
        })
    }
}

impl Sides<'_> {
    /// The number of a link; asked for once.
    fn number(&mut self, in_zone: bool, name: &IfName) -> Result<u32, NetError> {
        let key = (in_zone, name.clone());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let side = if in_zone {
            &mut self.zone
        } else {
            &mut self.host
        };
        let number = side.index(name)?;
        self.numbers.insert(key, number);
        Ok(number)
    }

    fn filter(&mut self) -> Result<&mut Netlink, NetError> {
        if self.filter.is_none() {
            self.filter = Some(Netlink::open_filter()?);
        }
        Ok(self.filter.as_mut().expect("opened above"))
    }

    fn run(&mut self, step: &Step) -> Result<(), NetError> {
        let netns = Some(self.netns);
        match step {
            Step::EnsureBridge { bridge, mac } => {
                self.bridge_mac = Some(*mac);
                self.ensure_bridge(bridge)?;
            }
            Step::AddVeth {
                host,
                zone,
                mac,
                mtu,
            } => {
                let (mac, mtu) = (Some(*mac), *mtu);
                let new = NewLink::Veth { peer: zone };
                self.host.add_link(host, new, &Birth { netns, mac, mtu })?;
                self.undo.push(Undo::DeleteLink(host.clone()));
            }
            Step::Guard(guard) => {
                guard::set(self.filter()?, guard)?;
                let (port, zone) = (guard.port.clone(), guard.port.clone());
                self.undo.push(Undo::Release(Leftover::Port(port, zone)));
            }
            Step::HostUp { link, bridge: None } => self.host.set_up(link)?,
            Step::HostUp {
                link,
                bridge: Some(bridge),
            } => self.join(link, bridge)?,
            Step::AddMacvlan {
                lower,
                zone,
                mac,
                mtu,
            } => {
                let (mac, mtu) = (Some(*mac), *mtu);
                let lower = self.number(false, lower)?;
                let birth = Birth { netns, mac, mtu };
                self.host
                    .add_link(zone, NewLink::Macvlan { lower }, &birth)?;
                self.undo.push(Undo::DeleteZoneLink(zone.clone()));
            }
            Step::AddVlan {
                lower,
                zone,
                id,
                mac,
                mtu,
            } => {
                let (id, mac, mtu) = (*id, Some(*mac), *mtu);
                let lower = self.number(false, lower)?;
                let birth = Birth { netns, mac, mtu };
                self.host
                    .add_link(zone, NewLink::Vlan { lower, id }, &birth)?;
                self.undo.push(Undo::DeleteZoneLink(zone.clone()));
            }
            Step::MoveLink(moved) => self.lend(moved)?,
            Step::Forwarding { v4 } => self.settings.forward(*v4)?,
            Step::HostSetting {
                link,
                family,
                key,
                value,
                kept,
            } => {
                let path = format!("{family}/conf/{link}/{key}");
                if *kept {
                    if *family == "ipv6" {
                        self.settings.keep_listening(link.as_str())?;
                    }
                    self.settings.set(&path, value)?;
                } else {
                    setting::set(&path, value)?;
                }
            }
            Step::HostAddress { link, net } => {
                let link = self.number(false, link)?;
                self.host.add_address(link, *net)?;
            }
            Step::HostRoute { link, to } => {
                let number = self.number(false, link)?;
                let (to, via) = (*to, None);
                self.host.add_route(&Route {
                    to,
                    link: number,
                    via,
                })?;
                let left = Leftover::Route(link.clone(), to);
                self.undo.push(Undo::Release(left));
            }
            Step::HostProxy { link, address } => {
                let number = self.number(false, link)?;
                let neighbour = Neighbour {
                    address: *address,
                    link: number,
                };
                self.host.add_proxy(&neighbour)?;
                let left = Leftover::Proxy(link.clone(), *address);
                self.undo.push(Undo::Release(left));
            }
            Step::Uplink { address } => {
                uplink::add(self.filter()?, *address)?;
                self.undo.push(Undo::Release(Leftover::Uplink(*address)));
            }
            Step::ZoneUp { link } => self.zone.set_up(link)?,
            Step::ZoneTune { link, mac, mtu } => {
                if let Some(mac) = mac {
                    self.zone.set_mac(link, *mac)?;
                }
                if let Some(mtu) = mtu {
                    self.zone.set_mtu(link, *mtu)?;
                }
            }
            Step::ZoneAddress { link, net } => {
                let link = self.number(true, link)?;
                self.zone.add_address(link, *net)?;
            }
            Step::ZoneRouter { link, via } => {
                let link = self.number(true, link)?;
                let mut to = IpNet::host(via.address);
                to.prefix = 0;
                self.zone.add_route(&Route {
                    to,
                    link,
                    via: Some(*via),
                })?;
            }
        }
        Ok(())
    }

    fn ensure_bridge(&mut self, bridge: &IfName) -> Result<(), NetError> {
        if self.host.link(bridge)?.is_some() {
            return Ok(());
        }
        let new = NewLink::Bridge { alias: OURS };
        let birth = Birth {
            mac: self.bridge_mac,
            ..Birth::default()
        };
        match self.host.add_link(bridge, new, &birth) {
            Ok(()) => self.undo.push(Undo::RemoveBridge(bridge.clone())),
            // Another zone that boots now was faster.
            Err(error) if error.source == Errno::EXIST => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes a link a port. A default bridge that goes at this moment is made again.
    fn join(&mut self, link: &IfName, bridge: &IfName) -> Result<(), NetError> {
        for _ in 1..TRIES {
            let number = self.number(false, bridge);
            match number.and_then(|number| self.host.set_master(link, number)) {
                Err(error)
                    if bridge.as_str() == DEFAULT_BRIDGE
                        && matches!(error.source, Errno::NODEV | Errno::INVAL) => {}
                other => return other,
            }
            self.numbers.remove(&(false, bridge.clone()));
            self.ensure_bridge(bridge)?;
        }
        let number = self.number(false, bridge)?;
        self.host.set_master(link, number)
    }

    fn lend(&mut self, moved: &MovedLink) -> Result<(), NetError> {
        self.undo
            .push(Undo::Release(Leftover::Moved(Box::new(moved.clone()))));
        let inside = moved.lend(&mut self.host, &mut self.zone, self.netns)?;
        self.numbers.insert((true, moved.zone.clone()), inside);
        for left in &mut self.left {
            if let Leftover::Moved(known) = left
                && known.link == moved.link
            {
                known.inside = Some(inside);
            }
        }
        Ok(())
    }

    fn take_back(&mut self, undo: Undo) -> Result<(), NetError> {
        match undo {
            Undo::DeleteLink(link) => self.host.delete_link(&link),
            Undo::DeleteZoneLink(link) => self.zone.delete_link(&link),
            // Another zone may have become a port of it meanwhile.
            Undo::RemoveBridge(bridge) => remove_idle_bridge(&mut self.host, &bridge).map(drop),
            Undo::Release(left) => {
                let left = [left];
                leftover::detach(&left, ZoneId::GLOBAL)?;
                leftover::release(&left, Some(self.netns), None, &mut self.filter)
            }
        }
    }
}

/// Removes a bridge that [`apply`] made, once its last port is gone; tells whether it did.
pub fn remove_idle_bridge(host: &mut Netlink, bridge: &IfName) -> Result<bool, NetError> {
    let links = host.links()?;
    let found = links.iter().find(|link| link.name == bridge.as_str());
    let Some(found) = found.filter(|link| link.alias.as_deref() == Some(OURS)) else {
        return Ok(false);
    };
    let stays =
        |link: &Link| link.master == Some(found.index) && link.alias.as_deref() != Some(LEAVING);
    if links.iter().any(stays) {
        return Ok(false);
    }
    host.delete_link(bridge)?;
    Ok(true)
}

/// The same for a zone that halts. Its ports go a while after their namespace, so they are marked,
/// and neither this zone nor one that halts right after it counts them.
pub fn remove_bridge_without(
    host: &mut Netlink,
    bridge: &IfName,
    zone: ZoneId,
) -> Result<bool, NetError> {
    let own = end_prefix(zone);
    for link in host.links()? {
        if let Ok(port) = link.name.parse::<IfName>()
            && link.name.starts_with(&own)
        {
            // One that is gone by now needs no mark.
            let _ = host.set_alias(&port, LEAVING);
        }
    }
    remove_idle_bridge(host, bridge)
}

/// Whether a zone that is none of `own`, and that does not halt now, has a port on this host.
///
/// Errors: the kernel does not tell its links.
pub fn has_ports_of_others(host: &mut Netlink, own: &[ZoneId]) -> Result<bool, NetError> {
    let own: Vec<String> = own.iter().map(|id| end_prefix(*id)).collect();
    let is_other = |link: &Link| {
        zone_of(&link.name).is_some()
            && link.alias.as_deref() != Some(LEAVING)
            && !own.iter().any(|prefix| link.name.starts_with(prefix))
    };
    Ok(host.links()?.iter().any(is_other))
}
