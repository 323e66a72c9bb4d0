//! Where packages come from: a folder, an archive or a server, all trusted equally little.

mod folder;
pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io::Read;
use std::time::Duration;

use zones_ips::catalog::{ATTRS, Attrs, Catalog, Signed};
use zones_ips::{Algorithm, Digest, Fmri, Manifest, Publisher};

use crate::error::{RepositoryError, Result};
use crate::search::{Hit, Query};
use crate::store::{self, read_parts};

pub use folder::FileSource;
pub use http::{HttpOptions, HttpSource};

/// How often a catalog that does not hold is read.
const CATALOG_TRIES: usize = 3;
/// How long its writer gets to write the rest.
const CATALOG_PAUSE: Duration = Duration::from_millis(30);

/// The bytes of a payload as they are stored.
pub type Packed = Box<dyn Read + Send>;

/// An origin of packages. What it gives is the claim of a stranger: catalogs are proved by their
/// signatures, manifests by the catalog, payloads by their action ([`crate::payload::unpack`]).
/// The provided methods do that; the others only bound what they read.
pub trait Source: Debug + Send + Sync {
    /// Where it is, for messages: a path or URI.
    fn location(&self) -> String;

    /// Whose packages it has.
    ///
    /// # Errors
    ///
    /// It cannot be reached or read.
    fn publishers(&self) -> Result<Vec<Publisher>>;

    /// The bytes of a file of a catalog; None when there is none of this name.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is larger than any such file.
    fn catalog_file(&self, publisher: &Publisher, name: &str) -> Result<Option<Vec<u8>>>;

    /// The bytes of a manifest, not proved.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoPackage`] when there is none, or it cannot be read.
    fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>>;

    /// A payload by name, not proved.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoPayload`] when there is none, or it cannot be read.
    fn payload(&self, publisher: &Publisher, name: &Digest) -> Result<Packed>;

    /// What a search finds among all packages of a publisher; None where there is no search. The
    /// answer is not proved: look the packages up in the catalog.
    ///
    /// # Errors
    ///
    /// It cannot be reached or read.
    fn search(&self, _publisher: &Publisher, _query: &Query) -> Result<Option<Vec<Hit>>> {
        Ok(None)
    }

    /// A catalog made of the manifests, where there are no files of one.
    ///
    /// # Errors
    ///
    /// There are no manifests to list.
    fn catalog_of_manifests(&self, publisher: &Publisher) -> Result<Catalog> {
        Err(RepositoryError::Source {
            location: self.location(),
            why: format!("it has no catalog of publisher `{publisher}`"),
        })
    }

    /// What `catalog.attrs` says, proved by its own signature; None when there is no catalog.
    ///
    /// # Errors
    ///
    /// The signature does not hold.
    fn attrs(&self, publisher: &Publisher) -> Result<Option<Attrs>> {
        let Some(bytes) = self.catalog_file(publisher, ATTRS)? else {
            return Ok(None);
        };
        let attrs = Attrs::parse(&bytes, Signed::Required);
        attrs.map(Some).map_err(store::bad(&self.location(), ATTRS))
    }

    /// The whole catalog, each part proved against `catalog.attrs`, and with packages of no other
    /// publisher. One that does not hold is read again, for somebody may be publishing.
    ///
    /// # Errors
    ///
    /// A file is missing or not what it should be.
    fn catalog(&self, publisher: &Publisher) -> Result<Catalog> {
        let mut read = self.catalog_once(publisher);
        for _ in 1..CATALOG_TRIES {
            if !matches!(read, Err(RepositoryError::Catalog { .. })) {
                break;
            }
            std::thread::sleep(CATALOG_PAUSE);
            read = self.catalog_once(publisher);
        }
        read
    }

    /// As [`Self::catalog`], without another try.
    ///
    /// # Errors
    ///
    /// A file is missing or not what it should be.
    fn catalog_once(&self, publisher: &Publisher) -> Result<Catalog> {
        let Some(attrs) = self.attrs(publisher)? else {
            return self.catalog_of_manifests(publisher);
        };
        let part = |name: &str| self.catalog_file(publisher, name);
        let catalog = read_parts(attrs, &self.location(), &part)?;
        let foreign = catalog.parts.iter().find_map(|(name, part)| {
            let other = part.publishers().keys().find(|it| *it != publisher)?;
            Some((name.clone(), other.clone()))
        });
        match foreign {
            Some((name, other)) => Err(RepositoryError::Catalog {
                location: self.location(),
                name,
                why: format!("it lists packages of publisher `{other}`"),
            }),
            None => Ok(catalog),
        }
    }

    /// A manifest with its bytes, proved: by the digest of the catalog where one is given, and by
    /// its own name.
    ///
    /// # Errors
    ///
    /// There is none, or it is another.
    fn manifest(&self, fmri: &Fmri, digest: Option<&Digest>) -> Result<(Manifest, Vec<u8>)> {
        let bytes = self.manifest_bytes(fmri)?;
        if let Some(expected) = digest {
            let found = Digest::of(expected.algorithm(), &bytes);
            if found != *expected {
                return Err(RepositoryError::BadManifest {
                    fmri: fmri.clone(),
                    why: format!("its hash is {found}, the catalog says {expected}"),
                });
            }
        }
        Ok((store::parse(fmri, &bytes)?, bytes))
    }
}

/// The origin that a user named: `http:` or `https:` URI, `file:` URI, or the path of a repository
/// or archive.
///
/// # Errors
///
/// There is none; a depot is not asked yet.
pub fn open(name: &str, options: &HttpOptions) -> Result<Box<dyn Source>> {
    if name.starts_with("http://") || name.starts_with("https://") {
        return Ok(Box::new(HttpSource::new(name, options)?));
    }
    let path = crate::remote::file_path(name);
    let path = std::path::Path::new(&path);
    if path.is_file() {
        return Ok(Box::new(crate::archive::ArchiveSource::open(path)?));
    }
    Ok(Box::new(FileSource::open(path)?))
}

/// Checks the name of a payload: only a SHA-1 names one.
pub(crate) fn payload_name(name: &Digest) -> Result<String> {
    if name.algorithm() == Algorithm::Sha1 {
        Ok(name.to_string())
    } else {
        Err(RepositoryError::NoPayload(*name))
    }
}

/// Reads to the end, at most `limit` bytes.
pub(crate) fn bounded(from: impl Read, limit: usize, location: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(limit as u64 + 1).read_to_end(&mut bytes);
    let failed = |why: String| RepositoryError::Source {
        location: location.to_owned(),
        why,
    };
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() > limit {
        return Err(failed(format!("more than {limit} bytes")));
    }
    Ok(bytes)
}
