//! Whose the files of a zone are on disk: the zone's own numbers, shown through an id-mapped mount,
//! or, where the file system knows none, numbers shifted into the zone's range.
//!
//! The owner of the root folder tells which it is; a walk changes it last. A note stands from
//! before the first change until after the last one, so that a killed walk is gone on with.

mod walk;

use std::io;
use std::path::{Path, PathBuf};

use zones_config::ZoneConfig;
use zones_store::{Layout, atomic};
use zones_types::{IdRange, Shift, ZoneName};

use crate::error::EngineError;
use crate::host;
use walk::{Keeper, Special};

pub use walk::WalkError;

const SHARED: &str = "attr idmap=shift cannot be: the files are shared with snapshots or other \
                      zones; remove the attribute, or clone the zone with -m copy";

/// What the attribute `idmap` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// `mount`: the zone's own numbers on disk.
    Mount,
    /// `shift`: shifted ones.
    Shift,
    /// Unset: stay as it is; a new tree is shifted where nothing else works.
    Auto,
}

impl Wish {
    fn of(config: &ZoneConfig) -> Result<Self, EngineError> {
        match config.attr("idmap") {
            None => Ok(Self::Auto),
            Some("mount") => Ok(Self::Mount),
            Some("shift") => Ok(Self::Shift),
            Some(other) => {
                let text = format!("attr idmap is `{other}`; use mount or shift, or remove it");
                Err(EngineError::Store(text))
            }
        }
    }

    /// What is to be added to the zone's numbers; `now` is what the tree bears.
    fn target(self, now: u32, range: Option<IdRange>, mappable: impl FnOnce() -> bool) -> u32 {
        let Some(range) = range else { return 0 };
        match self {
            Self::Mount => 0,
            Self::Shift => range.base,
            Self::Auto if now != 0 || !mappable() => range.base,
            Self::Auto => 0,
        }
    }
}

/// Makes the files of a zone that does not run belong to whom they should, as far as that is not so
/// yet. To be called after an installation, too, whose last files the host wrote: then `whole` has
/// a shifted tree looked through again. Returns whether the tree is shifted.
///
/// # Errors
/// An attribute `idmap` that means nothing; the first file that cannot be shifted. What was done
/// stays, and the next call goes on.
pub fn settle_owners(layout: &Layout, zone: &ZoneName, whole: bool) -> Result<bool, EngineError> {
    let config = host::load(layout, zone)?;
    let root = config.zonepath.as_ref().map(zones_types::ZonePath::root);
    let root = root.ok_or(crate::plan::PlanError::NoZonePath)?;
    let range = match host::is_privileged(&config) {
        true => None,
        false => Some(host::range_of(layout, zone)?),
    };
    settle(layout, zone, &config, &root, range, whole)
}

/// As [`settle_owners`], for a caller who has read the configuration.
pub(crate) fn settle(
    layout: &Layout,
    zone: &ZoneName,
    config: &ZoneConfig,
    root: &Path,
    range: Option<IdRange>,
    whole: bool,
) -> Result<bool, EngineError> {
    let note = Note::of(layout, zone);
    let view =
        zones_storage::view(root).map_err(|error| EngineError::Store(crate::chain(&error)))?;
    if view.is_layered() {
        // Layers are shared with other zones, and only such as bear the zone's own numbers.
        note.end();
        return match Wish::of(config)? {
            Wish::Shift => Err(EngineError::Store(SHARED.to_owned())),
            Wish::Mount | Wish::Auto => Ok(false),
        };
    }
    let tree = view.open();
    let tree = tree.map_err(|error| EngineError::file("open", root)(error.into()))?;
    let stat = rustix::fs::fstat(&tree).map_err(EngineError::kernel("look at the zone's root"))?;
    let now = Shift::base_of(stat.st_uid);
    let target = Wish::of(config)?.target(now, range, || is_mappable(root));
    let killed = note.exists();
    if !killed && now == target && !(whole && target != 0) {
        return Ok(target != 0);
    }
    let shift = Shift {
        target,
        known: range
            .map(|range| range.base)
            .into_iter()
            .chain([now])
            .collect(),
    };
    note.begin()
        .map_err(EngineError::file("write", &note.path))?;
    if let Some(special) = note.special() {
        walk::restore(&tree, &special)?;
    }
    walk::run(&tree, &shift, &note)?;
    note.end();
    Ok(target != 0)
}

/// Forgets about a walk through a tree that is gone.
pub fn forget_owners(layout: &Layout, zone: &ZoneName) {
    Note::of(layout, zone).end();
}

/// Whether owners can be mapped by a mount there. Nearly all zones live where that is known.
fn is_mappable(root: &Path) -> bool {
    // ext4, xfs, btrfs, tmpfs; ZFS learnt it with 2.2 and is asked. Source: statfs(2).
    const KNOWN: [i64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
    let known = rustix::fs::statfs(root).is_ok_and(|fs| KNOWN.contains(&fs.f_type));
    // In doubt a boot says what is wrong, where a walk would change thousands of files.
    known || zones_sys::can_map_owners(root).unwrap_or(true)
}

/// `/var/lib/zones/owners/ZONE`, there while a walk is under way; beside it the file at hand.
struct Note {
    path: PathBuf,
    special: PathBuf,
}

impl Note {
    fn of(layout: &Layout, zone: &ZoneName) -> Self {
        let folder = layout.lib().join("owners");
        Self {
            path: folder.join(zone.as_str()),
            // No zone has a name with this character.
            special: folder.join(format!("{zone}~")),
        }
    }

    fn exists(&self) -> bool {
        self.path.exists()
    }

    fn begin(&self) -> io::Result<()> {
        atomic::write(&self.path, b"", 0o600).map_err(io::Error::other)
    }

    fn special(&self) -> Option<Special> {
        serde_json::from_slice(&std::fs::read(&self.special).ok()?).ok()
    }

    fn end(&self) {
        let _ = std::fs::remove_file(&self.special);
        let _ = atomic::remove(&self.path);
    }
}

impl Keeper for Note {
    fn keep(&self, special: &Special) -> io::Result<()> {
        let bytes = serde_json::to_vec(special)?;
        atomic::write(&self.special, &bytes, 0o600).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_shifted_when_asked_or_when_nothing_else_works() {
        let range = Some(IdRange::FIRST);
        let base = IdRange::FIRST.base;
        for (wish, now, range, mappable, expected) in [
            (Wish::Auto, 0, range, true, 0),
            (Wish::Auto, 0, range, false, base),
            (Wish::Auto, base, range, true, base),
            // A copy of another zone's shifted tree.
            (Wish::Auto, base + IdRange::COUNT, range, true, base),
            (Wish::Mount, base, range, false, 0),
            (Wish::Shift, 0, range, true, base),
            (Wish::Shift, base, None, true, 0),
        ] {
            let target = wish.target(now, range, || mappable);
            assert_eq!(target, expected, "{wish:?} {now} {range:?} {mappable}");
        }
    }
}
