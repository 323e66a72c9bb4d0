//! What one publisher has in a repository: manifests, payloads, catalog.

mod catalog;
mod finding;
mod fix;
mod refresh;
mod remove;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zones_ips::catalog::CatalogTime;
use zones_ips::manifest::{MANIFEST_LEN_MAX, Unknown};
use zones_ips::{Action, ActionKind, Algorithm, Digest, Fmri, Manifest, Publisher, quote};

use crate::disk::{self, Disk};
use crate::error::{RepositoryError, Result};
use crate::payload::Content;
use crate::repository::Format;
use crate::transaction::{Listing, Transaction};

pub(crate) use catalog::{addition, bad, digest, read_parts};
pub use finding::{Finding, FindingKind};
pub use fix::Fixed;
pub use refresh::Refreshed;
pub use remove::Removed;

/// Bytes a name may have on Linux file systems.
pub(crate) const NAME_LEN_MAX: usize = 255;

/// The folders of one publisher. Cheap to clone; many threads and processes may use one at once.
#[derive(Debug, Clone)]
pub struct Store {
    disk: Arc<Disk>,
    publisher: Publisher,
    /// Where its folders lie.
    base: PathBuf,
    format: Format,
}

/// What is known of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStatus {
    /// Packages, versions not counted.
    pub packages: u64,
    /// Versions of all packages.
    pub versions: u64,
    /// When the catalog changed last; None when there is no catalog.
    pub updated: Option<CatalogTime>,
}

/// The lock of a publisher, held until it is dropped. Who publishes, refreshes, rebuilds or removes
/// holds it; the real tools take the same.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl Store {
    pub(crate) fn new(
        disk: Arc<Disk>,
        publisher: Publisher,
        base: PathBuf,
        format: Format,
    ) -> Self {
        Self {
            disk,
            publisher,
            base,
            format,
        }
    }

    /// Whose packages.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The path of something of this publisher.
    pub(crate) fn below(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    pub(crate) fn must_be_writable(&self) -> Result<()> {
        match self.format {
            Format::Current => Ok(()),
            Format::Old => Err(RepositoryError::Version {
                path: self.disk.path().to_owned(),
                version: "3".to_owned(),
                remedy: "it can only be read; copy it into a new one with pkgrecv",
            }),
        }
    }

    /// Makes the folders and an empty catalog, where they are missing.
    pub(crate) fn make(&self) -> Result<()> {
        for name in ["catalog", "file", "pkg", "trans", "tmp"] {
            self.disk.make(&self.below(name))?;
        }
        if self.disk.has(&self.catalog_path(zones_ips::catalog::ATTRS)) {
            return Ok(());
        }
        let lock = self.lock()?;
        self.make_catalog(&lock)
    }

    /// Waits for the lock of this publisher.
    ///
    /// # Errors
    ///
    /// The lock file cannot be made.
    pub fn lock(&self) -> Result<StoreLock> {
        self.must_be_writable()?;
        let path = self.below("tmp/lock");
        self.disk.make(&self.below("tmp"))?;
        let file = self.disk.lock_file(&path)?;
        let locked = zones_sys::lock_file(&file, true);
        locked.map_err(RepositoryError::io("lock", &self.disk.full(&path)))?;
        Ok(StoreLock { _file: file })
    }

    /// The package under this publisher.
    ///
    /// # Errors
    ///
    /// It names another publisher.
    pub(crate) fn own(&self, fmri: &Fmri) -> Result<Fmri> {
        if let Some(other) = fmri.publisher().filter(|it| **it != self.publisher) {
            return Err(RepositoryError::Name {
                fmri: fmri.to_string(),
                why: format!("the publisher here is `{}`, not `{other}`", self.publisher),
            });
        }
        Ok(fmri.clone().of(self.publisher.clone()))
    }

    /// Where the manifest of a package is. Only complete names have one.
    pub(crate) fn manifest_path(&self, fmri: &Fmri) -> Option<PathBuf> {
        let is_own = fmri.publisher().is_none_or(|it| *it == self.publisher);
        let (stem, version) = fmri.quoted().filter(|_| is_own)?;
        // No file system could hold a longer name.
        let fits = stem.len() <= NAME_LEN_MAX && version.len() <= NAME_LEN_MAX;
        fits.then(|| self.below("pkg").join(stem).join(version))
    }

    pub(crate) fn has_manifest(&self, fmri: &Fmri) -> bool {
        let path = self.manifest_path(fmri);
        path.is_some_and(|path| self.disk.has(&path))
    }

    /// The manifest of a package, opened: bytes as they are stored.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn manifest_file(&self, fmri: &Fmri) -> Result<File> {
        let file = self.manifest_path(fmri).map(|path| self.disk.file(&path));
        let missing = || RepositoryError::NoPackage(fmri.clone());
        file.transpose()?.flatten().ok_or_else(missing)
    }

    /// The bytes of the manifest of a package.
    ///
    /// # Errors
    ///
    /// There is none, or it is too large.
    pub fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>> {
        let path = self.manifest_path(fmri);
        let read = path.map(|path| self.disk.read(&path, MANIFEST_LEN_MAX as u64));
        let missing = || RepositoryError::NoPackage(fmri.clone());
        read.transpose()?.flatten().ok_or_else(missing)
    }

    /// The manifest of a package. Actions of unknown kinds are kept.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub fn manifest(&self, fmri: &Fmri) -> Result<Manifest> {
        let bytes = self.manifest_bytes(fmri)?;
        self.parse(fmri, &bytes)
    }

    /// Reads a stored manifest, which must be that of the package.
    pub(crate) fn parse(&self, fmri: &Fmri, bytes: &[u8]) -> Result<Manifest> {
        parse(fmri, bytes)
    }

    pub(crate) fn put_manifest(&self, fmri: &Fmri, manifest: &Manifest) -> Result<()> {
        let path = self
            .manifest_path(fmri)
            .ok_or_else(|| RepositoryError::Name {
                fmri: fmri.to_string(),
                why: format!(
                    "escaped, stem and version may each have {NAME_LEN_MAX} bytes; shorten them"
                ),
            })?;
        self.disk.make(disk::parent(&path))?;
        self.disk.write(&path, manifest.to_string().as_bytes())
    }

    /// All packages that have a manifest, listed or not, in their order. Folders that are no names
    /// of packages are left out.
    ///
    /// # Errors
    ///
    /// A folder cannot be read.
    pub fn packages(&self) -> Result<Vec<Fmri>> {
        let top = self.below("pkg");
        let mut found = Vec::new();
        for (stem, _) in self.disk.names(&top)? {
            for (version, _) in self.disk.names(&top.join(&stem))? {
                found.extend(self.named(&stem, &version));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The package whose manifest has this path.
    fn named(&self, stem: &str, version: &str) -> Option<Fmri> {
        let name = quote::unquote(stem).ok()?.parse().ok()?;
        let at = quote::unquote(version).ok()?.parse().ok()?;
        let fmri = Fmri::new(Some(self.publisher.clone()), name, Some(at));
        let own = fmri.quoted()?;
        (own == (stem.to_owned(), version.to_owned())).then_some(fmri)
    }

    /// The payload of this name, opened: gzip. The publisher's own is preferred to the shared one.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn payload(&self, name: &Digest) -> Result<File> {
        let file = self
            .payload_place(*name)?
            .map(|place| self.disk.file(&place));
        let missing = || RepositoryError::NoPayload(*name);
        file.transpose()?.flatten().ok_or_else(missing)
    }

    /// Where the payload of this name is.
    pub(crate) fn payload_place(&self, name: Digest) -> Result<Option<PathBuf>> {
        if name.algorithm() != Algorithm::Sha1 {
            return Ok(None);
        }
        let text = name.to_string();
        let old = || [&text[..2], &text[2..8], &text].iter().collect::<PathBuf>();
        let new = || [&text[..2], &text].iter().collect::<PathBuf>();
        let own = self.below("file");
        let shared = Path::new("file");
        let places = [
            own.join(new()),
            own.join(old()),
            shared.join(new()),
            shared.join(old()),
        ];
        Ok(places.into_iter().find(|place| self.disk.has(place)))
    }

    /// Where a new payload of this name goes.
    pub(crate) fn new_place(&self, name: Digest) -> PathBuf {
        let text = name.to_string();
        self.below("file").join(&text[..2]).join(text)
    }

    /// Publishes a package in one go. `manifest` names it, with or without publisher and timestamp;
    /// `content` is asked for each file, license and signature, on many threads at once.
    ///
    /// # Errors
    ///
    /// The package may not be published as it is, or content is missing; nothing is left then.
    pub fn publish(
        &self,
        manifest: Manifest,
        content: &(dyn Fn(&Action) -> Result<Option<Content>> + Sync),
        listing: Listing,
    ) -> Result<Fmri> {
        let fmri = manifest.fmri()?;
        let transaction = self.begin_tied(&fmri)?.packed_here();
        self.fill(transaction, manifest, content, listing)
    }

    fn fill(
        &self,
        transaction: Transaction,
        manifest: Manifest,
        content: &(dyn Fn(&Action) -> Result<Option<Content>> + Sync),
        listing: Listing,
    ) -> Result<Fmri> {
        let is_name = |action: &Action| action.get("name") == Some("pkg.fmri");
        let mut actions = manifest.into_actions();
        actions.retain(|action| action.kind() != ActionKind::Set || !is_name(action));
        let filled = transaction.add_all(actions, content);
        let id = transaction.id().to_owned();
        let closed = filled.and_then(|()| transaction.close(listing));
        if closed.is_err() {
            // The first error is the one to report.
            let _ = self.discard_transaction(&id);
        }
        closed
    }

    /// What is known of this publisher, from its catalog or else from its manifests.
    ///
    /// # Errors
    ///
    /// The catalog cannot be read.
    pub fn status(&self) -> Result<StoreStatus> {
        if let Some(attrs) = self.attrs()? {
            return Ok(StoreStatus {
                packages: attrs.package_count,
                versions: attrs.version_count,
                updated: Some(attrs.modified),
            });
        }
        let packages = self.packages()?;
        let stems: BTreeSet<_> = packages.iter().map(Fmri::stem).collect();
        Ok(StoreStatus {
            packages: stems.len() as u64,
            versions: packages.len() as u64,
            updated: None,
        })
    }
}

/// Reads a manifest that is stored as that of `fmri`.
pub(crate) fn parse(fmri: &Fmri, bytes: &[u8]) -> Result<Manifest> {
    let bad = |why: String| RepositoryError::BadManifest {
        fmri: fmri.clone(),
        why,
    };
    let manifest = Manifest::from_bytes(bytes, Unknown::Kept).map_err(|it| bad(it.to_string()))?;
    let own = manifest.fmri().map_err(|error| bad(error.to_string()))?;
    if !own.is_same_package(fmri) || own.version() != fmri.version() {
        return Err(bad(format!("it is that of {own}")));
    }
    Ok(manifest)
}

/// The names of all payloads that a manifest needs, certificates too.
pub(crate) fn payloads_of(manifest: &Manifest) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    for action in manifest.actions() {
        if action.kind().row().has_payload {
            found.extend(action.payload_digest());
        }
        if action.kind() == ActionKind::Signature {
            let chain = action.get("chain").unwrap_or_default().split_whitespace();
            found.extend(chain.filter_map(|text| Digest::parse(Algorithm::Sha1, text).ok()));
        }
    }
    found
}
