//! Numbers of zones: the id of a running one, the range of user ids of every one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use zones_store::{Layout, atomic};
use zones_types::{IdRange, ZoneId, ZoneName};

use crate::runtime::RunState;

/// The file that says where the ranges begin.
const ID_BASE: &str = "idbase";
/// The file that says which zone has which range.
const ID_RANGES: &str = "idranges";

/// Why no number could be had.
#[derive(Debug, thiserror::Error)]
pub enum IdError {
    /// The file that remembers the numbers.
    #[error("cannot use `{path}`")]
    #[allow(missing_docs)]
    File { path: String, source: io::Error },
    /// The table of ranges cannot be written.
    #[error(transparent)]
    Store(#[from] zones_store::StoreError),
    /// All zone ids are taken.
    #[error("all {} zone ids are in use", ZoneId::MAX.0)]
    NoZoneId,
    /// All user id ranges are taken.
    #[error("no free range of {} user ids is left", IdRange::COUNT)]
    NoRange,
}

/// The next zone id: one more than the last one given out, past those of `active` zones.
///
/// # Errors
/// When all are in use or the counter cannot be kept.
pub(crate) fn next_zone_id(
    layout: &Layout,
    active: &[(ZoneName, RunState)],
) -> Result<ZoneId, IdError> {
    let path = layout.run().join("last_id");
    let file = |source| IdError::File {
        path: path.display().to_string(),
        source,
    };
    let lock = lock_beside(&path).map_err(file)?;
    let last = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let last: u16 = last.unwrap_or(0);
    let mut used: Vec<u16> = active.iter().map(|(_, state)| state.id.0).collect();
    used.extend(ids_of_links());
    let candidates = (last..ZoneId::MAX.0).chain(0..last).map(|id| id + 1);
    let id = candidates
        .into_iter()
        .find(|id| !used.contains(id))
        .ok_or(IdError::NoZoneId)?;
    std::fs::write(&path, format!("{id}\n")).map_err(file)?;
    drop(lock);
    Ok(ZoneId(id))
}

/// Ids that links of the host are named by, `zv7.0`: those of other hosts of zones on this one,
/// such as that of a matrix.
fn ids_of_links() -> Vec<u16> {
    // Not from `/sys`: that shows the network namespace it was mounted in.
    let links = zones_net::Netlink::open().and_then(|mut host| host.links());
    let links = links.unwrap_or_default();
    let ids = links
        .iter()
        .filter_map(|link| zones_net::zone_of(&link.name));
    ids.map(|id| id.0).collect()
}

/// The first range of a host of zones: another one where `idbase` beside the table says so, for a
/// host of zones on a host that has zones, too.
fn first(layout: &Layout) -> u32 {
    let text = std::fs::read_to_string(layout.lib().join(ID_BASE)).unwrap_or_default();
    let base = text.trim().parse().ok();
    // Ranges begin where ranges begin.
    let base = base.filter(|base| *base >= IdRange::FIRST.base && base % IdRange::COUNT == 0);
    base.unwrap_or(IdRange::FIRST.base)
}

/// The user ids of `zone`: what it had before, else the first free range. Kept as long as the zone
/// is configured, since files outside of idmapped mounts may bear them; `known` are the zones that
/// are.
///
/// # Errors
/// When all are taken or the table cannot be kept.
pub fn id_range(layout: &Layout, zone: &ZoneName, known: &[ZoneName]) -> Result<IdRange, IdError> {
    let path = layout.lib().join(ID_RANGES);
    let file = |source| IdError::File {
        path: path.display().to_string(),
        source,
    };
    std::fs::create_dir_all(layout.lib()).map_err(file)?;
    let lock = lock_beside(&path).map_err(file)?;
    let table = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(file(error)),
    };
    if let Some(base) = ranges(&table).find(|(name, _)| *name == zone.as_str()) {
        return Ok(IdRange { base: base.1 });
    }
    // Ranges of zones that were deleted are free again.
    let kept = |(name, _): &(&str, u32)| known.iter().any(|known| known.as_str() == *name);
    let mut table: String = ranges(&table)
        .filter(kept)
        .map(|(name, base)| format!("{name} {base}\n"))
        .collect();
    let mut taken: Vec<u32> = ranges(&table).map(|(_, base)| base).collect();
    taken.sort_unstable();
    let mut base = first(layout);
    for used in taken {
        if used == base {
            base = base.checked_add(IdRange::COUNT).ok_or(IdError::NoRange)?;
        }
    }
    base.checked_add(IdRange::COUNT).ok_or(IdError::NoRange)?;
    table.push_str(&format!("{zone} {base}\n"));
    atomic::write(&path, table.as_bytes(), 0o644)?;
    drop(lock);
    Ok(IdRange { base })
}

/// Removes what a writer of the table left that was killed.
pub fn sweep_id_ranges(layout: &Layout) {
    let path = layout.lib().join(ID_RANGES);
    if atomic::has_twin(&path) {
        // Whoever writes has the lock. Without it, the next one tries.
        let lock = lock_beside(&path);
        lock.iter().for_each(|_| atomic::sweep_file(&path));
    }
}

fn ranges(table: &str) -> impl Iterator<Item = (&str, u32)> {
    table.lines().filter_map(|line| {
        let (name, base) = line.split_once(' ')?;
        Some((name, base.parse().ok()?))
    })
}

/// An exclusive lock that lasts as long as the file lives.
pub(crate) fn lock_beside(path: &Path) -> io::Result<File> {
    let lock = path.with_extension("lock");
    if let Some(folder) = lock.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}
