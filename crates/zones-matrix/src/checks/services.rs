//! Whether the services of an option run.

use super::moments::{Absent, Moments};
use crate::leftovers::{Class, Finding, Inventory, Subject, finding};

/// Endings of units that may be left out in a matrix file.
const UNIT: &str = ".service";

/// Services without a process, after the last step and after a reboot.
pub(super) fn up(moments: &Moments<'_>) -> Result<Vec<Finding>, Absent> {
    let mut found = down(moments.services, moments.last()?, "");
    if let Some(rebooted) = moments.rebooted {
        for one in down(moments.services, rebooted, " after a reboot") {
            if !found.iter().any(|known| known.name == one.name) {
                found.push(one);
            }
        }
    }
    Ok(found)
}

fn down(services: &[String], now: &Inventory, when: &str) -> Vec<Finding> {
    let idle = services.iter().filter(|service| !runs(service, now));
    let found = idle.map(|service| {
        let why = match job(service, now) {
            None => "there is no such service",
            Some(false) => "it has no process, and nothing starts it",
            Some(true) => "it is enabled and has no process",
        };
        let name = service.clone();
        finding(
            Subject::Service,
            Class::Missing,
            name,
            format!("{why}{when}"),
        )
    });
    found.collect()
}

/// A unit of systemd with a process, or a process that is called like the service.
fn runs(service: &str, now: &Inventory) -> bool {
    let plain = service.strip_suffix(UNIT).unwrap_or(service);
    if now.units.contains(service) || now.units.contains(&format!("{plain}{UNIT}")) {
        return true;
    }
    now.processes.keys().any(|process| {
        let mut words = process.split(' ');
        words.any(|word| word.rsplit('/').next() == Some(plain))
    })
}

fn job(service: &str, now: &Inventory) -> Option<bool> {
    let found = now.services.get(service);
    let found = found.or_else(|| now.services.get(&format!("{service}{UNIT}")));
    found.map(|job| job.enabled)
}
