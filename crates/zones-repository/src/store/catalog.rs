//! The catalog of a publisher: read as a whole, written with `catalog.attrs` last.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use zones_ips::catalog::{
    ATTRS, Attrs, BASE, CATALOG_LEN_MAX, Catalog, CatalogError, CatalogTime, Change, EntrySet, Log,
    Part, Signed, Written, log_name,
};
use zones_ips::{Algorithm, Digest, Fmri, Manifest};

use super::{Store, StoreLock};
use crate::error::{RepositoryError, Result};

/// How often a catalog is read again when somebody writes it meanwhile.
const TRIES: usize = 3;

/// Now, to the microsecond.
fn now() -> Option<CatalogTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    CatalogTime::from_unix_micros(i64::try_from(since.as_micros()).ok()?)
}

impl Store {
    pub(crate) fn catalog_path(&self, name: &str) -> PathBuf {
        self.below("catalog").join(name)
    }

    pub(crate) fn bad_catalog(
        &self,
        name: &str,
    ) -> impl FnOnce(CatalogError) -> RepositoryError + use<> {
        bad(&self.disk().path().display().to_string(), name)
    }

    /// A file of the catalog, opened; None for a name that is none of them.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn catalog_file(&self, name: &str) -> Result<Option<File>> {
        if !is_catalog_name(name) {
            return Ok(None);
        }
        self.disk().file(&self.catalog_path(name))
    }

    fn catalog_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.disk()
            .read(&self.catalog_path(name), CATALOG_LEN_MAX as u64)
    }

    /// What `catalog.attrs` says; None when there is no catalog.
    ///
    /// # Errors
    ///
    /// It cannot be read, or its signature does not hold.
    pub fn attrs(&self) -> Result<Option<Attrs>> {
        let Some(bytes) = self.catalog_bytes(ATTRS)? else {
            return Ok(None);
        };
        let attrs = Attrs::parse(&bytes, Signed::Required);
        attrs.map(Some).map_err(self.bad_catalog(ATTRS))
    }

    /// The whole catalog, each part proved against `catalog.attrs`. A publisher without a catalog
    /// has one made from its manifests, in memory.
    ///
    /// # Errors
    ///
    /// A file is missing, or a signature does not hold: see [`Store::refresh`].
    pub fn catalog(&self) -> Result<Catalog> {
        let mut read = self.read_catalog();
        for _ in 1..TRIES {
            if !matches!(read, Err(RepositoryError::Catalog { .. })) {
                break;
            }
            // Somebody may have written between two of our reads; wait for them if we can.
            if let Ok(lock) = self.lock() {
                read = self.read_catalog();
                drop(lock);
                break;
            }
            read = self.read_catalog();
        }
        match read? {
            Some(catalog) => Ok(catalog),
            None => Ok(self.catalog_of_manifests()?.0),
        }
    }

    /// None when there is no `catalog.attrs`.
    pub(super) fn read_catalog(&self) -> Result<Option<Catalog>> {
        let Some(attrs) = self.attrs()? else {
            return Ok(None);
        };
        let location = self.disk().path().display().to_string();
        let part = |name: &str| self.catalog_bytes(name);
        read_parts(attrs, &location, &part).map(Some)
    }

    /// A catalog of all manifests on disk, and those that cannot be listed with the reason.
    pub(super) fn catalog_of_manifests(&self) -> Result<(Catalog, Vec<(Fmri, String)>)> {
        let time = self.time(None)?;
        let mut catalog = Catalog::new(time);
        let mut bad = Vec::new();
        // The log of a catalog that begins is of no use: clients fetch the whole.
        let mut log = Log::default();
        let read = |fmri: Fmri| {
            let bytes = self.manifest_bytes(&fmri)?;
            Ok((
                self.parse(&fmri, &bytes).map(|it| (it, digest(&bytes))),
                fmri,
            ))
        };
        for (read, fmri) in crate::transaction::parallel(self.packages()?, &read)? {
            match read {
                Ok((manifest, digest)) => {
                    catalog.apply(addition(&fmri, &manifest, &digest)?, time, &mut log);
                }
                Err(error) => bad.push((fmri, error.to_string())),
            }
        }
        // Counts and signatures come with the bytes.
        let _bytes = catalog.write(None);
        Ok((catalog, bad))
    }

    /// A time later than all that the catalog knows.
    fn time(&self, catalog: Option<&Catalog>) -> Result<CatalogTime> {
        let now = now().ok_or_else(|| RepositoryError::Source {
            location: self.disk().path().display().to_string(),
            why: "the clock of this host is outside of the calendar; set it".to_owned(),
        })?;
        Ok(catalog.map_or(now, |catalog| now.max(catalog.attrs.modified.next())))
    }

    /// Makes an empty catalog.
    pub(super) fn make_catalog(&self, lock: &StoreLock) -> Result<()> {
        if self.disk().has(&self.catalog_path(ATTRS)) {
            return Ok(());
        }
        let mut catalog = Catalog::new(self.time(None)?);
        if let Some(base) = catalog.parts.get_mut(BASE) {
            base.add_publisher(&self.publisher);
        }
        let written = catalog.write(None);
        self.write_catalog(lock, &catalog, &written)
    }

    /// Lists a package whose manifest is stored. The lock is held.
    pub(crate) fn list(&self, lock: &StoreLock, fmri: &Fmri, manifest: &Manifest) -> Result<()> {
        let digest = digest(manifest.to_string().as_bytes());
        let add = addition(fmri, manifest, &digest)?;
        self.apply(lock, vec![add])
    }

    /// Takes packages off the list. The lock is held.
    pub(crate) fn unlist(&self, lock: &StoreLock, packages: &[Fmri]) -> Result<()> {
        let known = self.read_catalog()?;
        let is_listed = |fmri: &&Fmri| known.as_ref().is_some_and(|it| it.find(fmri).is_some());
        let removals = packages.iter().filter(is_listed).filter_map(|fmri| {
            let (publisher, stem) = (self.publisher.clone(), fmri.stem().clone());
            Some(Change::Remove(publisher, stem, fmri.version()?.clone()))
        });
        self.apply(lock, removals.collect())
    }

    /// Makes changes of the catalog. One that is damaged is made anew from the manifests, which
    /// have the changes already.
    pub(super) fn apply(&self, lock: &StoreLock, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut catalog = match self.read_catalog() {
            Ok(Some(catalog)) => catalog,
            Ok(None) => Catalog::new(self.time(None)?),
            Err(RepositoryError::Catalog { .. }) => return self.rebuild_locked(lock).map(drop),
            Err(other) => return Err(other),
        };
        let time = self.time(Some(&catalog))?;
        let mut log = self.log(&catalog, time)?;
        for change in changes {
            catalog.apply(change, time, &mut log);
        }
        let written = catalog.write(Some((&log, time)));
        self.write_catalog(lock, &catalog, &written)
    }

    /// The log of this hour so far.
    fn log(&self, catalog: &Catalog, time: CatalogTime) -> Result<Log> {
        let name = log_name(time);
        if !catalog.attrs.updates.contains_key(&name) {
            // One that is there all the same is of a catalog that was never finished.
            return Ok(Log::default());
        }
        let bytes = self.catalog_bytes(&name)?.unwrap_or_default();
        let read = Log::parse(&bytes, Signed::Required);
        read.map(|(log, _)| log).map_err(self.bad_catalog(&name))
    }

    /// Replaces the files: parts and log, then `catalog.attrs`, which makes them count.
    pub(super) fn write_catalog(
        &self,
        _lock: &StoreLock,
        catalog: &Catalog,
        written: &Written,
    ) -> Result<()> {
        let folder = self.below("catalog");
        self.disk().make(&folder)?;
        self.disk().sweep(&folder);
        let seconds = catalog.attrs.modified.second().unix_seconds();
        let attrs = (ATTRS.to_owned(), written.attrs.clone());
        for (name, bytes) in written.files.iter().chain(std::iter::once(&attrs)) {
            let path = self.catalog_path(name);
            self.disk().write(&path, bytes)?;
            self.disk().set_time(&path, seconds)?;
        }
        Ok(())
    }
}

/// The change that lists a package.
pub(crate) fn addition(fmri: &Fmri, manifest: &Manifest, digest: &Digest) -> Result<Change> {
    let incomplete = || RepositoryError::NoPackage(fmri.clone());
    let version = fmri.version().ok_or_else(incomplete)?;
    let publisher = fmri.publisher().ok_or_else(incomplete)?;
    let set = Box::new(EntrySet::of(version, manifest, digest));
    Ok(Change::Add(publisher.clone(), fmri.stem().clone(), set))
}

/// The digest by which a catalog names the bytes of a manifest.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha1, bytes)
}

pub(crate) fn bad(
    location: &str,
    name: &str,
) -> impl FnOnce(CatalogError) -> RepositoryError + use<> {
    let (location, name) = (location.to_owned(), name.to_owned());
    move |error| RepositoryError::Catalog {
        location,
        name,
        why: error.to_string(),
    }
}

/// Whether a file of a catalog can have the name.
pub(crate) fn is_catalog_name(name: &str) -> bool {
    let tail = name
        .strip_prefix("catalog.")
        .or_else(|| name.strip_prefix("update."));
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    tail.is_some_and(|tail| !tail.is_empty() && tail.bytes().all(is_word))
}

/// Reads the parts that `attrs` names and proves each by the signature there.
pub(crate) fn read_parts(
    attrs: Attrs,
    location: &str,
    part: &dyn Fn(&str) -> Result<Option<Vec<u8>>>,
) -> Result<Catalog> {
    let refused = |name: &str, why: &str| RepositoryError::Catalog {
        location: location.to_owned(),
        name: name.to_owned(),
        why: why.to_owned(),
    };
    let mut parts = BTreeMap::from([(BASE.to_owned(), Part::default())]);
    for (name, state) in &attrs.parts {
        let bytes = part(name)?.ok_or_else(|| refused(name, "it is missing"))?;
        let read = Part::parse(&bytes, Signed::Required);
        let (read, signature) = read.map_err(bad(location, name))?;
        if state.signature.is_some() && state.signature != signature {
            return Err(refused(
                name,
                "it is not the one that catalog.attrs names; run: pkgrepo refresh",
            ));
        }
        parts.insert(name.clone(), read);
    }
    Ok(Catalog { attrs, parts })
}
