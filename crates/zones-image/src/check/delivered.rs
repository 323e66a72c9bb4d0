//! What an image has of its packages: variants, facets, mediators and overlays applied.

use std::collections::HashSet;

use zones_ips::{Action, ActionKind};

use crate::plan::collect::key;
use crate::plan::{Package, Policy, chosen};

/// Package and action, by their places.
pub(super) type Place = (usize, usize);

/// All actions that should have left something on disk, in the order of packages and manifests.
pub(super) fn delivered<'a>(packages: &'a [Package], policy: &Policy) -> Vec<(Place, &'a Action)> {
    let choices = chosen::of_packages(packages, policy);
    let all = || {
        packages
            .iter()
            .flat_map(|package| package.manifest.actions())
    };
    let overlaid: HashSet<&str> = all()
        .filter(|action| action.get("overlay") == Some("true") && policy.allow(action))
        .filter_map(Action::key)
        .collect();
    let is_hidden = |action: &Action| {
        action.kind() == ActionKind::File
            && action.get("overlay") != Some("true")
            && action.key().is_some_and(|path| overlaid.contains(path))
    };
    let mut found = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        for (number, action) in package.manifest.actions().iter().enumerate() {
            let is_there = key(&package.fmri, action).is_some()
                && policy.allow(action)
                && !is_hidden(action)
                && chosen::is_chosen(action, &choices).unwrap_or(false);
            if is_there {
                found.push(((at, number), action));
            }
        }
    }
    found
}
