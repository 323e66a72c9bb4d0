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
    let idle = services.iter().filter(|service| !is_up(service, now));
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

/// Whether a service has no process although something starts it with the system.
#[must_use]
pub fn is_late(service: &str, now: &Inventory) -> bool {
    !is_up(service, now) && job(service, now) == Some(true)
}

/// Whether a service has a process: a unit of systemd with one, or one that is called like the
/// service.
#[must_use]
pub fn is_up(service: &str, now: &Inventory) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leftovers::Job;

    #[test]
    fn a_service_is_late_when_something_starts_it_and_it_has_no_process() {
        let mut now = Inventory::default();
        assert!(!is_late("acmed", &now), "nobody knows it");
        let job = |enabled| Job {
            enabled,
            ..Job::default()
        };
        now.services.insert("acmed.service".to_owned(), job(false));
        assert!(!is_late("acmed", &now), "nothing starts it");
        now.services.insert("acmed.service".to_owned(), job(true));
        assert!(is_late("acmed", &now));
        now.units.insert("acmed.service".to_owned());
        assert!(!is_late("acmed", &now), "it is up");
    }
}
