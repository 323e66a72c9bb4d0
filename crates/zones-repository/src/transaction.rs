//! Transactions: a package on its way into a repository.

mod begin;
mod check;
mod close;
mod id;
mod pack;
#[cfg(test)]
mod tests;

pub(crate) use pack::parallel;

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use zones_ips::manifest::{MANIFEST_LEN_MAX, Unknown};
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use crate::disk::Disk;
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Content, Expected, Facts, Hashing, PackedFacts, PlainFacts};
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

/// The manifest so far.
const MANIFEST: &str = "manifest";
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
            let mut temp = self.disk().temp(&self.folder)?;
            payload::pack(content, &mut temp.file).map_err(bad_payload(name))?;
            temp.keep(&place)?;
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
        let content = content.open().map_err(unread)?;
        let plain = PlainFacts::of(&content).map_err(unread)?;
        let name = plain.name;
        let place = self.folder.join(name.to_string());
        if let Some(packed) = self.reuse(name, &place)? {
            return Ok(Facts { plain, packed });
        }
        let mut temp = self.disk().temp(&self.folder)?;
        let mut packing = Hashing::new(&mut temp.file);
        let packed = payload::pack(content.reader(), &mut packing).map_err(bad_payload(name))?;
        if packed != name {
            let changed = std::io::Error::other("it changes while it is published");
            return Err(unread(changed));
        }
        let packed = packing.finish();
        temp.keep(&place)?;
        Ok(Facts { plain, packed })
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
        let Some(file) = self.disk().file(place)? else {
            return Ok(None);
        };
        match payload::examine(file, name) {
            Ok(sound) => Ok(Some(sound.packed)),
            Err(_) => {
                self.disk().remove(place)?;
                Ok(None)
            }
        }
    }

    /// Adds a payload that is packed already (`file/1` of a depot), proved by its name. One that
    /// the repository has is not stored again.
    ///
    /// # Errors
    ///
    /// It does not unpack to what its name says.
    pub fn add_packed(&self, name: Digest, from: impl Read) -> Result<()> {
        let failed = bad_payload(name);
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
}

fn bad_payload(name: Digest) -> impl Fn(payload::PayloadError) -> RepositoryError + Copy {
    move |source| RepositoryError::Payload {
        what: name.to_string(),
        source,
    }
}
