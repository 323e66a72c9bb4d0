//! Removal of packages, and of payloads that nobody needs any more.

use std::collections::BTreeSet;

use zones_ips::{Digest, Fmri};

use super::{Store, StoreLock, payloads_of};
use crate::disk;
use crate::error::{RepositoryError, Result};

/// What a removal took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Packages.
    pub packages: Vec<Fmri>,
    /// Payloads.
    pub payloads: Vec<Digest>,
    /// Bytes that the payloads had on disk.
    pub bytes: u64,
}

impl Store {
    /// Removes packages for good: from the catalog first, then their manifests, then payloads that
    /// no other package of the publisher needs. A publication that runs meanwhile keeps the
    /// payloads it reuses. Killed in between, it leaves payloads nobody needs, or packages that are
    /// listed again by a refresh, whole. Source: pkgrepo(1), "remove".
    ///
    /// # Errors
    ///
    /// A package is not there: nothing is removed then.
    pub fn remove(&self, packages: &[Fmri]) -> Result<Removed> {
        let lock = self.lock()?;
        let packages: BTreeSet<Fmri> = packages
            .iter()
            .map(|fmri| self.own(fmri))
            .collect::<Result<_>>()?;
        let absent = packages.iter().find(|fmri| !self.has_manifest(fmri));
        if let Some(fmri) = absent {
            return Err(RepositoryError::NoPackage(fmri.clone()));
        }
        let kept = self.packages()?;
        let kept: Vec<_> = kept
            .into_iter()
            .filter(|it| !packages.contains(it))
            .collect();
        // A manifest that cannot be read may need anything: then no payload goes.
        let needed = self.payloads_needed(&kept);
        let mut candidates = BTreeSet::new();
        for fmri in &packages {
            if let Ok(manifest) = self.manifest(fmri) {
                candidates.extend(payloads_of(&manifest));
            }
        }
        let packages: Vec<_> = packages.into_iter().collect();
        self.unlist(&lock, &packages)?;
        for fmri in &packages {
            if let Some(path) = self.manifest_path(fmri) {
                self.disk.remove(&path)?;
                let folder = disk::parent(&path);
                self.disk.sync_folder(folder)?;
                self.disk.remove_empty(folder);
            }
        }
        let mut done = Removed {
            packages,
            ..Removed::default()
        };
        if let Ok(needed) = needed {
            let orphans = candidates.difference(&needed).copied();
            self.remove_payloads(&lock, orphans, &mut done)?;
        }
        Ok(done)
    }

    /// The payloads that these packages need.
    ///
    /// # Errors
    ///
    /// A manifest cannot be read.
    pub(crate) fn payloads_needed(&self, packages: &[Fmri]) -> Result<BTreeSet<Digest>> {
        let read = |fmri: &Fmri| Ok(payloads_of(&self.manifest(fmri)?));
        let sets = crate::transaction::parallel(packages.iter().collect(), &read)?;
        Ok(sets.into_iter().flatten().collect())
    }

    /// Removes payloads of the publisher's own area. The lock is held.
    pub(crate) fn remove_payloads(
        &self,
        _lock: &StoreLock,
        names: impl Iterator<Item = Digest>,
        done: &mut Removed,
    ) -> Result<()> {
        let own = self.below("file");
        for name in names {
            let Some(place) = self.payload_place(name)?.filter(|it| it.starts_with(&own)) else {
                continue;
            };
            let size = self.disk.stat(&place)?.map_or(0, |stat| stat.st_size);
            self.disk.remove(&place)?;
            self.disk.remove_empty(disk::parent(&place));
            done.payloads.push(name);
            done.bytes += u64::try_from(size).unwrap_or_default();
        }
        Ok(())
    }
}
