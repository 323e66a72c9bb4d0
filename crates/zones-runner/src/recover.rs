//! Zones that a runner left: found by their names, not by what it meant to do.

use std::collections::BTreeSet;

use crate::bed::{Bed, BedError, Tenant};

/// Zones that could not be removed, and why.
pub type Left = Vec<(String, BedError)>;

/// Removes the zones of all runs that nobody runs. `alive` are the tags of those that are on their
/// way; zones that somebody wanted to keep go with `kept_too`. The names of what went come back.
///
/// # Errors
/// The zones cannot be listed.
pub fn sweep(
    bed: &dyn Bed,
    alive: &BTreeSet<String>,
    kept_too: bool,
) -> Result<(Vec<String>, Left), BedError> {
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    let mut zones: Vec<String> = bed
        .tenants()?
        .into_iter()
        .filter(|tenant| !is_alive(tenant, alive) && (kept_too || !tenant.kept))
        .map(|tenant| tenant.zone)
        .collect();
    // The newest first: a clone goes before what it was cloned from.
    zones.sort_unstable();
    for zone in zones.into_iter().rev() {
        match bed.destroy(&zone) {
            Ok(()) => gone.push(zone),
            Err(error) => left.push((zone, error)),
        }
    }
    Ok((gone, left))
}

/// Halts all zones of a run whose runner is gone.
///
/// # Errors
/// The zones cannot be listed.
pub fn halt_all(bed: &dyn Bed, tag: &str) -> Result<Left, BedError> {
    let mut left = Vec::new();
    for tenant in bed.tenants()? {
        if tag_of(&tenant.zone) == tag
            && let Err(error) = bed.halt(&tenant.zone)
        {
            left.push((tenant.zone, error));
        }
    }
    Ok(left)
}

fn is_alive(tenant: &Tenant, alive: &BTreeSet<String>) -> bool {
    alive.contains(tag_of(&tenant.zone))
}

fn tag_of(zone: &str) -> &str {
    zone.split('-').next().unwrap_or_default()
}
