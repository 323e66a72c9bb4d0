//! `zoneadm doctor`: what this host can do for zones, and what it costs where it cannot.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zones_cgroup::{Controller, Hierarchies, Kind};
use zones_engine::chain;
use zones_storage::DriverKind;
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use super::{run as verbs, storage};
use crate::getopt::{Given, Known, value};
use crate::report::{FAILURE, OK, fail};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    /// What was found.
    found: String,
    /// Whether all is as it should be.
    fine: bool,
    /// What it costs that it is not.
    #[serde(skip_serializing_if = "str::is_empty")]
    costs: &'static str,
}

fn fact(name: &'static str, found: impl Into<String>, fine: bool, costs: &'static str) -> Fact {
    Fact {
        name,
        found: found.into(),
        fine,
        costs: if fine { "" } else { costs },
    }
}

pub(super) fn run(layout: &Layout, store: &Store, _zone: Option<&ZoneName>, args: &[String]) -> u8 {
    const KNOWN: [Known; 1] = [value('o', "")];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) if given.words.len() < 2 => given,
        _ => return verbs::bad_usage("doctor"),
    };
    let is_json = match given.get("o") {
        None => false,
        Some("json") => true,
        Some(_) => return verbs::bad_usage("doctor"),
    };
    let folder = given
        .words
        .first()
        .map_or_else(|| home(store), PathBuf::from);
    let mut facts = facts(layout, &there(&folder));
    facts.extend(zones(store));
    let text = match is_json {
        true => match serde_json::to_string_pretty(&facts) {
            Ok(text) => text + "\n",
            Err(error) => return fail("zoneadm", error),
        },
        false => facts.iter().map(line).collect(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => OK,
        Err(_) => FAILURE,
    }
}

fn line(fact: &Fact) -> String {
    let mark = if fact.fine { "ok" } else { "--" };
    let line = format!("{mark} {:<14} {}\n", fact.name, fact.found);
    match fact.costs {
        "" => line,
        costs => format!("{line}   {:<14} {costs}\n", ""),
    }
}

/// Where the zones of this host are, else where they would usually be.
fn home(store: &Store) -> PathBuf {
    let zones = store.list().unwrap_or_default();
    let mut paths = zones.iter().filter_map(zones_store::IndexEntry::zonepath);
    let first = paths.find_map(|path| path.as_path().parent().map(Path::to_owned));
    first.unwrap_or_else(|| PathBuf::from("/zones"))
}

/// The folder, or the one above it that exists.
fn there(folder: &Path) -> PathBuf {
    let mut all = folder.ancestors();
    let found = all.find(|it| it.is_dir());
    found.unwrap_or_else(|| Path::new("/")).to_owned()
}

fn facts(layout: &Layout, folder: &Path) -> Vec<Fact> {
    let release = read("/proc/sys/kernel/osrelease");
    let mut facts = vec![
        fact("kernel", release.trim(), true, ""),
        fact("folder", folder.display().to_string(), true, ""),
        driver(layout, folder),
        owners(folder),
        layers(),
    ];
    facts.extend(groups());
    facts.push(namespaces());
    facts.push(filter());
    facts
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn driver(layout: &Layout, folder: &Path) -> Fact {
    match storage::default_of(layout, folder) {
        Ok((kind, why)) => {
            let found = format!("{} driver for new zones: {why}", kind.as_str());
            fact("storage", found, kind != DriverKind::Dir, COPIES)
        }
        Err(text) => fact("storage", text, false, COPIES),
    }
}

const COPIES: &str = "clones and snapshots copy files; use btrfs, ext4 or xfs";

/// The driver of each zone that has files, and why.
fn zones(store: &Store) -> Vec<Fact> {
    let zones = store.list().unwrap_or_default().into_iter();
    let installed = zones.filter(|it| it.state == ZoneState::Installed);
    let fact = |it: zones_store::IndexEntry| {
        let zonepath = it.zonepath()?;
        let found = match zones_storage::choice_of(zonepath.as_path()) {
            Ok(choice) => {
                let kind = choice.driver.kind();
                let text = format!("{}: {} driver: {}", it.name, kind.as_str(), choice.why);
                (text, kind != DriverKind::Dir)
            }
            Err(error) => (format!("{}: {}", it.name, chain(&error)), false),
        };
        Some(fact("zone", found.0, found.1, COPIES))
    };
    installed.filter_map(fact).collect()
}

fn owners(folder: &Path) -> Fact {
    const COSTS: &str = "the owners of each file are shifted when a zone is installed or cloned";
    if !rustix::process::geteuid().is_root() {
        return fact("mapped mounts", "only root can try them", true, "");
    }
    match zones_sys::can_map_owners(folder) {
        Ok(true) => fact(
            "mapped mounts",
            "the file system shows owners otherwise",
            true,
            "",
        ),
        Ok(false) => fact("mapped mounts", "the file system has none", false, COSTS),
        Err(error) => fact(
            "mapped mounts",
            format!("cannot be tried: {error}"),
            false,
            COSTS,
        ),
    }
}

fn layers() -> Fact {
    const COSTS: &str = "no layers; modprobe overlay";
    let known = read("/proc/filesystems");
    let has = known
        .lines()
        .any(|line| line.trim_start_matches("nodev").trim() == "overlay");
    let found = if has {
        "the kernel has overlayfs"
    } else {
        "the kernel has no overlayfs"
    };
    fact("layers", found, has, COSTS)
}

fn groups() -> Vec<Fact> {
    const NEEDED: [(Controller, &str); 3] = [
        (Controller::Cpu, "CPU caps and shares are not enforced"),
        (Controller::Memory, "memory caps are not enforced"),
        (Controller::Pids, "max-lwps is not enforced"),
    ];
    let all = match Hierarchies::probe(&read("/proc/self/mountinfo")) {
        Ok(all) => all,
        Err(error) => {
            let costs = "zones cannot be limited, stopped or counted";
            return vec![fact("control groups", chain(&error), false, costs)];
        }
    };
    let (name, has_v2) = match all.kind() {
        Kind::V1 => ("v1", false),
        Kind::Hybrid => ("v1, and v2 for tracking", true),
        Kind::V2 => ("v2", true),
    };
    let mut facts = vec![fact("control groups", name, true, "")];
    for (controller, costs) in NEEDED {
        if !all.has(controller) {
            facts.push(fact(controller.name(), "no such controller", false, costs));
        }
    }
    let can_stop = has_v2 || all.has(Controller::Freezer);
    let found = if can_stop {
        "zones can be stopped"
    } else {
        "zones cannot be stopped"
    };
    let costs = "no snapshots of running zones";
    facts.push(fact("freezer", found, can_stop, costs));
    facts
}

fn namespaces() -> Fact {
    const COSTS: &str = "only privileged zones boot: sysctl user.max_user_namespaces";
    let number = read("/proc/sys/user/max_user_namespaces");
    let number = number.trim();
    let has = Path::new("/proc/self/ns/user").exists() && number != "0";
    let found = match has {
        true => format!("users and all others, up to {number}"),
        false => "none for users".to_owned(),
    };
    fact("namespaces", found, has, COSTS)
}

fn filter() -> Fact {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    let has = actions.split_whitespace().any(|it| it == "errno");
    let found = if has {
        "system calls are filtered"
    } else {
        "the kernel has no seccomp"
    };
    fact(
        "filter",
        found,
        has,
        "system calls of zones are not filtered",
    )
}
