//! Links that come to a running zone or leave it.

use std::os::fd::AsFd;

use rustix::process::Pid;
use zones_net::{IfName, Interface, Netlink, Step};
use zones_types::ZoneId;

use super::{leftovers, namespace, parse};
use crate::error::{EngineError, chain};

fn network(error: &dyn std::error::Error) -> EngineError {
    EngineError::Network(chain(error))
}

/// The steps that make `interface` beside those that the zone has.
fn steps(interface: &Interface, id: ZoneId) -> Result<zones_net::Plan, EngineError> {
    let mut host = Netlink::open().map_err(|error| network(&error))?;
    let links = host.links().map_err(|error| network(&error))?;
    let settled = super::settle(interface, &mut host, &links)?;
    zones_net::plan_more(&links, id, &[settled]).map_err(|error| network(&error))
}

/// Whether the host could give the zone this interface.
pub(crate) fn check(interface: &Interface, id: ZoneId) -> Result<(), EngineError> {
    steps(interface, id).map(drop)
}

fn zone_side(init: Pid) -> Result<Netlink, EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    Netlink::open_in(netns.as_fd()).map_err(|error| network(&error))
}

/// Whether the zone has a link of that name, whoever made it.
pub(crate) fn is_there(name: &IfName, init: Pid) -> Result<bool, EngineError> {
    let found = zone_side(init)?
        .link(name)
        .map_err(|error| network(&error))?;
    Ok(found.is_some())
}

/// Gives the zone an interface. `lines` is what outlives the zone's network; `keep` writes it down
/// before anything is made.
pub(crate) fn add(
    interface: &Interface,
    id: ZoneId,
    init: Pid,
    lines: &mut Vec<String>,
    keep: &mut dyn FnMut(&[String]),
) -> Result<(), EngineError> {
    if is_there(&interface.name, init)? {
        let why = format!("the zone has a link `{}` already", interface.name);
        return Err(EngineError::Network(why));
    }
    let plan = steps(interface, id)?;
    for line in leftovers(&plan) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    keep(lines);
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    let made = zones_net::apply(&plan, netns.as_fd()).map_err(|error| network(&error));
    if made.is_err() {
        // A link that was born inside is not among what the layer below takes back.
        let _ = remove(interface, id, init, lines, keep);
    }
    made
}

/// Takes an interface away; one that is gone already is fine.
pub(crate) fn remove(
    interface: &Interface,
    id: ZoneId,
    init: Pid,
    lines: &mut Vec<String>,
    keep: &mut dyn FnMut(&[String]),
) -> Result<(), EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    // Where the host has the link no more, as after a move, the lines themselves tell.
    let own = steps(interface, id)
        .map(|plan| leftovers(&plan))
        .unwrap_or_default();
    let belongs = |line: &String| match parse(line) {
        Some(Step::MoveLink { zone, .. }) => zone == interface.name,
        Some(Step::EnsureBridge { .. }) | None => false,
        Some(_) => own.contains(line),
    };
    let gone: Vec<String> = lines.iter().filter(|line| belongs(line)).cloned().collect();
    let steps: Vec<Step> = gone.iter().filter_map(|line| parse(line)).collect();
    let moved = steps
        .iter()
        .any(|step| matches!(step, Step::MoveLink { .. }));
    let plan = zones_net::Plan {
        steps,
        not_enforced: Vec::new(),
    };
    zones_net::release(&plan, Some(netns.as_fd())).map_err(|error| network(&error))?;
    if !moved {
        let mut zone = Netlink::open_in(netns.as_fd()).map_err(|error| network(&error))?;
        if zone
            .link(&interface.name)
            .map_err(|error| network(&error))?
            .is_some()
        {
            zone.delete_link(&interface.name)
                .map_err(|error| network(&error))?;
        }
    }
    lines.retain(|line| !gone.contains(line));
    keep(lines);
    drop_idle_bridges(lines);
    Ok(())
}

/// The bridges that we made and that lost their last port. Their lines stay: a halt finds nothing.
fn drop_idle_bridges(lines: &[String]) {
    let Ok(mut host) = Netlink::open() else {
        return;
    };
    for line in lines {
        if let Some(Step::EnsureBridge { bridge }) = parse(line) {
            let _ = zones_net::remove_idle_bridge(&mut host, &bridge);
        }
    }
}
