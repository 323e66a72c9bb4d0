//! Links that come to a running zone or leave it.

use std::os::fd::AsFd;

use rustix::process::Pid;
use zones_net::{IfName, Interface, Leftover, Netlink};
use zones_store::{Layout, Lock};
use zones_types::{ZoneId, ZoneName};

use super::{lines, namespace, needs_settings, network, read, settings};
use crate::error::EngineError;
use crate::plan::NotEnforced;
use crate::runtime::RunState;

/// The steps that make `interface` beside those that the zone has. `noted` are the lines of the
/// state file.
fn steps(
    interface: &Interface,
    id: ZoneId,
    noted: &[String],
) -> Result<zones_net::Plan, EngineError> {
    let mut host = Netlink::open().map_err(network)?;
    let view = host.view().map_err(network)?;
    let settled = super::auto::settle(interface, &mut host, &view)?;
    zones_net::plan_one(&view, id, free_number(noted), &settled).map_err(network)
}

/// Whether the host could give the zone this interface; what of it is not enforced.
pub(crate) fn check(
    interface: &Interface,
    state: &RunState,
) -> Result<Vec<NotEnforced>, EngineError> {
    let steps = steps(interface, state.id, &state.undo_network)?;
    Ok(super::unmet(&steps).collect())
}

/// Whether the zone has a link of that name, whoever made it.
pub(crate) fn is_there(name: &IfName, init: Pid) -> Result<bool, EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    let found = Netlink::open_in(netns.as_fd()).and_then(|mut zone| zone.link(name));
    found.map(|link| link.is_some()).map_err(network)
}

/// Adds one interface to a zone that runs; the lines of `state` are written before and after.
/// Whoever watches the zone calls [`super::hold`] once more then.
pub(crate) fn add(
    layout: &Layout,
    zone: &ZoneName,
    state: &mut RunState,
    init: Pid,
    interface: &Interface,
) -> Result<(), EngineError> {
    if is_there(&interface.name, init)? {
        let why = format!("the zone has a link `{}` already", interface.name);
        return Err(EngineError::Network(why));
    }
    let steps = steps(interface, state.id, &state.undo_network)?;
    let before = state.undo_network.clone();
    state.undo_network.extend(super::leftovers(&steps));
    keep(layout, zone, state)?;
    let made = super::plumb(&steps, init);
    state.undo_network = before;
    let result = made.map(|lines| state.undo_network.extend(lines));
    keep(layout, zone, state)?;
    result
}

/// Removes one interface, as it was added, from a zone that runs; one that is gone already is fine.
pub(crate) fn remove(
    layout: &Layout,
    zone: &ZoneName,
    state: &mut RunState,
    init: Pid,
    interface: &Interface,
) -> Result<(), EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    let (mut stay, go) = split(&read(&state.undo_network), interface);
    let _lock = Lock::network().map_err(network)?;
    let mut last = None;
    if !stay.iter().any(needs_settings) {
        stay.retain(|one| *one != Leftover::Settings);
        last = Some(settings()).filter(|_| !super::others_need_settings(layout, zone));
    }
    let (id, name) = (state.id, &interface.name);
    // What could not be taken away stays noted: the halt tries again.
    zones_net::remove(&go, id, name, netns.as_fd(), last.as_ref()).map_err(network)?;
    state.undo_network = lines(&stay);
    keep(layout, zone, state)
}

fn keep(layout: &Layout, zone: &ZoneName, state: &RunState) -> Result<(), EngineError> {
    let path = RunState::path(layout, zone);
    state
        .write(layout, zone)
        .map_err(EngineError::file("write", &path))
}

/// A number that no port of the zone has.
fn free_number(noted: &[String]) -> usize {
    let number = |one: &Leftover| match one {
        Leftover::Port(port, _) => port.as_str().rsplit('.').next()?.parse::<usize>().ok(),
        _ => None,
    };
    let taken = read(noted).iter().filter_map(number).max();
    taken.map_or(0, |most| most + 1)
}

/// What stays and what goes with an interface.
fn split(all: &[Leftover], interface: &Interface) -> (Vec<Leftover>, Vec<Leftover>) {
    let has = |address| interface.addresses.iter().any(|net| net.address == address);
    let own = |one: &Leftover| match one {
        Leftover::Port(_, name) => *name == interface.name,
        Leftover::Moved(moved) => moved.zone == interface.name,
        Leftover::Proxy(_, address) | Leftover::Uplink(address) => has(*address),
        Leftover::Route(_, to) => has(to.address),
        Leftover::Bridge(_) | Leftover::Settings => false,
    };
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    // The line of its bridge stands right before that of its port.
    for (at, one) in all.iter().enumerate() {
        let bridge = matches!(one, Leftover::Bridge(_)) && all.get(at + 1).is_some_and(own);
        if bridge || own(one) {
            go.push(one.clone());
        } else {
            stay.push(one.clone());
        }
    }
    (stay, go)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_takes_its_own_leftovers_along() {
        let all = [
            "bridge zbr0",
            "port zv1.0 net0",
            "route zbr0 192.0.2.1/32",
            "uplink 192.0.2.1",
            "bridge zbr0",
            "port zv1.3 net1",
            "route zbr0 192.0.2.2/32",
            "uplink 192.0.2.2",
            "settings",
        ];
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(free_number(&all), 4);
        let net = zones_config::Net {
            physical: "net1".to_owned(),
            ..zones_config::Net::default()
        };
        let config = zones_config::ZoneConfig::blank("z".parse().unwrap());
        let mut interface = crate::plan::interface(&config, &net).unwrap();
        interface.addresses = vec!["192.0.2.2/24".parse().unwrap()];
        let (stay, go) = split(&read(&all), &interface);
        assert_eq!(lines(&go), all[4..8]);
        assert!(stay.iter().any(needs_settings));
        interface.name = "net0".parse().unwrap();
        interface.addresses = vec!["192.0.2.1/24".parse().unwrap()];
        let (stay, _) = split(&stay, &interface);
        assert_eq!(stay, [Leftover::Settings]);
    }
}
