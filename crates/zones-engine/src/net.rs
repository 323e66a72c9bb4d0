//! The links of a zone: made from its plan, and what of them must be given back.
//!
//! Zones share bridges, tables of the packet filter and settings of the host, so whoever makes or
//! removes some holds the network lock. What outlives the zone's network namespace stands as lines
//! in the state file before it is made: a crash must not lose it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode as FileMode, OFlags};
use rustix::process::Pid;
use zones_net::{Interface, Leftover, Netlink, Settings};
use zones_store::{Layout, Lock};
use zones_types::{ZoneId, ZoneName};

use crate::error::{EngineError, chain};
use crate::plan::{BootPlan, NotEnforced};
use crate::runtime::RunState;

fn network(error: impl std::error::Error) -> EngineError {
    EngineError::Network(chain(&error))
}

/// The steps for this host, as it is now. What they do not give is added to the plan.
pub(crate) fn plan(plan: &mut BootPlan, id: ZoneId) -> Result<zones_net::Plan, EngineError> {
    if plan.interfaces.is_empty() {
        return Ok(zones_net::Plan::default());
    }
    let view = Netlink::open().and_then(|mut host| host.view());
    let steps = zones_net::plan(&view.map_err(network)?, id, &plan.interfaces).map_err(network)?;
    plan.not_enforced.extend(unmet(&steps));
    Ok(steps)
}

fn unmet(steps: &zones_net::Plan) -> impl Iterator<Item = NotEnforced> {
    let each = |(what, why): &(&str, String)| NotEnforced {
        what: (*what).to_owned(),
        why: why.clone(),
    };
    steps.not_enforced.iter().map(each)
}

/// Makes the links in the network namespace of process 1; loopback, too. Returns the lines of
/// [`leftovers`] as they are now.
pub(crate) fn plumb(
    layout: &Layout,
    steps: &zones_net::Plan,
    init: Pid,
) -> Result<Vec<String>, EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    if steps.steps.is_empty() {
        let up = Netlink::open_in(netns.as_fd()).and_then(|mut zone| zone.loopback_up());
        return up.map(|()| Vec::new()).map_err(network);
    }
    let _lock = Lock::network(layout).map_err(network)?;
    let left = zones_net::apply(steps, netns.as_fd(), &settings(layout)).map_err(network)?;
    Ok(lines(&left))
}

/// Adds one interface to a zone that runs; the lines of `state` are written before and after.
/// Whoever watches the zone calls [`hold`] once more then. Returns what is not enforced of it.
#[expect(dead_code, reason = "for live changes of a configuration")]
pub(crate) fn add(
    layout: &Layout,
    zone: &ZoneName,
    state: &mut RunState,
    init: Pid,
    interface: &Interface,
) -> Result<Vec<NotEnforced>, EngineError> {
    let view = Netlink::open().and_then(|mut host| host.view());
    let number = free_number(&state.undo_network);
    let steps = zones_net::plan_one(&view.map_err(network)?, state.id, number, interface);
    let steps = steps.map_err(network)?;
    let before = state.undo_network.clone();
    state.undo_network.extend(leftovers(&steps));
    keep(layout, zone, state)?;
    let made = plumb(layout, &steps, init);
    state.undo_network = before;
    let result = made.map(|lines| state.undo_network.extend(lines));
    keep(layout, zone, state)?;
    result.map(|()| unmet(&steps).collect())
}

/// Removes one interface, as it was added, from a zone that runs.
#[expect(dead_code, reason = "for live changes of a configuration")]
pub(crate) fn remove(
    layout: &Layout,
    zone: &ZoneName,
    state: &mut RunState,
    init: Pid,
    interface: &Interface,
) -> Result<(), EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    let (mut stay, go) = split(&read(&state.undo_network), interface);
    let _lock = Lock::network(layout).map_err(network)?;
    let mut last = None;
    if !stay.iter().any(needs_settings) {
        stay.retain(|one| *one != Leftover::Settings);
        last = Some(settings(layout)).filter(|_| !others_need_settings(layout, zone));
    }
    let (id, name) = (state.id, &interface.name);
    let done = zones_net::remove(&go, id, name, netns.as_fd(), last.as_ref());
    state.undo_network = lines(&stay);
    keep(layout, zone, state)?;
    done.map_err(network)
}

fn keep(layout: &Layout, zone: &ZoneName, state: &RunState) -> Result<(), EngineError> {
    let path = RunState::path(layout, zone);
    state
        .write(layout, zone)
        .map_err(EngineError::file("write", &path))
}

/// A number that no port of the zone has.
fn free_number(lines: &[String]) -> usize {
    let number = |one: &Leftover| match one {
        Leftover::Port(port, _) => port.as_str().rsplit('.').next()?.parse::<usize>().ok(),
        _ => None,
    };
    let taken = read(lines).iter().filter_map(number).max();
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

fn needs_settings(one: &Leftover) -> bool {
    matches!(
        one,
        Leftover::Proxy(..) | Leftover::Route(..) | Leftover::Uplink(_)
    )
}

/// The network namespace of a process.
fn namespace(pid: Pid) -> Result<OwnedFd, rustix::io::Errno> {
    let path = format!("/proc/{}/ns/net", pid.as_raw_nonzero());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, FileMode::empty())
}

fn settings(layout: &Layout) -> Settings {
    Settings::noted_in(&layout.run().join("network.settings"))
}

fn lines(left: &[Leftover]) -> Vec<String> {
    left.iter().map(ToString::to_string).collect()
}

fn read(lines: &[String]) -> Vec<Leftover> {
    lines.iter().filter_map(|line| line.parse().ok()).collect()
}

/// What outlives the zone's network namespace, as lines for the state file.
pub(crate) fn leftovers(steps: &zones_net::Plan) -> Vec<String> {
    lines(&steps.leftovers())
}

/// The network of process 1, when it holds links of the host: a link that is no hardware would die
/// with it, so whoever watches the zone keeps it until they are back.
pub(crate) fn hold(lines: &[String], init: Pid) -> Option<OwnedFd> {
    let lends = lines.iter().any(|line| line.starts_with("link "));
    lends.then(|| namespace(init).ok()).flatten()
}

/// Takes away what the host shows of a zone that is about to end.
pub(crate) fn detach(layout: &Layout, lines: &[String], id: ZoneId) {
    let left = read(lines);
    if !left.is_empty()
        && let Ok(_lock) = Lock::network(layout)
    {
        // What is gone already is fine, and a refusal is no reason to stop.
        let _ = zones_net::detach(&left, id);
    }
}

/// Gives back the rest, once no process of the zone lives. `netns` is what stands of its network.
/// Returns what is closed when nobody waits any more.
pub(crate) fn release(
    layout: &Layout,
    zone: &ZoneName,
    lines: &[String],
    netns: Option<BorrowedFd<'_>>,
) -> Option<Netlink> {
    let left = read(lines);
    if left.is_empty() {
        return None;
    }
    let _lock = Lock::network(layout).ok()?;
    let mut filter = None;
    let needed = left.contains(&Leftover::Settings) && !others_need_settings(layout, zone);
    let settings = needed.then(|| settings(layout));
    let _ = zones_net::release(&left, netns, settings.as_ref(), &mut filter);
    // Under the lock still: of two zones that end together, the second must not count the first.
    if let Some(mut state) = RunState::read(layout, zone) {
        state.undo_network.clear();
        let _ = state.write(layout, zone);
    }
    filter
}

fn others_need_settings(layout: &Layout, zone: &ZoneName) -> bool {
    let line = Leftover::Settings.to_string();
    RunState::all(layout).any(|(name, state)| name != *zone && state.undo_network.contains(&line))
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
