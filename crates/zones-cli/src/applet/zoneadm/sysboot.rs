//! `zoneadm sysboot`: all zones with the host, up and down.

use std::process::{Child, Command};

use zones_brand::{Hook, HookEnd};
use zones_engine::Hooks;
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use super::hooks;
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};

/// Seconds for an orderly end of all zones; what is left then is halted.
const GRACE_S: u64 = 45;

pub(super) fn run(layout: &Layout, store: &Store, _zone: Option<&ZoneName>, args: &[String]) -> u8 {
    if !rustix::process::geteuid().is_root() {
        return fail("zoneadm", "only a privileged user may sysboot a zone.");
    }
    match args {
        [] => start(layout, store),
        [word] if word == "stop" => stop(layout, store),
        _ => {
            eprintln!("usage:\tsysboot [stop]");
            USAGE
        }
    }
}

/// Boots in parallel, one zoneadm for each zone, and waits for all; zones of a lower priority after
/// those of a higher one.
fn start(layout: &Layout, store: &Store) -> u8 {
    super::trash::sweep(layout);
    let zones = match store.list() {
        Ok(zones) => zones,
        Err(error) => return fail("zoneadm", zones_engine::chain(&error)),
    };
    let (mut waves, mut status) = (<[Vec<ZoneName>; 3]>::default(), OK);
    for entry in zones
        .into_iter()
        .filter(|entry| entry.state == ZoneState::Installed)
    {
        match zones_engine::load(layout, &entry.name) {
            Ok(config) if config.autoboot => {
                let wave = match config.boot_priority.as_str() {
                    "high" => 0,
                    "low" => 2,
                    _ => 1,
                };
                waves[wave].push(entry.name);
            }
            Ok(_) => status |= sysboot_hook(layout, &entry.name),
            Err(error) => status |= fail_zone(&entry.name, error.chain()),
        }
    }
    let names = waves.concat();
    if names.is_empty() {
        return status;
    }
    println!("Booting zones: {}.", words(&names));
    let boot = |wave: &Vec<ZoneName>| each(layout, wave, &["boot"]);
    waves.iter().map(boot).fold(status, |all, one| all | one)
}

/// What the brand of a zone that is not booted wants done at the start of the host.
fn sysboot_hook(layout: &Layout, zone: &ZoneName) -> u8 {
    let run = || -> Result<(), String> {
        let hooks = Hooks::load(layout, zone, false).map_err(|error| error.chain())?;
        match hooks::run(&hooks, Hook::Sysboot, &[], &mut hooks::print)? {
            None | Some(HookEnd::Done) => Ok(()),
            Some(end) => Err(hooks::failed(Hook::Sysboot, end)),
        }
    };
    run().map_or_else(|text| fail_zone(zone, text), |()| OK)
}

fn stop(layout: &Layout, store: &Store) -> u8 {
    let running = || -> Vec<(ZoneName, ZoneState)> {
        let zones = store.list().unwrap_or_default().into_iter();
        zones
            .filter_map(|entry| {
                Some((
                    entry.name.clone(),
                    zones_engine::active(layout, &entry.name)?.0,
                ))
            })
            .collect()
    };
    let halts = |name: &ZoneName| {
        zones_engine::load(layout, name).is_ok_and(|config| config.autoshutdown == "halt")
    };
    let up = running()
        .into_iter()
        .filter(|(_, state)| *state == ZoneState::Running);
    let (at_once, names): (Vec<_>, Vec<_>) = up.map(|(name, _)| name).partition(halts);
    if !at_once.is_empty() {
        println!("Halting zones: {}.", words(&at_once));
        each(layout, &at_once, &["halt"]);
    }
    if !names.is_empty() {
        println!(
            "Shutting down running zones (for up to {GRACE_S} seconds): {}.",
            words(&names)
        );
        each(layout, &names, &["shutdown", "-t", &GRACE_S.to_string()]);
    }
    let left: Vec<ZoneName> = running().into_iter().map(|(name, _)| name).collect();
    if left.is_empty() {
        return OK;
    }
    println!(
        "Zones failed to shutdown; trying to halt  (for up to {} seconds): {}.",
        GRACE_S / 3,
        words(&left)
    );
    each(layout, &left, &["halt"])
}

fn words(names: &[ZoneName]) -> String {
    names
        .iter()
        .map(ZoneName::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a subcommand for many zones, a few at a time, so that a host with hundreds is not swamped.
fn each(layout: &Layout, names: &[ZoneName], subcommand: &[&str]) -> u8 {
    const AT_ONCE: usize = 16;
    let mut status = OK;
    let mut children: Vec<Child> = Vec::new();
    for name in names {
        if children.len() >= AT_ONCE {
            status |= finish(children.remove(0));
        }
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("zoneadm")
            .arg("-R")
            .arg(layout.prefix())
            .args(["-z", name.as_str()])
            .args(subcommand);
        match command.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                status |= fail(
                    "zoneadm",
                    format!("cannot start zoneadm for zone '{name}': {error}"),
                )
            }
        }
    }
    for child in children {
        status |= finish(child);
    }
    status
}

fn finish(mut child: Child) -> u8 {
    match child.wait() {
        Ok(status) if status.success() => OK,
        _ => FAILURE,
    }
}
