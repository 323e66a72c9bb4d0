//! CPU shares among all zones of a host: the scale of their weights, and the weight of the group
//! that holds them all.
//!
//! A share is worth 100 (v2) or 1024 (v1), as one slice of the host is by default. The group of all
//! zones has the sum, so that shares hold against those slices, too. Above what the kernel takes
//! for one group the scale shrinks for all zones, so that their ratios stay.

use crate::group::parts;
use crate::hierarchy::{Controller, Hierarchies, Version};

/// One zone and its shares.
pub type Shares<'a> = (&'a str, u64);

/// File, weight of a share, least and greatest weight.
type Scale = (&'static str, u64, u64, u64);

const fn scale(version: Version) -> Scale {
    match version {
        Version::V1 => ("cpu.shares", 1024, 2, 262_144),
        Version::V2 => ("cpu.weight", 100, 1, 10_000),
    }
}

/// What one share is worth among these.
fn worth((_, usual, _, most): Scale, shares: impl Iterator<Item = u64>) -> u64 {
    let greatest = shares.max().unwrap_or(1).max(1);
    usual.min((most / greatest).max(1))
}

fn weight((_, _, least, most): Scale, shares: u64, worth: u64) -> u64 {
    shares.saturating_mul(worth).clamp(least, most)
}

impl Hierarchies {
    /// Adapts the weights below `parent` to a zone that has come or is `gone`. Best effort: groups
    /// that are not there or that run in idle time only (0 shares) are passed.
    pub fn weigh(&self, parent: &str, zone: Shares<'_>, gone: bool, others: &[Shares<'_>]) {
        let Some(hierarchy) = self
            .all
            .iter()
            .find(|h| h.controllers.contains(&Controller::Cpu))
        else {
            return;
        };
        let scale = scale(hierarchy.version);
        let mut dir = None;
        for part in parts(parent).unwrap_or_default() {
            let above = dir.as_ref().unwrap_or(&hierarchy.root);
            match above.child(part) {
                Ok(Some(child)) => dir = Some(child),
                _ => return,
            }
        }
        let Some(dir) = dir else { return };
        let of_others = || others.iter().map(|(_, shares)| *shares);
        let own = Some(zone.1).filter(|_| !gone);
        let sum = of_others().chain(own).fold(0, u64::saturating_add);
        let _ = dir.write(scale.0, &weight(scale, sum, scale.1).to_string());
        let now = worth(scale, of_others().chain(own));
        let before = worth(scale, of_others().chain(Some(zone.1).filter(|_| gone)));
        let changed = others.iter().filter(|_| now != before);
        let fresh = Some(&zone).filter(|_| !gone && now != scale.1);
        for (name, shares) in changed.chain(fresh).filter(|(_, shares)| *shares > 0) {
            let file = format!("{name}/{}", scale.0);
            let _ = dir.write(&file, &weight(scale, *shares, now).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn great_shares_shrink_the_scale() {
        let of = |version, shares: &[u64]| worth(scale(version), shares.iter().copied());
        assert_eq!(of(Version::V2, &[]), 100);
        assert_eq!(of(Version::V2, &[1, 100]), 100);
        assert_eq!(of(Version::V2, &[1, 101]), 99);
        assert_eq!(of(Version::V2, &[500, 1]), 20);
        assert_eq!(of(Version::V2, &[70_000]), 1);
        assert_eq!(of(Version::V1, &[256]), 1024);
        assert_eq!(of(Version::V1, &[512]), 512);
    }

    #[test]
    fn ratios_hold_while_zones_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cgroup.controllers"), "cpu").unwrap();
        const GROUPS: [&str; 4] = ["zones", "zones/a", "zones/b", "zones/idle"];
        for group in GROUPS {
            fs::create_dir(path(group)).unwrap();
        }
        let mounts = format!("1 1 0:1 / {} rw - cgroup2 x rw\n", folder.path().display());
        let hosts = Hierarchies::probe(&mounts).unwrap();
        // What one call writes into each group.
        let written = |zone, gone, others: &[Shares<'_>]| {
            let file = |group: &str| path(group).join("cpu.weight");
            GROUPS
                .iter()
                .for_each(|group| fs::write(file(group), "").unwrap());
            hosts.weigh("zones", zone, gone, others);
            GROUPS.map(|group| fs::read_to_string(file(group)).unwrap())
        };
        let rest = [("a", 1), ("idle", 0)];
        assert_eq!(written(("a", 1), false, &[]), ["100", "", "", ""]);
        assert_eq!(
            written(("b", 500), false, &rest),
            ["10000", "20", "10000", ""]
        );
        assert_eq!(written(("b", 500), true, &rest), ["100", "100", "", ""]);
    }
}
