//! The end of a transaction: publication, or nothing.

use std::collections::HashMap;
use std::path::Path;

use zones_ips::{Digest, Fmri, Manifest};

use super::{Listing, Transaction, check, pack};
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Expected, PackedFacts};

impl Transaction {
    /// Publishes the package: checks it, moves the payloads, then the manifest, then lists it.
    /// Killed in between, it leaves at worst payloads nobody needs, or a manifest that
    /// [`Store::refresh`] lists. Source: pkgsend(1), "close".
    ///
    /// # Errors
    ///
    /// The package may not be published as it is; the transaction stays open.
    pub fn close(self, listing: Listing) -> Result<Fmri> {
        let mut manifest = self.manifest()?;
        check::whole(&manifest, &self.fmri)?;
        let payloads = self.payloads(&manifest)?;
        // What another process says of stored forms is not taken on trust.
        let mut stored = match self.is_packed_here {
            true => HashMap::new(),
            false => self.stored_forms(&payloads)?,
        };
        let lock = self.store.lock()?;
        if self.is_append {
            check::appended(&self.store.manifest(&self.fmri)?, &manifest)?;
        } else if self.store.has_manifest(&self.fmri) {
            return Err(RepositoryError::Exists(self.fmri.clone()));
        }
        stored.extend(self.move_payloads(&payloads)?);
        pack::restamp(&mut manifest, &stored)?;
        // One call for all payloads; the catalog below names them only after.
        self.disk().sync()?;
        self.store.put_manifest(&self.fmri, &manifest)?;
        if listing == Listing::Now {
            self.store.list(&lock, &self.fmri, &manifest)?;
        }
        drop(lock);
        // The package is published; a folder that stays does no harm.
        let _ = self.store.discard_transaction(&self.id);
        Ok(self.fmri)
    }

    /// Gives up: nothing stays.
    ///
    /// # Errors
    ///
    /// The folder cannot be removed.
    pub fn abandon(self) -> Result<()> {
        self.store.discard_transaction(&self.id)
    }

    /// The payloads that the manifest needs, each here or in the repository.
    fn payloads(&self, manifest: &Manifest) -> Result<Vec<Digest>> {
        let needed = crate::store::payloads_of(manifest);
        let here = |name: &Digest| self.disk().has(&self.folder.join(name.to_string()));
        for name in &needed {
            if !here(name) && self.store.payload_place(*name)?.is_none() {
                return Err(check::absent(manifest, name));
            }
        }
        Ok(needed.into_iter().collect())
    }

    /// The facts of the payloads that are here.
    fn stored_forms(&self, payloads: &[Digest]) -> Result<HashMap<Digest, PackedFacts>> {
        let mut found = HashMap::new();
        for name in payloads {
            let here = self.folder.join(name.to_string());
            let place = match self.disk().has(&here) {
                true => Some(here),
                false => self.store.payload_place(*name)?,
            };
            found.extend(self.facts(*name, place.as_deref())?);
        }
        Ok(found)
    }

    fn facts(&self, name: Digest, place: Option<&Path>) -> Result<Option<(Digest, PackedFacts)>> {
        let file = place.map(|place| self.disk().file(place));
        let Some(file) = file.transpose()?.flatten() else {
            return Ok(None);
        };
        let facts = PackedFacts::read(file);
        let path = self.disk().full(place.unwrap_or_else(|| Path::new("")));
        let facts = facts.map_err(RepositoryError::io("read", &path))?;
        Ok(Some((name, facts)))
    }

    /// Moves what is here to where the repository keeps it. The lock is held. Gives the facts of
    /// payloads that another publication has stored meanwhile, in a form of its own.
    fn move_payloads(&self, payloads: &[Digest]) -> Result<HashMap<Digest, PackedFacts>> {
        let mut others = HashMap::new();
        for name in payloads {
            let here = self.folder.join(name.to_string());
            let stored = self.store.payload_place(*name)?;
            let Some(own) = self.disk().stat(&here)? else {
                // It was there when we looked without the lock.
                stored.ok_or(RepositoryError::NoPayload(*name))?;
                continue;
            };
            let Some(place) = stored else {
                let place = self.store.new_place(*name);
                self.disk().make(crate::disk::parent(&place))?;
                self.disk().rename(&here, &place)?;
                continue;
            };
            let stored = self.disk().stat(&place)?;
            if stored.is_some_and(|it| (it.st_dev, it.st_ino) == (own.st_dev, own.st_ino)) {
                continue;
            }
            if self.is_sound(*name, &place)? {
                others.extend(self.facts(*name, Some(&place))?);
            } else {
                self.disk().rename(&here, &place)?;
            }
        }
        Ok(others)
    }

    fn is_sound(&self, name: Digest, place: &Path) -> Result<bool> {
        let Some(file) = self.disk().file(place)? else {
            return Ok(false);
        };
        let sound = payload::unpack(file, &Expected::named(name), &mut std::io::sink());
        Ok(sound.is_ok())
    }
}
