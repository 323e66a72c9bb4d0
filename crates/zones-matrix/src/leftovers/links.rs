//! Where symbolic links lead, within an inventory.

use super::inventory::{Inventory, Path};

/// Links that are followed before it is taken for a circle. Source: path_resolution(7).
const FOLLOWED: u32 = 40;

/// Folders that the system fills while it runs; what is below is not in an inventory.
const LIVE: [&[u8]; 5] = [b"/proc", b"/sys", b"/dev", b"/run", b"/tmp"];

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lead {
    /// To this path, which is no link.
    Here(Path),
    /// Into a folder that an inventory says nothing of.
    Unknown,
    /// Nowhere.
    Nowhere,
}

/// Whether a link leads nowhere.
pub(crate) fn is_broken(path: &[u8], inventory: &Inventory) -> bool {
    follow(path, inventory) == Lead::Nowhere
}

/// Follows all links on the way and the last one, inside the inventory.
pub(crate) fn follow(path: &[u8], inventory: &Inventory) -> Lead {
    let mut rest: Vec<Path> = parts(path);
    rest.reverse();
    let mut here: Path = Vec::new();
    let mut followed = 0;
    while let Some(part) = rest.pop() {
        if part == b".." {
            let slash = here.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            here.truncate(slash);
            continue;
        }
        here.push(b'/');
        here.extend_from_slice(&part);
        if is_live(&here, inventory) {
            return Lead::Unknown;
        }
        let Some(entry) = inventory.files.get(&here) else {
            return Lead::Nowhere;
        };
        let Some(target) = &entry.target else {
            continue;
        };
        followed += 1;
        if followed > FOLLOWED {
            return Lead::Nowhere;
        }
        if target.starts_with(b"/") {
            here.clear();
        } else {
            let slash = here.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            here.truncate(slash);
        }
        rest.extend(parts(target).into_iter().rev());
    }
    Lead::Here(here)
}

fn is_live(path: &[u8], inventory: &Inventory) -> bool {
    LIVE.contains(&path)
        || inventory
            .mounts
            .iter()
            .any(|mount| mount.as_bytes() == path)
}

fn parts(path: &[u8]) -> Vec<Path> {
    let parts = path.split(|byte| *byte == b'/');
    parts
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}
