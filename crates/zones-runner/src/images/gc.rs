//! Which images go: those that nobody pinned, uses or needs, the longest unused first.

use std::time::SystemTime;

use zones_matrix::Key;

use super::hold::Hold;
use super::{ImageError, Images, Manifest, build, place::Place};

/// What may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// So many images.
    pub keep: Option<usize>,
    /// So many bytes of images.
    pub bytes: Option<u64>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Images that are gone.
    pub removed: Vec<Manifest>,
    /// Images that would be, were they not in use.
    pub busy: Vec<Manifest>,
    /// What builds that died had left.
    pub ruins: Vec<Key>,
}

/// The images that go, of all, sorted by last use, the oldest first.
fn chosen(all: &[(Manifest, SystemTime)], pinned: &[Key], limits: Limits) -> Vec<Manifest> {
    let mut count = all.len();
    let mut bytes: u64 = all.iter().map(|(it, _)| it.bytes).sum();
    let mut gone = Vec::new();
    for (manifest, _) in all {
        let many = limits.keep.is_some_and(|keep| count > keep);
        let big = limits.bytes.is_some_and(|limit| bytes > limit);
        if !(many || big) {
            break;
        }
        if !pinned.contains(&manifest.key) {
            count -= 1;
            bytes -= manifest.bytes;
            gone.push(manifest.clone());
        }
    }
    gone
}

impl Images {
    /// Removes what the limits do not allow and nobody uses or has pinned, and what builds that
    /// died have left. Clones stay: what they share with an image stays with them.
    ///
    /// # Errors
    /// The store cannot be read, or an image refuses to go.
    pub fn collect(&self, limits: Limits) -> Result<Collected, ImageError> {
        let mut done = Collected::default();
        for key in self.place.keys()? {
            if self.manifest(key)?.is_none()
                && let Some(_hold) = Hold::try_exclusive(&self.place.lock(key))?
                && self.manifest(key)?.is_none()
            {
                build::clear(self, &Place::zone(key)?)?;
                self.place.forget(key)?;
                done.ruins.push(key);
            }
        }
        let pinned: Vec<Key> = self.place.pins()?.into_iter().map(|(_, key)| key).collect();
        let all = self.list()?.into_iter();
        let mut all: Vec<_> = all.map(|it| (self.place.used(it.key), it)).collect();
        all.sort_by_key(|(used, it)| (*used, it.created));
        let all: Vec<_> = all.into_iter().map(|(used, it)| (it, used)).collect();
        for manifest in chosen(&all, &pinned, limits) {
            match self.remove(manifest.key) {
                Ok(()) => done.removed.push(manifest),
                Err(ImageError::InUse(_)) => done.busy.push(manifest),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Removes one image.
    ///
    /// # Errors
    /// [`ImageError::InUse`] when a run uses it; else what the verbs say.
    pub fn remove(&self, key: Key) -> Result<(), ImageError> {
        let zone = Place::zone(key)?;
        let Some(_hold) = Hold::try_exclusive(&self.place.lock(key))? else {
            return Err(ImageError::InUse(zone.to_string()));
        };
        // From here on it is a ruin, and would be cleared as one.
        zones_store::atomic::remove(&self.place.manifest(key))?;
        build::clear(self, &zone)?;
        self.place.forget(key)
    }
}
