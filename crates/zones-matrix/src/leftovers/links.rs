//! Where symbolic links lead, within an inventory.

use super::inventory::{Inventory, Path};

/// Links that are followed before it is taken for a circle. Source: path_resolution(7).
const FOLLOWED: u32 = 40;

/// Folders that the system fills while it runs; what is below is not in an inventory.
const LIVE: [&[u8]; 5] = [b"/proc", b"/sys", b"/dev", b"/run", b"/tmp"];

/// Whether a link leads nowhere.
pub(super) fn is_broken(path: &[u8], inventory: &Inventory) -> bool {
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
            return false;
        }
        let Some(entry) = inventory.files.get(&here) else {
            return true;
        };
        let Some(target) = &entry.target else {
            continue;
        };
        followed += 1;
        if followed > FOLLOWED {
            return true;
        }
        if target.starts_with(b"/") {
            here.clear();
        } else {
            let slash = here.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            here.truncate(slash);
        }
        rest.extend(parts(target).into_iter().rev());
    }
    false
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
