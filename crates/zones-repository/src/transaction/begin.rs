//! How transactions begin, are found again, and go.

use std::fs::File;
use std::path::Path;

use zones_ips::manifest::{MANIFEST_LEN_MAX, Unknown};
use zones_ips::{Fmri, Manifest};

use super::{MANIFEST, Transaction, id};
use crate::disk::Disk;
use crate::error::{RepositoryError, Result};
use crate::store::Store;

/// Marks a transaction that adds signatures.
const APPEND: &str = "append";
/// Locked while the one process that can end the transaction runs.
const LIVE: &str = "live";

/// Who works on a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whoever knows its name.
    Open,
    /// The process that began it.
    Tied,
    /// Whoever knows its name; it adds signatures.
    Append,
    /// The process that began it; it adds signatures.
    TiedAppend,
}

impl Kind {
    fn is_append(self) -> bool {
        matches!(self, Self::Append | Self::TiedAppend)
    }

    fn is_tied(self) -> bool {
        matches!(self, Self::Tied | Self::TiedAppend)
    }
}

impl Store {
    /// Begins to publish a package. The timestamp of the version is the second of now, unless the
    /// name has one.
    ///
    /// # Errors
    ///
    /// No version, another publisher, or the package is there already.
    pub fn begin(&self, fmri: &Fmri) -> Result<Transaction> {
        self.must_be_writable()?;
        let (fmri, id) = id::of_new(self, fmri)?;
        let mut manifest = Manifest::default();
        manifest.set_fmri(&fmri)?;
        self.start(fmri, id, &manifest, Kind::Open)
    }

    /// Begins to add signatures to a published package, whose name must be complete.
    ///
    /// # Errors
    ///
    /// The package is not there.
    pub fn begin_append(&self, fmri: &Fmri) -> Result<Transaction> {
        self.append(fmri, Kind::Append)
    }

    /// As [`Self::begin_append`], for this process alone.
    pub(crate) fn begin_append_tied(&self, fmri: &Fmri) -> Result<Transaction> {
        self.append(fmri, Kind::TiedAppend)
    }

    fn append(&self, fmri: &Fmri, kind: Kind) -> Result<Transaction> {
        self.must_be_writable()?;
        let fmri = self.own(fmri)?;
        let id = id::name(&fmri)?;
        if self.disk().has(&self.below("trans").join(&id).join(LIVE)) {
            // One whose process died may have stored its manifest and not listed it.
            self.refresh()?;
        }
        let manifest = self.manifest(&fmri)?;
        self.start(fmri, id, &manifest, kind)
    }

    /// The open transaction of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn transaction(&self, id: &str) -> Result<Transaction> {
        let unknown = || RepositoryError::UnknownTransaction(id.to_owned());
        if !id::is_valid(id) {
            return Err(unknown());
        }
        let folder = self.below("trans").join(id);
        let manifest = folder.join(MANIFEST);
        let bytes = self.disk().read(&manifest, MANIFEST_LEN_MAX as u64)?;
        let manifest = Manifest::from_bytes(&bytes.ok_or_else(unknown)?, Unknown::Refused)?;
        Ok(Transaction {
            store: self.clone(),
            id: id.to_owned(),
            fmri: manifest.fmri()?,
            is_append: self.disk().has(&folder.join(APPEND)),
            folder,
            is_packed_here: false,
            live: None,
        })
    }

    /// The names of all open transactions.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn transactions(&self) -> Result<Vec<String>> {
        let names = self.disk().names(&self.below("trans"))?.into_iter();
        let names = names.map(|(name, _)| name);
        Ok(names.filter(|name| id::is_valid(name)).collect())
    }

    /// As [`Self::begin`], for this process alone: once it has died, the transaction may be removed
    /// by anybody.
    pub(crate) fn begin_tied(&self, fmri: &Fmri) -> Result<Transaction> {
        self.must_be_writable()?;
        let (fmri, id) = id::of_new(self, fmri)?;
        let mut manifest = Manifest::default();
        manifest.set_fmri(&fmri)?;
        self.start(fmri, id, &manifest, Kind::Tied)
    }

    /// Makes the folder under another name first, so that it is never seen half made.
    fn start(
        &self,
        fmri: Fmri,
        id: String,
        manifest: &Manifest,
        kind: Kind,
    ) -> Result<Transaction> {
        let top = self.below("trans");
        self.disk().make(&top)?;
        let temp = top.join(Disk::temp_name());
        self.disk().remove_all(&temp)?;
        self.disk().make_new(&temp)?;
        let made = self.fill_folder(&temp, manifest, kind);
        let folder = top.join(&id);
        let made = made.and_then(|live| {
            self.sweep_transaction(&id)?;
            match self.disk().claim(&temp, &folder)? {
                true => Ok(live),
                false => Err(RepositoryError::Exists(fmri.clone())),
            }
        });
        if made.is_err() {
            // The first error is the one to report.
            let _ = self.disk().remove_all(&temp);
        }
        Ok(Transaction {
            store: self.clone(),
            id,
            fmri,
            folder,
            is_append: kind.is_append(),
            is_packed_here: false,
            live: made?,
        })
    }

    fn fill_folder(&self, folder: &Path, manifest: &Manifest, kind: Kind) -> Result<Option<File>> {
        if kind.is_append() {
            self.disk().write(&folder.join(APPEND), b"")?;
        }
        let text = manifest.to_string();
        self.disk().write(&folder.join(MANIFEST), text.as_bytes())?;
        if !kind.is_tied() {
            return Ok(None);
        }
        let path = folder.join(LIVE);
        let file = self.disk().lock_file(&path)?;
        let lock = zones_sys::lock_file(&file, true);
        lock.map_err(RepositoryError::io("lock", &self.disk().full(&path)))?;
        Ok(Some(file))
    }

    /// Removes the transaction of this name if its one process died; whether it did.
    fn sweep_transaction(&self, id: &str) -> Result<bool> {
        let folder = self.below("trans").join(id);
        let live = folder.join(LIVE);
        if !self.disk().has(&live) {
            return Ok(false);
        }
        let file = self.disk().lock_file(&live)?;
        let lock = zones_sys::lock_file(&file, false);
        let is_dead = lock.map_err(RepositoryError::io("lock", &self.disk().full(&live)))?;
        if is_dead {
            self.discard_transaction(id)?;
        }
        Ok(is_dead)
    }

    /// Removes the folder of a transaction: out of sight first, so that it is never half there.
    pub(crate) fn discard_transaction(&self, id: &str) -> Result<()> {
        let top = self.below("trans");
        let temp = top.join(Disk::temp_name());
        self.disk().remove_all(&temp)?;
        self.disk().rename(&top.join(id), &temp)?;
        self.disk().remove_all(&temp)
    }

    /// Removes transactions whose one process died; their names.
    pub(crate) fn sweep_transactions(&self) -> Result<Vec<String>> {
        let mut swept = Vec::new();
        for id in self.transactions()? {
            if self.sweep_transaction(&id)? {
                swept.push(id);
            }
        }
        // What was begun and never got its name.
        self.disk().sweep_old(&self.below("trans"))?;
        Ok(swept)
    }
}
