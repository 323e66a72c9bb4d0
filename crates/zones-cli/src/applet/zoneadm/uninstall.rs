//! `zoneadm uninstall`.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use zones_brand::{Hook, HookEnd};
use zones_engine::{Hooks, Request};
use zones_storage::DriverKind;
use zones_store::Layout;
use zones_types::{Verb, Verdict, ZoneState, judge};

use super::trash::{self, Trash};
use super::{Target, configure, hooks};
use crate::report::{FAILURE, OK, USAGE, fail_zone};

/// What belongs to a zone below its zonepath; anything else is somebody's data and stays.
const STANDARD: [&str; 11] = [
    ".import",
    "be",
    "dev",
    "lastexited",
    "logs",
    "lu",
    "root",
    "snap",
    "SUNWattached.xml",
    "SUNWdetached.xml",
    "root.new",
];

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let mut args = args.to_vec();
    let is_deleted = configure::is_deleted(&mut args);
    match files(target, &args) {
        OK if is_deleted => configure::delete(target.layout, &target.zone),
        status => status,
    }
}

fn files(target: &Target<'_>, args: &[String]) -> u8 {
    let force = args.iter().any(|flag| flag == "-F");
    let hooks = Hooks::load(target.layout, &target.zone, true);
    let has_hook = |hook| hooks.as_ref().is_ok_and(|hooks: &Hooks| hooks.has(hook));
    let for_brand = has_hook(Hook::Uninstall) || has_hook(Hook::Preuninstall);
    if !for_brand && args.iter().any(|flag| flag != "-F") {
        eprintln!("usage:\tuninstall [-F] [--delete]");
        return USAGE;
    }
    let state = target.state;
    if let Verdict::Refuse(refusal) = judge(state, Verb::Uninstall) {
        return fail_zone(&target.zone, refusal);
    }
    // Which folder is the zone's must be beyond doubt before one is removed.
    if let Err(status) = super::verify::files_agree(target) {
        return status;
    }
    match force || confirmed(target) {
        true => {}
        false if std::io::stdin().is_terminal() => return OK,
        false => {
            eprintln!("Input not from terminal and -F not specified: uninstall not done.");
            return FAILURE;
        }
    }
    let _lock = match target.lock_for(Verb::Uninstall) {
        Ok(lock) => lock,
        Err(text) => return fail_zone(&target.zone, text),
    };
    // The files of a zone can go even where its brand is not known any more.
    if let Some(status) = hooks
        .ok()
        .and_then(|hooks| hook(target, &hooks, Hook::Preuninstall, args))
    {
        return status;
    }
    remove(target, args)
}

/// Runs a hook of the brand; `Some` is the status of a command that ends here.
fn hook(target: &Target<'_>, hooks: &Hooks, hook: Hook, args: &[String]) -> Option<u8> {
    match hooks::run(hooks, hook, args, &mut hooks::print) {
        Ok(None | Some(HookEnd::Done)) => None,
        Ok(Some(end)) => Some(fail_zone(&target.zone, hooks::failed(hook, end))),
        Err(text) => Some(fail_zone(&target.zone, text)),
    }
}

fn confirmed(target: &Target<'_>) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    loop {
        print!(
            "Are you sure you want to uninstall zone {} (y/[n])? ",
            target.zone
        );
        let _ = std::io::stdout().flush();
        let mut answer = String::new();
        if stdin.lock().read_line(&mut answer).unwrap_or(0) == 0 {
            return false;
        }
        match answer.trim_start().chars().next() {
            Some('y' | 'Y') => return true,
            None | Some('n' | 'N') => return false,
            _ => {}
        }
    }
}

/// From here on the zone is `incomplete` until its files are gone.
fn remove(target: &Target<'_>, args: &[String]) -> u8 {
    let failed = |error: String| fail_zone(&target.zone, error);
    let config = match zones_engine::load(target.layout, &target.zone) {
        Ok(config) => config,
        Err(error) => return failed(error.chain()),
    };
    let Some(zonepath) = &config.zonepath else {
        return failed("zonepath not specified".to_owned());
    };
    let root = zonepath.root();
    let mounted = mounts_below(&root);
    if !mounted.is_empty() {
        eprintln!(
            "These file systems are mounted on subdirectories of {}.",
            root.display()
        );
        mounted.iter().for_each(|path| eprintln!("{path}"));
        return failed("unmount them and try again.".to_owned());
    }
    // What a daemon that was killed left in the kernel goes first.
    let active = zones_engine::active(target.layout, &target.zone).is_some();
    let request = if active {
        Request::Halt
    } else {
        Request::Uninstalling
    };
    if active || zones_engine::console_path(target.layout, &target.zone).exists() {
        let _ = zones_engine::request(target.layout, &target.zone, &request);
    }
    if let Err(error) = target.store.set_state(&target.zone, ZoneState::Incomplete) {
        return failed(zones_engine::chain(&error));
    }
    let hooks = Hooks::of(target.layout, &config, true).ok();
    if let Some(status) = hooks.and_then(|hooks| hook(target, &hooks, Hook::Uninstall, args)) {
        return status;
    }
    if let Err(error) = remove_files(target.layout, zonepath.as_path()) {
        return failed(error);
    }
    zones_engine::forget_owners(target.layout, &target.zone);
    // What stays is started afresh by the next installation.
    let _ = zones_brand::forget_sources(target.layout, &target.zone);
    let _ = zones_store::journal::end(target.layout, &target.zone);
    match target.store.set_state(&target.zone, ZoneState::Configured) {
        Ok(_) => OK,
        Err(error) => failed(zones_engine::chain(&error)),
    }
}

/// Takes the standard entries away, then the folder itself when nothing else is in it. Large trees
/// are only put aside here; see [`trash`].
pub(super) fn remove_files(layout: &Layout, zonepath: &Path) -> Result<(), String> {
    // It may be there and not be seen: not mounted, or being made by what a killed command began.
    zones_storage::find_home(zonepath).map_err(|error| zones_engine::chain(&error))?;
    if !zonepath.exists() {
        return Ok(());
    }
    zones_storage::settle_layers(zonepath).map_err(|error| zones_engine::chain(&error))?;
    let driver = zones_storage::choose(zonepath).map_err(|error| zones_engine::chain(&error))?;
    // The kernel forgets every file of a subvolume that was looked at before it is gone.
    let is_slow = matches!(
        driver.kind(),
        DriverKind::Dir | DriverKind::Overlay | DriverKind::Btrfs
    );
    // A group that stays limits nobody; who stopped the counting took it away.
    let _ = driver.release(zonepath);
    let mut trash = Trash::new(layout, zonepath);
    for name in standard(zonepath) {
        let path = zonepath.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() && is_slow && trash.take(&path) => {}
            Ok(meta) if meta.is_dir() => driver
                .destroy(&path)
                .map_err(|error| zones_engine::chain(&error))?,
            Ok(_) => std::fs::remove_file(&path)
                .map_err(|error| format!("cannot remove {}: {error}", path.display()))?,
            Err(_) => {}
        }
    }
    drop(trash);
    trash::sweep(layout);
    let left = std::fs::read_dir(zonepath)
        .map(|entries| entries.count())
        .unwrap_or(0);
    if left > 0 {
        eprintln!(
            "WARNING: Unable to completely remove {}\nbecause it contains additional user data.  Only the standard directory\n\
             entries have been removed.",
            zonepath.display()
        );
        return Ok(());
    }
    zones_storage::remove_home(zonepath).map_err(|error| zones_engine::chain(&error))
}

/// The names of what belongs to the zone, also of roots that were being made when something died.
fn standard(zonepath: &Path) -> Vec<OsString> {
    let found = std::fs::read_dir(zonepath).into_iter().flatten().flatten();
    let new = found
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with(zones_storage::NEW));
    // Each by itself: it may be a subvolume, or have layers.
    let roots = [".import", "be", "snap"].into_iter().flat_map(|folder| {
        let entries = std::fs::read_dir(zonepath.join(folder));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(move |entry| Path::new(folder).join(entry.file_name()).into())
    });
    let fixed = STANDARD.iter().map(OsString::from);
    roots.chain(fixed).chain(new).collect()
}

/// Mount points below a folder, from the kernel's own table (octal escapes of blanks undone).
pub(super) fn mounts_below(root: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let points = points.map(|point| point.replace("\\040", " ").replace("\\011", "\t"));
    points
        .filter(|point| Path::new(point) != root && Path::new(point).starts_with(root))
        .collect()
}
