//! `zoneadm snapshot`, `rollback`, `list-snapshots`, `destroy-snapshot`: how a zone was.

mod list;
mod schedule;

use zones_engine::{Request, chain};
use zones_storage::Snapshots;
use zones_store::{Layout, Store};
use zones_types::{Verb, Verdict, ZoneName, ZoneState, judge};

use self::schedule::Schedule;
use super::{Target, run, target_of};
use crate::getopt::{Given, Known, flag};
use crate::progress::Waiting;
use crate::report::{OK, fail, fail_zone};

pub(super) use list::run as list;

/// What snapshots are called that nobody gave a name.
const BASE: &str = "snap";

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

pub(super) fn snapshot(
    layout: &Layout,
    store: &Store,
    zone: Option<&ZoneName>,
    args: &[String],
) -> u8 {
    const KNOWN: [Known; 2] = [flag('\0', "due"), flag('a', "")];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) => given,
        Err(text) => {
            eprintln!("zoneadm: {text}");
            return run::bad_usage("snapshot");
        }
    };
    let (is_due, is_all) = (given.has("due"), given.has("a"));
    match (zone, is_due, is_all, given.words.as_slice()) {
        (None, true, true, []) => all_due(layout, store),
        (Some(zone), true, false, []) => {
            target_of(layout, store, zone, "snapshot").map_or_else(|status| status, |it| due(&it))
        }
        (Some(zone), false, false, words) if words.len() < 2 => {
            let target = target_of(layout, store, zone, "snapshot");
            target.map_or_else(|status| status, |it| take(&it, words.first()))
        }
        _ => run::bad_usage("snapshot"),
    }
}

/// A snapshot that a person asks for.
fn take(target: &Target<'_>, name: Option<&String>) -> u8 {
    if let Verdict::Refuse(refusal) = judge(target.state, Verb::Snapshot) {
        return fail_zone(&target.zone, refusal);
    }
    let made = take_all(target, |snapshots| {
        let name = name.map_or_else(|| snapshots.free_name(BASE), String::clone);
        vec![(name, String::new())]
    });
    match made {
        Ok(names) if name.is_none() => {
            names.iter().for_each(|name| println!("{name}"));
            OK
        }
        Ok(_) => OK,
        Err(text) => fail_zone(&target.zone, text),
    }
}

/// Takes those that `wanted` names, with who asks for them; the zone stands still meanwhile.
fn take_all(
    target: &Target<'_>,
    wanted: impl FnOnce(&Snapshots) -> Vec<(String, String)>,
) -> Result<Vec<String>, String> {
    let _lock = target.lock()?;
    let zonepath = target.zonepath()?;
    let mut snapshots = open(&zonepath)?;
    let wanted = wanted(&snapshots);
    for (name, _) in &wanted {
        snapshots.check_new(name).map_err(|error| chain(&error))?;
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Asked again: somebody may have booted or halted it while this one waited for the lock.
    let state = target.state_now()?;
    if let Verdict::Refuse(refusal) = judge(state, Verb::Snapshot) {
        return Err(refusal.to_string());
    }
    let waiting = Waiting::new(None);
    let frozen = match state {
        ZoneState::Installed => None,
        _ => {
            let frozen = zones_engine::freeze(target.layout, &target.zone);
            Some(frozen.map_err(|error| error.chain())?)
        }
    };
    let mut made = Vec::new();
    let taken = wanted.into_iter().try_for_each(|(name, origin)| {
        let done = snapshots.create(&name, now(), &origin, &waiting);
        made.push(name);
        done.map(drop).map_err(|error| chain(&error))
    });
    if let Some(frozen) = frozen {
        frozen.thaw().map_err(|error| error.chain())?;
    }
    taken.map(|()| made)
}

fn open(zonepath: &zones_types::ZonePath) -> Result<Snapshots, String> {
    Snapshots::open(zonepath.as_path()).map_err(|error| chain(&error))
}

/// What is wrong with the schedule of a zone.
pub(super) fn wrong_schedule(config: &zones_config::ZoneConfig) -> Option<String> {
    Schedule::parse(config.attr(schedule::ATTRIBUTE)?).err()
}

/// Those that the schedule of the zone asks for by now; older ones of the schedule go.
fn due(target: &Target<'_>) -> u8 {
    let config = match target.config() {
        Ok(config) => config,
        Err(text) => return fail_zone(&target.zone, text),
    };
    let Some(text) = config.attr(schedule::ATTRIBUTE) else {
        return fail_zone(
            &target.zone,
            format!("has no attr {}; see zoneadm(8)", schedule::ATTRIBUTE),
        );
    };
    match Schedule::parse(text).and_then(|schedule| run_schedule(target, &schedule)) {
        Ok(()) => OK,
        Err(text) => fail_zone(&target.zone, text),
    }
}

fn run_schedule(target: &Target<'_>, schedule: &Schedule) -> Result<(), String> {
    let now = now();
    take_all(target, |snapshots| schedule.due(snapshots, now))?;
    let _lock = target.lock()?;
    let mut snapshots = open(&target.zonepath()?)?;
    for name in schedule.surplus(&snapshots) {
        snapshots.destroy(&name).map_err(|error| chain(&error))?;
    }
    Ok(())
}

/// For every zone that has files and a schedule; one that fails does not keep the others.
fn all_due(layout: &Layout, store: &Store) -> u8 {
    if !rustix::process::geteuid().is_root() {
        return fail("zoneadm", "only a privileged user may snapshot a zone.");
    }
    let entries = match store.list() {
        Ok(entries) => entries,
        Err(error) => return fail("zoneadm", chain(&error)),
    };
    let mut status = OK;
    for entry in entries {
        let scheduled = zones_engine::load(layout, &entry.name)
            .is_ok_and(|config| config.attr(schedule::ATTRIBUTE).is_some());
        if !scheduled || entry.state != ZoneState::Installed {
            continue;
        }
        status |= target_of(layout, store, &entry.name, "snapshot")
            .map_or_else(|status| status, |target| due(&target));
    }
    status
}

pub(super) fn rollback(target: &Target<'_>, args: &[String]) -> u8 {
    let (boots_again, name) = match args {
        [name] if !name.starts_with('-') => (false, name),
        [flag, name] if flag == "-r" => (true, name),
        _ => return run::bad_usage("rollback"),
    };
    let is_up = target.state.is_active();
    if let (false, Verdict::Refuse(refusal)) =
        (boots_again && is_up, judge(target.state, Verb::Rollback))
    {
        return fail_zone(&target.zone, refusal);
    }
    let failed = |text: String| fail_zone(&target.zone, text);
    // Said before anything is halted.
    let found = target.zonepath().and_then(|path| {
        let snapshots = open(&path)?;
        snapshots
            .find(name)
            .map(drop)
            .map_err(|error| chain(&error))
    });
    if let Err(text) = found {
        return failed(text);
    }
    if is_up {
        let halted = run::call(target, &Request::Halt);
        if halted != OK {
            return halted;
        }
    }
    if let Err(text) = back(target, name) {
        return failed(text);
    }
    if !is_up {
        return OK;
    }
    let down = target.now(ZoneState::Installed);
    run::boot(&down, &[])
}

fn back(target: &Target<'_>, name: &str) -> Result<(), String> {
    let _lock = target.lock()?;
    if zones_engine::active(target.layout, &target.zone).is_some() {
        return Err("was booted meanwhile; nothing was changed".to_owned());
    }
    let snapshots = open(&target.zonepath()?)?;
    let done = snapshots.rollback(name, &Waiting::new(None));
    done.map_err(|error| chain(&error))?;
    zones_engine::note_event(
        target.layout,
        &target.zone,
        "rollback",
        &[("snapshot", name)],
    );
    Ok(())
}

pub(super) fn destroy(target: &Target<'_>, args: &[String]) -> u8 {
    if args.is_empty() || args.iter().any(|word| word.starts_with('-')) {
        return run::bad_usage("destroy-snapshot");
    }
    let run = || -> Result<(), String> {
        let _lock = target.lock()?;
        let mut snapshots = open(&target.zonepath()?)?;
        for name in args {
            snapshots.find(name).map_err(|error| chain(&error))?;
        }
        let mut names = args.iter();
        names.try_for_each(|name| snapshots.destroy(name).map_err(|error| chain(&error)))
    };
    run().map_or_else(|text| fail_zone(&target.zone, text), |()| OK)
}
