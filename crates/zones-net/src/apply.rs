//! Running a plan, undoing it when it fails, and what is left to do when the zone is down.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use zones_types::ZoneId;

use crate::link::Birth;
use crate::plan::end_prefix;
use crate::socket::current_netns;
use crate::{
    IfName, IpNet, Link, Neighbour, NetError, Netlink, NewLink, Plan, Route, Step, sysctl,
};

/// Tells our bridges from those of the administrator.
const OURS: &str = "zones";

/// Marks ports of a zone that halts.
const LEAVING: &str = "zones: leaving";

/// Both sides, with the numbers of the links that were asked for once.
struct Sides<'a> {
    host: Netlink,
    zone: Netlink,
    netns: BorrowedFd<'a>,
    numbers: HashMap<(bool, IfName), u32>,
}

/// How to take a step back.
enum Undo {
    DeleteLink(IfName),
    RemoveBridge(IfName),
    DeleteProxy(Neighbour),
    MoveBack {
        link: IfName,
        name: IfName,
        was_up: bool,
    },
}

/// Makes the interfaces of a zone: from the namespace of this thread into `netns`, loopback
/// included.
///
/// Errors: the first step that the kernel refused; what was made before it is undone.
pub fn apply(plan: &Plan, netns: BorrowedFd<'_>) -> Result<(), NetError> {
    let mut sides = Sides {
        host: Netlink::open()?,
        zone: Netlink::open_in(netns)?,
        netns,
        numbers: HashMap::new(),
    };
    let mut undo = Vec::new();
    let mut run = || -> Result<(), NetError> {
        sides.zone.loopback_up()?;
        plan.steps
            .iter()
            .try_for_each(|step| sides.run(step, &mut undo))
    };
    let result = run();
    if result.is_err() {
        // The error that is told is the first; a failing undo would only hide it.
        for step in undo.into_iter().rev() {
            let _ = sides.take_back(step);
        }
    }
    result
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

    fn run(&mut self, step: &Step, undo: &mut Vec<Undo>) -> Result<(), NetError> {
        let netns = Some(self.netns);
        match step {
            Step::EnsureBridge { bridge } => {
                if self.host.link(bridge)?.is_none() {
                    let new = NewLink::Bridge { alias: OURS };
                    match self.host.add_link(bridge, new, &Birth::default()) {
                        Ok(()) => undo.push(Undo::RemoveBridge(bridge.clone())),
                        // Another zone that boots now was faster.
                        Err(error) if error.source == Errno::EXIST => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Step::AddVeth {
                host,
                zone,
                bridge,
                mac,
                mtu,
            } => {
                let master = bridge
                    .as_ref()
                    .map(|name| self.number(false, name))
                    .transpose()?;
                let (mac, mtu) = (*mac, *mtu);
                let new = NewLink::Veth { peer: zone, master };
                self.host.add_link(host, new, &Birth { netns, mac, mtu })?;
                undo.push(Undo::DeleteLink(host.clone()));
            }
            Step::AddMacvlan {
                lower,
                zone,
                mac,
                mtu,
            } => {
                let (mac, mtu) = (*mac, *mtu);
                let lower = self.number(false, lower)?;
                let birth = Birth { netns, mac, mtu };
                self.host
                    .add_link(zone, NewLink::Macvlan { lower }, &birth)?;
            }
            Step::AddVlan {
                lower,
                zone,
                id,
                mac,
                mtu,
            } => {
                let (id, mac, mtu) = (*id, *mac, *mtu);
                let lower = self.number(false, lower)?;
                let birth = Birth { netns, mac, mtu };
                self.host
                    .add_link(zone, NewLink::Vlan { lower, id }, &birth)?;
            }
            Step::MoveLink { link, zone, was_up } => {
                self.host.set_down(link)?;
                self.host.move_to(link, self.netns)?;
                if link != zone {
                    self.zone.rename(link, zone)?;
                }
                undo.push(Undo::MoveBack {
                    link: zone.clone(),
                    name: link.clone(),
                    was_up: *was_up,
                });
            }
            Step::HostSetting {
                link,
                family,
                key,
                value,
            } => {
                sysctl::set(family, link, key, value)?;
            }
            Step::HostAddress { link, net } => {
                let link = self.number(false, link)?;
                self.host.add_address(link, *net)?;
            }
            Step::HostRoute { link, to } => {
                let link = self.number(false, link)?;
                let (to, via) = (*to, None);
                self.host.add_route(&Route { to, link, via })?;
            }
            Step::HostProxy { link, address } => {
                let link = self.number(false, link)?;
                let neighbour = Neighbour {
                    address: *address,
                    link,
                };
                self.host.add_proxy(&neighbour)?;
                undo.push(Undo::DeleteProxy(neighbour));
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

    fn take_back(&mut self, undo: Undo) -> Result<(), NetError> {
        match undo {
            Undo::DeleteLink(link) => self.host.delete_link(&link),
            // Another zone may have become a port of it meanwhile.
            Undo::RemoveBridge(bridge) => remove_idle_bridge(&mut self.host, &bridge).map(drop),
            Undo::DeleteProxy(neighbour) => self.host.delete_proxy(&neighbour),
            Undo::MoveBack { link, name, was_up } => {
                give_back(&mut self.host, &mut self.zone, &link, &name, was_up)
            }
        }
    }
}

/// Moves a link of the zone back to the namespace of this thread.
fn give_back(
    host: &mut Netlink,
    zone: &mut Netlink,
    link: &IfName,
    name: &IfName,
    was_up: bool,
) -> Result<(), NetError> {
    let home = current_netns()?;
    zone.set_down(link)?;
    if link != name {
        zone.rename(link, name)?;
    }
    zone.move_to(name, home.as_fd())?;
    if was_up { host.set_up(name) } else { Ok(()) }
}

/// Gives back what outlives the namespace of the zone: moved links, and addresses answered for.
///
/// Call it before the namespace dies where possible; without `netns` the kernel returns hardware
/// to the first namespace of the host by itself, and this brings up what has arrived. Everything
/// else dies with the namespace, and is not deleted here because that would take 30 ms for each
/// veth. Does as much as it can; errors: the first refusal.
pub fn release(plan: &Plan, netns: Option<BorrowedFd<'_>>) -> Result<(), NetError> {
    let mut host = Netlink::open()?;
    let mut zone = netns.map(Netlink::open_in).transpose()?;
    let mut first = Ok(());
    for step in plan.steps.iter().rev() {
        let done = match step {
            Step::HostProxy { link, address } => match host.link(link) {
                Ok(Some(found)) => host.delete_proxy(&Neighbour {
                    address: *address,
                    link: found.index,
                }),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
            Step::MoveLink {
                link,
                zone: name,
                was_up,
            } => match &mut zone {
                Some(zone) => give_back(&mut host, zone, name, link, *was_up),
                None if *was_up => match host.set_up(link) {
                    Err(error) if error.source == Errno::NODEV => Ok(()),
                    other => other,
                },
                None => Ok(()),
            },
            _ => Ok(()),
        };
        first = first.and(done);
    }
    first
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
