//! Transactions: a package on its way into a repository.

mod check;
mod id;
mod pack;
#[cfg(test)]
mod tests;

pub(crate) use pack::parallel;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use zones_ips::manifest::{MANIFEST_LEN_MAX, Unknown};
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use crate::disk::Disk;
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Content, Expected, Facts, PackedFacts};
use crate::store::Store;

/// Whether a closed package is listed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Yes.
    Now,
    /// At the next [`Store::refresh`], with all others that are not listed yet.
    Later,
}

/// A package that is being published: a folder `trans/ID` with `manifest` and packed payloads.
///
/// It outlives the process: [`Store::transaction`] opens it again by its name. Dropping it changes
/// nothing.
#[derive(Debug)]
pub struct Transaction {
    store: Store,
    id: String,
    fmri: Fmri,
    folder: PathBuf,
    /// Whether signatures are added to what is published.
    is_append: bool,
    /// Whether all payloads come from this process.
    is_packed_here: bool,
    /// The lock that tells a running publication from one whose process died.
    #[expect(dead_code, reason = "held until it is dropped")]
    live: Option<File>,
}

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

/// The manifest so far.
const MANIFEST: &str = "manifest";
/// Marks a transaction that adds signatures.
const APPEND: &str = "append";
/// Locked while the one process that can end the transaction runs.
const LIVE: &str = "live";

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
            self.disk().remove_all(&folder)?;
        }
        Ok(is_dead)
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

impl Transaction {
    /// The name by which it is opened again. Printable, without `/`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The package, complete.
    #[must_use]
    pub fn fmri(&self) -> &Fmri {
        &self.fmri
    }

    /// Whether it adds signatures to what is published.
    #[must_use]
    pub fn is_append(&self) -> bool {
        self.is_append
    }

    /// Says that all payloads are packed by this process, so that what its actions say is true.
    pub(crate) fn packed_here(mut self) -> Self {
        self.is_packed_here = true;
        self
    }

    fn disk(&self) -> &Disk {
        self.store.disk()
    }

    /// Adds an action, with its content where it has one: packs it, completes the action by hashes
    /// and sizes, and gives the action as it will be published.
    ///
    /// # Errors
    ///
    /// An action that may not be published, content that is missing or cannot be read.
    pub fn add(&self, action: Action, content: Option<&Content>) -> Result<Action> {
        let action = self.complete(action, content)?;
        self.add_complete(&action)?;
        Ok(action)
    }

    /// The action as it will be published; its content is stored, itself it is not added.
    pub(crate) fn completed(&self, action: Action, content: Option<&Content>) -> Result<Action> {
        self.complete(action, content)
    }

    /// Adds an action that is complete already.
    pub(crate) fn add_complete(&self, action: &Action) -> Result<()> {
        self.write_lines(&format!("{action}\n"))
    }

    /// Stores content that no action of its own names; its packed form.
    pub(crate) fn store_content(&self, content: &[u8]) -> Result<Vec<u8>> {
        let name = Digest::of(Algorithm::Sha1, content);
        let place = self.folder.join(name.to_string());
        if self.reuse(name, &place)?.is_none() {
            let packed = payload::pack(content);
            let packed = packed.map_err(RepositoryError::io("pack", &place))?;
            self.store_bytes(&packed, &place)?;
        }
        let packed = self.disk().read(&place, payload::PAYLOAD_LEN_MAX)?;
        packed.ok_or(RepositoryError::NoPayload(name))
    }

    fn write_lines(&self, lines: &str) -> Result<()> {
        let path = self.folder.join(MANIFEST);
        let written = self.disk().append(&path)?.write_all(lines.as_bytes());
        written.map_err(RepositoryError::io("write", &self.disk().full(&path)))
    }

    /// Adds many actions at once, packing on all processors. `content` is asked for each action
    /// that may have one.
    ///
    /// # Errors
    ///
    /// As [`Self::add`]; nothing is added then.
    pub fn add_all(
        &self,
        actions: Vec<Action>,
        content: &(dyn Fn(&Action) -> Result<Option<Content>> + Sync),
    ) -> Result<()> {
        let complete = |action: Action| {
            let content = match action.kind().row().has_payload {
                true => content(&action)?,
                false => None,
            };
            self.complete(action, content.as_ref())
        };
        let done = pack::parallel(actions, &complete)?;
        let lines: String = done.iter().map(|action| format!("{action}\n")).collect();
        self.write_lines(&lines)
    }

    fn complete(&self, mut action: Action, content: Option<&Content>) -> Result<Action> {
        check::added(&action, self.is_append)?;
        if !action.kind().row().has_payload {
            return Ok(action);
        }
        let facts = match content {
            Some(content) => self.pack(content, &action)?,
            // The certificate of a signature is optional.
            None if action.kind() == zones_ips::ActionKind::Signature => return Ok(action),
            None => return Err(check::no_content(&action)),
        };
        facts.stamp(&mut action)?;
        Ok(action)
    }

    /// Stores content under its name; what is stored already is not packed again.
    fn pack(&self, content: &Content, action: &Action) -> Result<Facts> {
        let unread = |error| {
            let path = action
                .payload()
                .or_else(|| action.key())
                .unwrap_or_default();
            RepositoryError::io("read", Path::new(path))(error)
        };
        let bytes = content.read().map_err(unread)?;
        let name = Digest::of(Algorithm::Sha1, &bytes);
        let place = self.folder.join(name.to_string());
        if let Some(packed) = self.reuse(name, &place)? {
            return Ok(Facts::of(&bytes, packed));
        }
        let packed = payload::pack(&bytes).map_err(unread)?;
        self.store_bytes(&packed, &place)?;
        Ok(Facts::of(&bytes, PackedFacts::of(&packed)))
    }

    fn store_bytes(&self, packed: &[u8], place: &Path) -> Result<()> {
        let mut temp = self.disk().temp(&self.folder)?;
        let written = temp.file.write_all(packed);
        written.map_err(RepositoryError::io("write", &temp.full()))?;
        temp.keep(place)
    }

    /// Takes over the stored form of a payload that the repository has, if it is sound. A link
    /// keeps it alive here, whatever is removed meanwhile.
    fn reuse(&self, name: Digest, place: &Path) -> Result<Option<PackedFacts>> {
        if !self.disk().has(place) {
            let stored = self.store.payload_place(name)?;
            if !stored.is_some_and(|stored| self.disk().link(&stored, place)) {
                return Ok(None);
            }
        }
        let Some(packed) = self.disk().read(place, payload::PAYLOAD_LEN_MAX)? else {
            return Ok(None);
        };
        let sound = payload::unpack(&packed[..], &Expected::named(name), &mut std::io::sink());
        if sound.is_err() {
            self.disk().remove(place)?;
            return Ok(None);
        }
        Ok(Some(PackedFacts::of(&packed)))
    }

    /// Adds a payload that is packed already (`file/1` of a depot), proved by its name. One that
    /// the repository has is not stored again.
    ///
    /// # Errors
    ///
    /// It does not unpack to what its name says.
    pub fn add_packed(&self, name: Digest, from: impl Read) -> Result<()> {
        let failed = |source| RepositoryError::Payload {
            what: name.to_string(),
            source,
        };
        let place = self.folder.join(name.to_string());
        if self.reuse(name, &place)?.is_some() {
            // The sender expects that all is read.
            let copied = std::io::copy(
                &mut from.take(payload::PAYLOAD_LEN_MAX),
                &mut std::io::sink(),
            );
            return copied
                .map(drop)
                .map_err(|error| failed(payload::PayloadError::Damaged(error)));
        }
        let mut temp = self.disk().temp(&self.folder)?;
        payload::copy(from, &Expected::named(name), &mut temp.file).map_err(failed)?;
        temp.keep(&place)
    }

    /// Gives the package this manifest (`manifest/1` of a depot) in place of the one so far.
    ///
    /// # Errors
    ///
    /// It is none, or names another package. Without a name it gets that of the transaction.
    pub fn set_manifest(&self, bytes: &[u8]) -> Result<()> {
        let mut manifest = Manifest::from_bytes(bytes, Unknown::Refused)?;
        check::named(&manifest, &self.fmri)?;
        manifest.set_fmri(&self.fmri)?;
        let text = manifest.to_string();
        self.disk()
            .write(&self.folder.join(MANIFEST), text.as_bytes())
    }

    /// The manifest so far.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn manifest(&self) -> Result<Manifest> {
        let path = self.folder.join(MANIFEST);
        let bytes = self.disk().read(&path, MANIFEST_LEN_MAX as u64)?;
        let bytes = bytes.ok_or_else(|| RepositoryError::UnknownTransaction(self.id.clone()))?;
        Ok(Manifest::from_bytes(&bytes, Unknown::Refused)?)
    }

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
        let _ = self.disk().remove_all(&self.folder);
        Ok(self.fmri)
    }

    /// Gives up: nothing stays.
    ///
    /// # Errors
    ///
    /// The folder cannot be removed.
    pub fn abandon(self) -> Result<()> {
        self.disk().remove_all(&self.folder)
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
        let read = place.map(|place| self.disk().read(place, payload::PAYLOAD_LEN_MAX));
        let bytes = read.transpose()?.flatten();
        Ok(bytes.map(|bytes| (name, PackedFacts::of(&bytes))))
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
