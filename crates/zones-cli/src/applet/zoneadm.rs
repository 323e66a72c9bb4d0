//! zoneadm(8): administer zones. Subcommands stand in one table.

mod apply;
mod attach;
mod base;
mod clone;
mod configure;
mod df;
mod diff;
mod doctor;
mod environment;
mod hooks;
mod install;
mod list;
mod mark;
mod relocate;
mod repair;
mod run;
mod set;
mod sizes;
mod snapshot;
mod storage;
mod stream;
mod subcommand;
mod sysboot;
mod trash;
mod uninstall;
mod verify;

pub(super) use install::{package_host, plan_mirror};
pub(super) use repair::{COPY, PKG, repair};
pub(super) use storage::limit;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use zones_config::ZoneConfig;
use zones_engine::chain;
use zones_store::{Layout, Lock, Store};
use zones_types::{Verb, Verdict, ZoneName, ZonePath, ZoneState, judge};

use crate::inside::Inside;
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};
use subcommand::{SUBCOMMANDS, Subcommand, help, usage};

/// How long a command waits for another one without a word.
const QUIET: Duration = Duration::from_secs(1);

/// What every subcommand works on.
pub(crate) struct Target<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) store: Store,
    pub(crate) zone: ZoneName,
    /// The state now, derived from the kernel.
    pub(crate) state: ZoneState,
}

impl<'a> Target<'a> {
    /// The same zone, in another state meanwhile.
    fn now(&self, state: ZoneState) -> Target<'a> {
        Target {
            layout: self.layout,
            store: self.store.clone(),
            zone: self.zone.clone(),
            state,
        }
    }

    /// The state by now; a zone that is gone counts as configured.
    fn state_now(&self) -> Result<ZoneState, String> {
        let state = state_of(self.layout, &self.store, &self.zone)?;
        Ok(state.unwrap_or(ZoneState::Configured))
    }

    /// The same zone when nobody is at work on it.
    fn again(&self) -> Result<Target<'a>, String> {
        drop(self.lock()?);
        Ok(self.now(self.state_now()?))
    }

    /// As [`Self::lock`], when the verb may be done by then: somebody may have been faster.
    fn lock_for(&self, verb: Verb) -> Result<Option<Lock>, String> {
        let lock = self.lock()?;
        match judge(self.state_now()?, verb) {
            Verdict::Refuse(refusal) => Err(refusal.to_string()),
            Verdict::Already(text) => Err(text.to_owned()),
            Verdict::Go => Ok(lock),
        }
    }

    /// Waits for the lock of the zone, unless who called this command holds it.
    fn lock(&self) -> Result<Option<Lock>, String> {
        if crate::env::lock_is_held() {
            return Ok(None);
        }
        let free = Lock::try_zone(self.layout, &self.zone).map_err(|error| chain(&error))?;
        match free {
            Some(lock) => Ok(Some(lock)),
            None => self.wait_for_lock().map(Some),
        }
    }

    /// Says so when it takes long.
    fn wait_for_lock(&self) -> Result<Lock, String> {
        std::thread::scope(|scope| {
            let (sender, got) = mpsc::channel::<()>();
            scope.spawn(move || {
                if got.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
                    let zone = &self.zone;
                    eprintln!("zone '{zone}': waiting for a command that is at work on it...");
                }
            });
            let lock = Lock::zone(self.layout, &self.zone);
            drop(sender);
            lock.map_err(|error| chain(&error))
        })
    }

    fn config(&self) -> Result<ZoneConfig, String> {
        zones_engine::load(self.layout, &self.zone).map_err(|error| error.chain())
    }

    fn zonepath(&self) -> Result<ZonePath, String> {
        let entry = self.store.get(&self.zone).map_err(|error| chain(&error))?;
        let path = entry.and_then(|entry| entry.zonepath());
        path.ok_or_else(|| "zonepath not specified".to_owned())
    }
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
    with_zone(layout, &store, &zone, subcommand, rest)
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
    store: &Store,
    zone: &ZoneName,
    subcommand: &Subcommand,
    rest: &[String],
) -> u8 {
    let subcommand::Run::Zone(run) = subcommand.run else {
        return FAILURE;
    };
    if subcommand.name == "attach"
        && let Some(status) = attach::dry_run(layout, rest)
    {
        return status;
    }
    let configured = match subcommand.name {
        "clone" => configure::before_clone(layout, zone, rest),
        _ => Ok(rest.to_vec()),
    };
    let rest = match configured {
        Ok(rest) => rest,
        Err(status) => return status,
    };
    match target_as(layout, store, zone, subcommand.name, subcommand.privileged) {
        Ok(target) => run(&target, &rest),
        Err(status) => status,
    }
}

/// The zone that somebody privileged wants something done to.
fn target_of<'a>(
    layout: &'a Layout,
    store: &Store,
    zone: &ZoneName,
    verb: &str,
) -> Result<Target<'a>, u8> {
    target_as(layout, store, zone, verb, true)
}

fn target_as<'a>(
    layout: &'a Layout,
    store: &Store,
    zone: &ZoneName,
    verb: &str,
    is_privileged: bool,
) -> Result<Target<'a>, u8> {
    if zone.is_global() {
        let text = format!("{verb} operation is invalid for the global zone.");
        return Err(fail_zone(zone, text));
    }
    if zone.is_reserved() {
        let text = format!("{verb} operation is invalid for zones starting with SUNW or SYS.");
        return Err(fail_zone(zone, text));
    }
    if is_privileged && !rustix::process::geteuid().is_root() {
        let text = format!("only a privileged user may {verb} a zone.");
        return Err(fail("zoneadm", text));
    }
    if is_privileged && let Err(text) = repair(layout, store, zone, verb) {
        return Err(fail_zone(zone, text));
    }
    match state_of(layout, store, zone) {
        Ok(Some(state)) => Ok(Target {
            layout,
            store: store.clone(),
            zone: zone.clone(),
            state,
        }),
        Ok(None) => Err(fail("zoneadm", format!("{zone}: No such zone configured"))),
        Err(error) => Err(fail("zoneadm", error)),
    }
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
