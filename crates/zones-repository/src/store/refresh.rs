//! Repair of what a killed publication left, and catalogs made anew.

use zones_ips::Fmri;
use zones_ips::catalog::Change;

use super::catalog::{addition, digest};
use super::{Store, StoreLock};
use crate::error::{RepositoryError, Result};

/// What a refresh or rebuild did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Packages that came into the catalog, or changed there.
    pub listed: Vec<Fmri>,
    /// Whether the catalog was made anew.
    pub is_rebuilt: bool,
    /// Transactions that were removed because their process died.
    pub abandoned: Vec<String>,
    /// Packages that cannot be listed, and why.
    pub unlisted: Vec<(Fmri, String)>,
}

impl Store {
    /// Lists every package that has a manifest and is not listed yet, and removes what killed
    /// publications left. A damaged catalog is made anew. Source: pkgrepo(1), "refresh".
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn refresh(&self) -> Result<Refreshed> {
        let lock = self.lock()?;
        let mut done = Refreshed::default();
        let mut changes = self.finish_appends(&mut done)?;
        done.abandoned = self.sweep_transactions()?;
        self.sweep_temporary()?;
        let catalog = match self.read_catalog() {
            Ok(Some(catalog)) => catalog,
            Ok(None) | Err(RepositoryError::Catalog { .. }) => {
                let rebuilt = self.rebuild_locked(&lock)?;
                return Ok(Refreshed {
                    abandoned: done.abandoned,
                    ..rebuilt
                });
            }
            Err(other) => return Err(other),
        };
        for fmri in self.packages()? {
            if catalog.find(&fmri).is_some() {
                continue;
            }
            match self.addition(&fmri) {
                Ok(change) => {
                    changes.push(change);
                    done.listed.push(fmri);
                }
                Err(error) => done.unlisted.push((fmri, error.to_string())),
            }
        }
        self.apply(&lock, changes)?;
        Ok(done)
    }

    /// Makes the catalog anew from all manifests: clients will fetch it whole.
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn rebuild(&self) -> Result<Refreshed> {
        let lock = self.lock()?;
        let abandoned = self.sweep_transactions()?;
        self.sweep_temporary()?;
        let rebuilt = self.rebuild_locked(&lock)?;
        Ok(Refreshed {
            abandoned,
            ..rebuilt
        })
    }

    pub(super) fn rebuild_locked(&self, lock: &StoreLock) -> Result<Refreshed> {
        let (mut catalog, unlisted) = self.catalog_of_manifests()?;
        let written = catalog.write(None);
        self.write_catalog(lock, &catalog, &written)?;
        // Files of the old catalog mean nothing now.
        for (name, _) in self.disk().names(&self.below("catalog"))? {
            let is_ours = written.files.iter().any(|(own, _)| *own == name);
            if !is_ours && name != zones_ips::catalog::ATTRS {
                self.disk().remove(&self.catalog_path(&name))?;
            }
        }
        let base = catalog.part(zones_ips::catalog::BASE);
        let listed = base.into_iter().flat_map(|part| part.iter());
        Ok(Refreshed {
            listed: listed.map(|(fmri, _)| fmri).collect(),
            is_rebuilt: true,
            abandoned: Vec::new(),
            unlisted,
        })
    }

    fn addition(&self, fmri: &Fmri) -> Result<Change> {
        let bytes = self.manifest_bytes(fmri)?;
        let manifest = self.parse(fmri, &bytes)?;
        addition(fmri, &manifest, &digest(&bytes))
    }

    /// Lists again what an append transaction had stored when its process died. A manifest that
    /// differs from the catalog for any other reason is damage, and stays for verify to find.
    fn finish_appends(&self, done: &mut Refreshed) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for id in self.transactions()? {
            let Ok(transaction) = self.transaction(&id) else {
                continue;
            };
            let fmri = transaction.fmri().clone();
            if !transaction.is_append() || !self.has_manifest(&fmri) {
                continue;
            }
            let pending = transaction.manifest()?.to_string();
            let is_stored = self.manifest_bytes(&fmri)? == pending.as_bytes();
            let listed = self.read_catalog().ok().flatten();
            let listed = listed.and_then(|it| it.find(&fmri)?.manifest_digest());
            if is_stored && listed != Some(digest(pending.as_bytes())) {
                changes.push(self.addition(&fmri)?);
                done.listed.push(fmri);
            }
        }
        Ok(changes)
    }

    /// Removes temporary files next to manifests and catalog files. The lock is held, so none of
    /// their writers lives.
    fn sweep_temporary(&self) -> Result<()> {
        self.disk().sweep(&self.below("catalog"));
        let top = self.below("pkg");
        for (stem, _) in self.disk().names(&top)? {
            self.disk().sweep(&top.join(stem));
        }
        Ok(())
    }
}
