//! Whoever comes to a zone after a command that was killed completes what that began, or takes it
//! back, and says so.

use std::path::Path;

use zones_engine::chain;
use zones_storage::Environments;
use zones_store::{Layout, Lock, Store, atomic, journal};
use zones_types::{ZoneName, ZonePath, ZoneState};

use super::attach::DETACHED;
use super::{relocate, trash};

/// Verbs that leave the files of a zone where they are: they do not wait for a repair of them.
const RUN_ONLY: [&str; 8] = [
    "apply", "boot", "halt", "mount", "ready", "reboot", "shutdown", "unmount",
];

/// What pkg(1) notes while it works in a copy: the verb, and which field names the copy.
pub(crate) const PKG: &str = "pkg";
pub(crate) const COPY: &str = "environment";

/// Before anything else is done to the zone.
pub(crate) fn repair(
    layout: &Layout,
    store: &Store,
    zone: &ZoneName,
    verb: &str,
) -> Result<(), String> {
    relocate::repair(layout, store, zone)?;
    if RUN_ONLY.contains(&verb) || crate::env::lock_is_held() {
        return Ok(());
    }
    trash::sweep(layout);
    zones_engine::sweep_id_ranges(layout);
    let entry = store.get(zone).map_err(|error| chain(&error))?;
    let Some(entry) = entry else { return Ok(()) };
    // Somebody who has the lock is at work there.
    let lock = Lock::try_zone(layout, zone).map_err(|error| chain(&error))?;
    let Some(_lock) = lock else { return Ok(()) };
    journal::sweep(layout, zone);
    let note = journal::read(layout, zone).map_err(|error| chain(&error))?;
    // Of a zone that is whole, or not there at all: what was begun had no effect yet, or all of it.
    let is_stale = note.is_some() && entry.state != ZoneState::Incomplete;
    let zonepath = entry.zonepath();
    let left = zonepath.as_ref().map(ZonePath::as_path);
    let is_up = zones_engine::active(layout, zone).is_some();
    let left = left.filter(|path| has_leftovers(path, is_up));
    // Only a zone that is not attached has one.
    let described = zonepath.as_ref().map(|it| it.as_path().join(DETACHED));
    let described = described.filter(|path| entry.state == ZoneState::Installed && path.exists());
    if !is_stale && left.is_none() && described.is_none() {
        return Ok(());
    }
    if let Some(path) = left {
        zones_storage::repair(path, is_up).map_err(|error| chain(&error))?;
        zones_stream::forget(path).map_err(|error| chain(&error))?;
    }
    if let Some(path) = described {
        atomic::remove(&path).map_err(|error| chain(&error))?;
    }
    if is_stale {
        if let (Some(note), Some(path)) = (&note, &zonepath) {
            remove_copy(note, path.as_path())?;
        }
        journal::end(layout, zone).map_err(|error| chain(&error))?;
    }
    let what = note.map_or_else(|| "a command".to_owned(), |it| format!("`{}`", it.verb));
    eprintln!("zone '{zone}': {what} was interrupted; what it left half done is cleaned up");
    Ok(())
}

/// The boot environment that a killed pkg(1) worked in: it holds half an operation.
fn remove_copy(note: &journal::Entry, zonepath: &Path) -> Result<(), String> {
    let Some(name) = note.field(COPY).filter(|_| note.verb == PKG) else {
        return Ok(());
    };
    let mut environments = Environments::open(zonepath).map_err(|error| chain(&error))?;
    let is_kept = [environments.active(), environments.next()].contains(&name);
    if is_kept || !environments.all().iter().any(|it| it.name == name) {
        return Ok(());
    }
    environments.destroy(name).map_err(|error| chain(&error))
}

fn has_leftovers(zonepath: &Path, is_up: bool) -> bool {
    zones_storage::has_leftovers(zonepath, is_up) || zones_stream::is_forgotten(zonepath)
}
