//! The links of a zone: made from its plan, and what of them must be given back.
//!
//! Zones share bridges, tables of the packet filter and settings of the host, so whoever makes or
//! removes some holds the network lock. What outlives the zone's network namespace stands as lines
//! in the state file before it is made: a crash must not lose it.

mod auto;
pub(crate) mod hot;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode as FileMode, OFlags};
use rustix::process::Pid;
use zones_net::{Leftover, Netlink, Settings};
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
    let mut host = Netlink::open().map_err(network)?;
    let view = host.view().map_err(network)?;
    let each = plan.interfaces.iter();
    let each = each.map(|interface| auto::settle(interface, &mut host, &view));
    let interfaces = each.collect::<Result<Vec<_>, _>>()?;
    let steps = zones_net::plan(&view, id, &interfaces).map_err(network)?;
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
pub(crate) fn plumb(steps: &zones_net::Plan, init: Pid) -> Result<Vec<String>, EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    if steps.steps.is_empty() {
        let up = Netlink::open_in(netns.as_fd()).and_then(|mut zone| zone.loopback_up());
        return up.map(|()| Vec::new()).map_err(network);
    }
    let _lock = Lock::network().map_err(network)?;
    let left = zones_net::apply(steps, netns.as_fd(), &settings()).map_err(network)?;
    Ok(lines(&left))
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

fn settings() -> Settings {
    Settings::noted_in(&Layout::network().join("settings"))
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
pub(crate) fn detach(lines: &[String], id: ZoneId) {
    let left = read(lines);
    if !left.is_empty()
        && let Ok(_lock) = Lock::network()
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
    let lock = Lock::network().ok()?;
    let mut filter = None;
    let noted = settings();
    let settings = Some(noted).filter(|it| it.are_noted() && !others_need_settings(layout, zone));
    let _ = zones_net::release(&left, netns, settings.as_ref(), &mut filter);
    // Under the lock still: of two zones that end together, the second must not count the first.
    if let Some(mut state) = RunState::read(layout, zone) {
        state.undo_network.clear();
        let _ = state.write(layout, zone);
    }
    if !self::settings().are_noted() {
        lock.retire_network();
    }
    filter
}

/// Whether another zone needs settings of the host: one of these zones that says so, or one of
/// another host of zones that has a port here, of which no more is known.
fn others_need_settings(layout: &Layout, zone: &ZoneName) -> bool {
    let line = Leftover::Settings.to_string();
    let mut own = Vec::new();
    for (name, state) in RunState::all(layout) {
        if name != *zone && state.undo_network.contains(&line) {
            return true;
        }
        own.push(state.id);
    }
    let strangers =
        Netlink::open().and_then(|mut host| zones_net::has_ports_of_others(&mut host, &own));
    strangers.unwrap_or(true)
}
