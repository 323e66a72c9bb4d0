//! Catalogs in memory, read again when they change.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use zones_ips::catalog::{Attrs, BASE, DEPENDENCY, Part, SUMMARY, Signed};
use zones_ips::{Action, Publisher, Stem, Version};
use zones_repository::{RepositoryError, Store};

use crate::http::reply::Served;

/// Catalogs by publisher.
#[derive(Default)]
pub(crate) struct Listings(Mutex<BTreeMap<Publisher, (String, Arc<Listing>)>>);

/// The catalog of one publisher.
pub(crate) struct Listing {
    pub(crate) publisher: Publisher,
    pub(crate) attrs: Attrs,
    parts: BTreeMap<&'static str, Part>,
}

/// A file of a catalog beyond this is not for us.
const LONGEST: u64 = 256 << 20;

impl Listings {
    /// The catalog as it is now. An empty one when the publisher has none yet.
    pub(crate) fn of(&self, store: &Store) -> Result<Arc<Listing>, RepositoryError> {
        let tag = |store: &Store| -> Result<String, RepositoryError> {
            let file = store.catalog_file("catalog.attrs")?;
            let served = file.and_then(|file| Served::new(file).ok());
            Ok(served.map(|served| served.tag).unwrap_or_default())
        };
        let now = tag(store)?;
        let publisher = store.publisher();
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, listing)) = lock().get(publisher)
            && *known == now
            && !now.is_empty()
        {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(Listing::read(store)?);
        // What changed while it was read is read again by the next one who asks.
        if tag(store)? == now {
            lock().insert(publisher.clone(), (now, Arc::clone(&listing)));
        }
        Ok(listing)
    }
}

impl Listing {
    fn read(store: &Store) -> Result<Self, RepositoryError> {
        let unusable = |name: &str, why: String| RepositoryError::Catalog {
            location: store.publisher().to_string(),
            name: name.to_owned(),
            why,
        };
        let bytes = |name: &str| -> Result<Option<Vec<u8>>, RepositoryError> {
            let Some(file) = store.catalog_file(name)? else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            let read = file.take(LONGEST).read_to_end(&mut bytes);
            read.map_err(|error| unusable(name, error.to_string()))?;
            Ok(Some(bytes))
        };
        let attrs = match bytes("catalog.attrs")? {
            Some(bytes) => Attrs::parse(&bytes, Signed::Optional)
                .map_err(|error| unusable("catalog.attrs", error.to_string()))?,
            None => Attrs::new(
                zones_ips::catalog::CatalogTime::from_unix_micros(0).ok_or_else(|| {
                    unusable("catalog.attrs", "the clock has no beginning".to_owned())
                })?,
            ),
        };
        let mut parts = BTreeMap::new();
        for name in [BASE, SUMMARY, DEPENDENCY] {
            if let Some(bytes) = bytes(name)? {
                let part = Part::parse(&bytes, Signed::Optional);
                let (part, _) = part.map_err(|error| unusable(name, error.to_string()))?;
                parts.insert(name, part);
            }
        }
        Ok(Self {
            publisher: store.publisher().clone(),
            attrs,
            parts,
        })
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }

    /// All packages by name, each with its versions, oldest first.
    pub(crate) fn packages(&self) -> Vec<(&Stem, Vec<&Version>)> {
        let base = self.part(BASE);
        let stems = base.and_then(|base| base.publishers().get(&self.publisher));
        let stems = stems.into_iter().flatten();
        stems
            .map(|(stem, entries)| (stem, entries.iter().map(|entry| entry.version()).collect()))
            .collect()
    }

    /// The versions of one package, oldest first.
    pub(crate) fn versions(&self, stem: &Stem) -> Vec<&Version> {
        let base = self.part(BASE).into_iter();
        base.flat_map(|base| base.entries(self.publisher.as_str(), stem.as_str()))
            .map(|entry| entry.version())
            .collect()
    }

    /// The value of a set action that the catalog has of a package.
    pub(crate) fn value(&self, stem: &Stem, version: &Version, name: &str) -> Option<String> {
        [SUMMARY, DEPENDENCY].iter().find_map(|part| {
            let part = self.part(part)?;
            let entry = part.entry(self.publisher.as_str(), stem.as_str(), version)?;
            entry.actions().find_map(|line| {
                let action: Action = line.parse().ok()?;
                let is_named = action.word() == "set" && action.get("name") == Some(name);
                is_named.then(|| action.get("value").map(str::to_owned))?
            })
        })
    }
}
