//! What is known of golden images: the first cell of each looks at every file, and for the others
//! only what may be another one is looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zones_archive::Candidates;
use zones_storage::DriverKind;

use crate::evidence::Scene;

/// A look at some clone of an image.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) scene: Arc<Scene>,
    /// What that clone may have had of its own by then; `None` when nobody can say.
    pub(super) own: Option<Candidates>,
}

/// The one look that all cells of an image share; who makes it has others wait for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Option<Base>>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Base>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks by the zones of images.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<BTreeMap<String, Shared>>>);

impl Known {
    pub(super) fn of(&self, zone: &str) -> Shared {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(zone.to_owned()).or_default().clone()
    }
}

/// Paths on which a clone may differ from its image, as the storage driver knows them; `None` when
/// it does not, and all must be looked at. Layers are just read; btrfs and ZFS would take snapshots
/// of both, which costs as much as a walk and is in the way of who clones the image meanwhile.
pub(super) fn own(image: &Path, clone: &Path) -> Option<Candidates> {
    let driver = zones_storage::choose(clone.parent()?).ok()?;
    match driver.kind() {
        DriverKind::Overlay => driver.changes(image, clone).ok().flatten(),
        DriverKind::Dir | DriverKind::Btrfs | DriverKind::Zfs => None,
    }
}

/// All paths of both; where one is not known, neither is this.
pub(super) fn both(one: Option<&Candidates>, other: Option<&Candidates>) -> Option<Candidates> {
    let (mut all, other) = (one?.clone(), other?);
    let paths = other
        .iter()
        .map(|(path, whole)| (PathBuf::from(path), whole));
    all.extend(paths);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_both_or_of_nobody() {
        let of = |path: &str, whole| {
            let mut found = Candidates::default();
            found.add(path.into(), whole);
            found
        };
        let (one, other) = (of("etc/a", false), of("etc/a", true));
        let all = both(Some(&one), Some(&other)).unwrap();
        assert_eq!(all, other);
        assert_eq!(both(Some(&one), Some(&of("b", false))).unwrap().len(), 2);
        assert_eq!(both(Some(&one), None), None);
        assert_eq!(both(None, Some(&one)), None);
    }
}
