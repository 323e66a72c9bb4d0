//! A repository in a folder, as origin: `file:`.

use std::path::Path;

use zones_ips::catalog::{CATALOG_LEN_MAX, Catalog};
use zones_ips::{Digest, Fmri, Publisher};

use super::{Packed, Source, bounded, payload_name};
use crate::error::Result;
use crate::repository::Repository;
use crate::search::{Hit, Query};

/// A repository in a folder, read only. Paths are walked by descriptor, so that nothing in it leads
/// out of it.
#[derive(Debug, Clone)]
pub struct FileSource {
    repository: Repository,
}

impl FileSource {
    /// The repository in this folder.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            repository: Repository::open(path)?,
        })
    }

    /// The repository itself.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }
}

impl Source for FileSource {
    fn location(&self) -> String {
        self.repository.path().display().to_string()
    }

    fn publishers(&self) -> Result<Vec<Publisher>> {
        self.repository.publishers()
    }

    fn catalog_file(&self, publisher: &Publisher, name: &str) -> Result<Option<Vec<u8>>> {
        let store = self.repository.publisher(publisher)?;
        let file = store.catalog_file(name)?;
        let read = file.map(|file| bounded(file, CATALOG_LEN_MAX, &self.location()));
        read.transpose()
    }

    fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>> {
        let store = self.repository.publisher_or_default(fmri.publisher())?;
        store.manifest_bytes(fmri)
    }

    fn payload(&self, publisher: &Publisher, name: &Digest) -> Result<Packed> {
        payload_name(name)?;
        let store = self.repository.publisher(publisher)?;
        Ok(Box::new(store.payload(name)?))
    }

    fn search(&self, publisher: &Publisher, query: &Query) -> Result<Option<Vec<Hit>>> {
        self.repository
            .publisher(publisher)?
            .search(query)
            .map(Some)
    }

    fn catalog_of_manifests(&self, publisher: &Publisher) -> Result<Catalog> {
        // Reads the manifests when there is no catalog.
        self.repository.publisher(publisher)?.catalog()
    }
}
