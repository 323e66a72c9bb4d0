//! `zoneadm move`: another zonepath. Source: zoneadm(8), "move".
//!
//! A note of what is under way stands in the journal. In one file system the folder is renamed:
//! where the root is then tells whether the configuration is to follow it. Across file systems all
//! is copied, the note says so when that is done, and from then on the move is carried through.
//! Whoever comes to the zone after a crash completes or undoes it.

use std::path::Path;

use zones_archive::Progress;
use zones_engine::chain;
use zones_store::{Layout, Lock, Store, journal};
use zones_types::{Verb, Verdict, ZoneName, ZonePath, ZoneState, judge};

use super::{Target, clone, run as verbs, storage, uninstall, verify};
use crate::progress::Waiting;
use crate::report::{OK, fail_zone};

/// The verb in the journal, and how far it is.
const VERB: &str = "move";
const RENAME: &str = "rename";
const COPY: &str = "copy";
const COPIED: &str = "copied";
/// Folders of roots, and what is written down beside them.
const RECORDS: [(&str, &[&str]); 2] = [("be", &[".record", ".trial"]), ("snap", &[".record"])];

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let [path] = args else {
        return verbs::bad_usage("move");
    };
    if path.starts_with('-') {
        return verbs::bad_usage("move");
    }
    if let Verdict::Refuse(refusal) = judge(target.state, Verb::Move) {
        return fail_zone(&target.zone, refusal);
    }
    if let Err(status) = verify::files_agree(target) {
        return status;
    }
    let moved = path.parse::<ZonePath>().map_err(|error| error.to_string());
    let moved = moved.and_then(|to| Move::new(target, to)?.run());
    moved.map_or_else(|text| fail_zone(&target.zone, text), |()| OK)
}

struct Move<'a> {
    layout: &'a Layout,
    store: &'a Store,
    zone: &'a ZoneName,
    from: ZonePath,
    to: ZonePath,
    _lock: Option<Lock>,
}

impl<'a> Move<'a> {
    /// Checks all that can be checked before anything is changed.
    fn new(target: &'a Target<'a>, to: ZonePath) -> Result<Self, String> {
        let lock = target.lock()?;
        if zones_engine::active(target.layout, &target.zone).is_some() {
            return Err("move operation is invalid for running zones.".to_owned());
        }
        let from = target.zonepath()?;
        if from.overlaps(&to) {
            return Err(format!(
                "cannot be moved from {from} to {to}: one lies in the other"
            ));
        }
        for other in target.store.list().map_err(|error| chain(&error))? {
            if other.name != target.zone
                && let Some(path) = other.zonepath().filter(|path| path.overlaps(&to))
            {
                let (zone, other) = (&target.zone, &other.name);
                return Err(format!(
                    "{zone} zonepath ({to}) and {other} zonepath ({path}) overlap."
                ));
            }
        }
        let root = from.root();
        let mounts = uninstall::mounts_below(&root).len();
        if mounts > 0 {
            let root = root.display();
            return Err(format!("{mounts} overlay mount(s) detected on {root}."));
        }
        let is_used = std::fs::read_dir(to.as_path()).is_ok_and(|mut it| it.next().is_some());
        if is_used {
            return Err(format!("could not move zone to {to}: directory not empty"));
        }
        Ok(Self {
            layout: target.layout,
            store: &target.store,
            zone: &target.zone,
            from,
            to,
            _lock: lock,
        })
    }

    fn target(&self) -> Target<'_> {
        Target {
            layout: self.layout,
            store: self.store.clone(),
            zone: self.zone.clone(),
            state: ZoneState::Installed,
        }
    }

    fn note(&self, how: &str) -> Result<(), String> {
        let fields = [
            ("from", self.from.as_str()),
            ("to", self.to.as_str()),
            ("how", how),
        ];
        let written = journal::begin(self.layout, self.zone, VERB, &fields);
        written.map_err(|error| chain(&error))
    }

    fn run(&self) -> Result<(), String> {
        self.note(RENAME)?;
        let renamed = clone::make_above(self.to.as_path()).and_then(|()| self.rename());
        match renamed {
            Ok(true) => {
                if let Err(text) = configure(self.store, self.zone, &self.to) {
                    return Err(self.undo(text));
                }
            }
            Ok(false) => self.copy()?,
            Err(text) => return Err(self.undo(text)),
        }
        let fields = [("from", self.from.as_str()), ("to", self.to.as_str())];
        zones_engine::note_event(self.layout, self.zone, "move", &fields);
        journal::end(self.layout, self.zone).map_err(|error| chain(&error))
    }

    /// `false` when they are on different file systems.
    fn rename(&self) -> Result<bool, String> {
        let (from, to) = (self.from.as_path(), self.to.as_path());
        zones_storage::move_home(from, to)
            .map_err(|error| format!("could not move zone to {}: {}", self.to, chain(&error)))
    }

    fn undo(&self, text: String) -> String {
        match repair_move(self.layout, self.store, self.zone, &self.back()) {
            Ok(_) => text,
            Err(more) => format!("{text}\n{more}"),
        }
    }

    /// The way back of a rename: the configuration goes where the root is, so the root goes first.
    fn back(&self) -> journal::Entry {
        let (from, to) = (self.from.as_path(), self.to.as_path());
        if to.join("root").exists() && !from.exists() {
            let _ = zones_storage::move_home(to, from);
        }
        entry(&self.from, &self.to, RENAME)
    }

    fn copy(&self) -> Result<(), String> {
        println!(
            "Moving across file systems; copying zonepath {}...",
            self.from
        );
        let copied = self.note(COPY).and_then(|()| {
            let to = self.to.as_path();
            clone::make_zonepath(to)?;
            storage::choose(&self.target(), to)?;
            copy_all(self.from.as_path(), to, &Waiting::new(None))
        });
        if let Err(text) = copied.and_then(|()| self.note(COPIED)) {
            let half = entry(&self.from, &self.to, COPY);
            return Err(
                match repair_move(self.layout, self.store, self.zone, &half) {
                    Ok(_) => text,
                    Err(more) => format!("{text}\n{more}"),
                },
            );
        }
        configure(self.store, self.zone, &self.to)?;
        println!("Cleaning up zonepath {}...", self.from);
        uninstall::remove_files(self.layout, self.from.as_path())
    }
}

fn entry(from: &ZonePath, to: &ZonePath, how: &str) -> journal::Entry {
    let fields = [("from", from.as_str()), ("to", to.as_str()), ("how", how)];
    journal::Entry {
        verb: VERB.to_owned(),
        fields: fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

/// Document, then index.
fn configure(store: &Store, zone: &ZoneName, path: &ZonePath) -> Result<(), String> {
    let mut config = store.load(zone).map_err(|error| chain(&error))?;
    config.zonepath = Some(path.clone());
    store.save(&config).map(drop).map_err(|error| chain(&error))
}

/// Every root, and what is written down of them. What roots share they share there, too: they go
/// through a stream, each as the difference to the one before it.
fn copy_all(from: &Path, to: &Path, progress: &dyn Progress) -> Result<(), String> {
    let received = zones_stream::carry(from, to, progress).map_err(|error| chain(&error))?;
    let installed = received.install(progress);
    installed.map_err(|error| chain(&error))?;
    // A stream does not know what becomes active next, nor what did not come up.
    for (folder, records) in RECORDS {
        let (old, new) = (from.join(folder), to.join(folder));
        for record in records.iter().filter(|_| new.is_dir()) {
            plain(&old.join(record), &new.join(record))?;
        }
    }
    let failed = |error: std::io::Error| format!("cannot copy `{}`: {error}", from.display());
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            plain(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn plain(from: &Path, to: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(meta) = std::fs::symlink_metadata(from) else {
        return Ok(());
    };
    let failed = |error: std::io::Error| format!("cannot copy `{}`: {error}", from.display());
    let bytes = std::fs::read(from).map_err(failed)?;
    let mode = meta.permissions().mode() & 0o777;
    zones_store::atomic::write(to, &bytes, mode).map_err(|error| chain(&error))
}

/// Completes or undoes a move whose command died, before anything else is done to the zone.
pub(super) fn repair(layout: &Layout, store: &Store, zone: &ZoneName) -> Result<(), String> {
    let Ok(Some(note)) = journal::read(layout, zone) else {
        return Ok(());
    };
    if note.verb != VERB || crate::env::lock_is_held() {
        return Ok(());
    }
    // Somebody who has the lock is at it.
    let lock = Lock::try_zone(layout, zone).map_err(|error| chain(&error))?;
    let Some(_lock) = lock else { return Ok(()) };
    let Ok(Some(note)) = journal::read(layout, zone) else {
        return Ok(());
    };
    let at = repair_move(layout, store, zone, &note)?;
    eprintln!("zone '{zone}': a move was interrupted; its zonepath is {at}");
    Ok(())
}

fn repair_move(
    layout: &Layout,
    store: &Store,
    zone: &ZoneName,
    note: &journal::Entry,
) -> Result<ZonePath, String> {
    let path = |name: &str| {
        let text = note.field(name).unwrap_or_default();
        text.parse::<ZonePath>()
            .map_err(|error| format!("journal of {zone}: {error}"))
    };
    let (from, to) = (path("from")?, path("to")?);
    for path in [&from, &to] {
        // A move may have been killed before the new place was mounted.
        zones_storage::find_home(path.as_path()).map_err(|error| chain(&error))?;
    }
    let at = match note.field("how") {
        Some(COPIED) => {
            configure(store, zone, &to)?;
            uninstall::remove_files(layout, from.as_path())?;
            to
        }
        Some(COPY) => {
            uninstall::remove_files(layout, to.as_path())?;
            configure(store, zone, &from)?;
            from
        }
        _ if to.root().exists() => {
            configure(store, zone, &to)?;
            to
        }
        _ => {
            // Made for the rename, and empty.
            let _ = std::fs::remove_dir(to.as_path());
            configure(store, zone, &from)?;
            from
        }
    };
    journal::end(layout, zone).map_err(|error| chain(&error))?;
    Ok(at)
}
