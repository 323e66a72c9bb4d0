//! zoneadm(8): administer zones. Subcommands stand in one table.

mod apply;
mod attach;
mod environment;
mod hooks;
mod install;
mod list;
mod mark;
mod run;
mod subcommand;
mod sysboot;
mod trash;
mod uninstall;
mod verify;

pub(super) use install::plan_mirror;

use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use crate::inside::Inside;
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};
use subcommand::{SUBCOMMANDS, Subcommand, help, usage};

/// What every subcommand works on.
pub(crate) struct Target<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) store: Store,
    pub(crate) zone: ZoneName,
    /// The state now, derived from the kernel.
    pub(crate) state: ZoneState,
}

/// The options before the subcommand.
struct Words<'a> {
    zone: Option<&'a String>,
    uuid: Option<&'a String>,
    rest: &'a [String],
}

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    // A terminal that closes must not stop half an install.
    zones_sys::ignore_signals(&[1]);
    let Some(words) = split(args) else {
        return usage(USAGE);
    };
    let Some((name, rest)) = words.rest.split_first() else {
        return usage(USAGE);
    };
    if matches!(name.as_str(), "help" | "-?" | "--help") {
        return help(rest);
    }
    let Some(subcommand) = SUBCOMMANDS.iter().find(|known| known.name == name) else {
        eprintln!("zoneadm: unknown subcommand `{name}`");
        return usage(USAGE);
    };
    if rest
        .first()
        .is_some_and(|arg| arg == "-?" || arg == "--help")
    {
        subcommand.explain();
        return OK;
    }
    if let Ok(Some(zone)) = crate::inside::inside() {
        return in_zone(&zone, subcommand, rest);
    }
    let store = Store::open(layout.clone());
    let zone = match resolve(&store, &words) {
        Ok(zone) => zone,
        Err(status) => return status,
    };
    if let subcommand::Run::Any(run) = subcommand.run {
        return run(layout, &store, zone.as_ref(), rest);
    }
    let Some(zone) = zone else {
        return usage(USAGE);
    };
    with_zone(layout, store, zone, subcommand, rest)
}

/// Inside of a zone there is only the zone itself to see, and nothing to administer.
fn in_zone(zone: &Inside, subcommand: &Subcommand, rest: &[String]) -> u8 {
    match subcommand.name {
        "list" => list::only(zone, rest),
        name @ ("halt" | "shutdown" | "reboot") => {
            fail("zoneadm", format!("use {name}(8) to {name} this zone."))
        }
        name => fail(
            "zoneadm",
            format!("must be in the global zone to {name} a zone."),
        ),
    }
}

fn with_zone(
    layout: &Layout,
    store: Store,
    zone: ZoneName,
    subcommand: &Subcommand,
    rest: &[String],
) -> u8 {
    let subcommand::Run::Zone(run) = subcommand.run else {
        return FAILURE;
    };
    if zone.is_global() {
        return fail_zone(
            &zone,
            format!(
                "{} operation is invalid for the global zone.",
                subcommand.name
            ),
        );
    }
    if zone.is_reserved() {
        return fail_zone(
            &zone,
            format!(
                "{} operation is invalid for zones starting with SUNW or SYS.",
                subcommand.name
            ),
        );
    }
    if subcommand.privileged && !rustix::process::geteuid().is_root() {
        return fail(
            "zoneadm",
            format!("only a privileged user may {} a zone.", subcommand.name),
        );
    }
    let state = match state_of(layout, &store, &zone) {
        Ok(Some(state)) => state,
        Ok(None) => return fail("zoneadm", format!("{zone}: No such zone configured")),
        Err(error) => return fail("zoneadm", error),
    };
    run(
        &Target {
            layout,
            store,
            zone,
            state,
        },
        rest,
    )
}

/// The state that the kernel bears out, else the one in the index; `None` for an unknown zone.
pub(crate) fn state_of(
    layout: &Layout,
    store: &Store,
    zone: &ZoneName,
) -> Result<Option<ZoneState>, String> {
    let entry = store
        .get(zone)
        .map_err(|error| zones_engine::chain(&error))?;
    Ok(entry.map(|entry| {
        let active = zones_engine::active(layout, zone).map(|(state, _)| state);
        match (entry.state, active) {
            // An install works on a mounted zone; it is incomplete until that is done.
            (ZoneState::Incomplete, Some(ZoneState::Mounted | ZoneState::Down)) => {
                ZoneState::Incomplete
            }
            (_, Some(state)) => state,
            (state, None) => state,
        }
    }))
}

fn split(args: &[String]) -> Option<Words<'_>> {
    let mut words = Words {
        zone: None,
        uuid: None,
        rest: args,
    };
    loop {
        match words.rest {
            [flag, value, rest @ ..] if flag == "-z" => {
                (words.zone, words.rest) = (Some(value), rest)
            }
            [flag, value, rest @ ..] if flag == "-u" => {
                (words.uuid, words.rest) = (Some(value), rest)
            }
            [flag, rest @ ..] if flag == "-X" => words.rest = rest,
            [flag, ..] if flag == "-?" || flag == "--help" => return Some(words),
            [flag, ..] if flag.starts_with('-') => return None,
            _ => return Some(words),
        }
    }
}

/// The zone that `-u` or `-z` names. A uuid that fits nothing leaves the word to `-z`.
fn resolve(store: &Store, words: &Words<'_>) -> Result<Option<ZoneName>, u8> {
    if let Some(uuid) = words.uuid {
        let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
        if !uuid.chars().all(digits) || uuid.len() > 36 {
            return Err(fail("zoneadm", "illegal UUID value specified"));
        }
        if let Ok(Some(entry)) = store.find_uuid(uuid) {
            return Ok(Some(entry.name));
        }
    }
    let Some(name) = words.zone else {
        return Ok(None);
    };
    match name.parse() {
        Ok(zone) => Ok(Some(zone)),
        Err(_) => Err(fail("zoneadm", format!("{name}: No such zone configured"))),
    }
}
