//! A part of a catalog: entries by publisher, stem and version.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{CatalogError, Entry, Signed, open, seal, write};
use crate::fmri::{Fmri, Publisher, Stem};
use crate::hash::Digest;
use crate::version::Version;

/// Entries by stem, the oldest version first.
pub type Stems = BTreeMap<Stem, Vec<Entry>>;

/// A part of a catalog.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    publishers: BTreeMap<Publisher, Stems>,
}

impl Part {
    /// Reads the bytes of a file, and gives its signature when it has one.
    ///
    /// # Errors
    ///
    /// The signature does not hold, or the content has not the right form.
    pub fn parse(bytes: &[u8], signed: Signed) -> Result<(Self, Option<Digest>), CatalogError> {
        let (object, signature) = open(bytes, signed)?;
        let mut part = Self::default();
        for (publisher, stems) in named(object)? {
            let own = part.publishers.entry(publisher).or_default();
            for (stem, list) in stems {
                let entries = list
                    .into_iter()
                    .map(|entry| Entry::read(stem.as_str(), entry));
                let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
                entries.sort_by(|left, right| left.version().cmp(right.version()));
                own.insert(stem, entries);
            }
        }
        let signature = Digest::parse(crate::Algorithm::Sha1, &signature).ok();
        Ok((part, signature))
    }

    /// The bytes of the file, and its signature.
    #[must_use]
    pub fn to_bytes(&self) -> (Vec<u8>, Digest) {
        seal(&write::json(self.to_json()))
    }

    /// The bytes of a file without a signature, as image states have it.
    #[must_use]
    pub fn to_unsigned(&self) -> Vec<u8> {
        let mut text = write::json(self.to_json());
        text.push('\n');
        text.into_bytes()
    }

    fn to_json(&self) -> Map<String, Value> {
        let entry = |entry: &Entry| Value::Object(entry.to_json());
        let list = |(stem, entries): (&Stem, &Vec<Entry>)| {
            let entries = entries.iter().map(entry).collect();
            (stem.to_string(), Value::Array(entries))
        };
        let publishers = self.publishers.iter().map(|(publisher, stems)| {
            let stems = stems.iter().map(list).collect();
            (publisher.to_string(), Value::Object(stems))
        });
        publishers.collect()
    }

    /// The publishers and what each offers.
    #[must_use]
    pub fn publishers(&self) -> &BTreeMap<Publisher, Stems> {
        &self.publishers
    }

    /// The entries of one package, the oldest version first.
    #[must_use]
    pub fn entries(&self, publisher: &str, stem: &str) -> &[Entry] {
        let stems = self.publishers.get(publisher);
        stems
            .and_then(|stems| stems.get(stem))
            .map_or(&[], Vec::as_slice)
    }

    /// The entry of one version.
    #[must_use]
    pub fn entry(&self, publisher: &str, stem: &str, version: &Version) -> Option<&Entry> {
        let entries = self.entries(publisher, stem);
        let at = entries.binary_search_by(|entry| entry.version().cmp(version));
        at.ok().map(|at| &entries[at])
    }

    /// All entries with the names of their packages.
    pub fn iter(&self) -> impl Iterator<Item = (Fmri, &Entry)> {
        let stems = self.publishers.iter();
        let lists = stems.flat_map(|(publisher, stems)| {
            stems
                .iter()
                .map(move |(stem, entries)| (publisher, stem, entries))
        });
        lists.flat_map(|(publisher, stem, entries)| {
            entries.iter().map(move |entry| {
                let version = Some(entry.version().clone());
                (
                    Fmri::new(Some(publisher.clone()), stem.clone(), version),
                    entry,
                )
            })
        })
    }

    /// Packages, and versions of all of them.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let lists = || self.publishers.values().flat_map(BTreeMap::values);
        (lists().count(), lists().map(Vec::len).sum())
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publishers.values().all(BTreeMap::is_empty)
    }

    /// Makes a publisher known that offers nothing yet.
    pub fn add_publisher(&mut self, publisher: &Publisher) {
        self.publishers.entry(publisher.clone()).or_default();
    }

    /// Adds an entry at its place; one of the same version goes.
    pub fn insert(&mut self, publisher: &Publisher, stem: &Stem, entry: Entry) -> Option<Entry> {
        let stems = self.publishers.entry(publisher.clone()).or_default();
        let entries = stems.entry(stem.clone()).or_default();
        match entries.binary_search_by(|own| own.version().cmp(entry.version())) {
            Ok(at) => Some(std::mem::replace(&mut entries[at], entry)),
            Err(at) => {
                entries.insert(at, entry);
                None
            }
        }
    }

    /// Takes an entry away; stems and publishers without entries go too.
    pub fn remove(&mut self, publisher: &str, stem: &str, version: &Version) -> Option<Entry> {
        let stems = self.publishers.get_mut(publisher)?;
        let entries = stems.get_mut(stem)?;
        let at = entries
            .binary_search_by(|entry| entry.version().cmp(version))
            .ok()?;
        let entry = entries.remove(at);
        if entries.is_empty() {
            stems.remove(stem);
        }
        if stems.is_empty() {
            self.publishers.remove(publisher);
        }
        Some(entry)
    }

    /// Adds what another part has and this one has not: the union of several origins.
    pub fn merge(&mut self, other: &Self) {
        for (publisher, stems) in &other.publishers {
            self.add_publisher(publisher);
            for (stem, entries) in stems {
                for entry in entries {
                    let known = self.entry(publisher.as_str(), stem.as_str(), entry.version());
                    if known.is_none() {
                        self.insert(publisher, stem, entry.clone());
                    }
                }
            }
        }
    }
}

/// Publisher, and a list of values for each of its stems.
pub(super) type Named = Vec<(Publisher, Vec<(Stem, Vec<Value>)>)>;

/// The two upper levels of parts and logs; keys that begin with `_` are no publishers.
pub(super) fn named(object: Map<String, Value>) -> Result<Named, CatalogError> {
    let mut publishers = Vec::new();
    for (name, value) in object {
        if name.starts_with('_') {
            continue;
        }
        let publisher = name
            .parse()
            .map_err(|error| CatalogError::name(&name, &error))?;
        let publisher: (Publisher, _) = (publisher, ());
        let Value::Object(lists) = value else {
            return Err(CatalogError::name(&name, &"a publisher is no object"));
        };
        let mut stems = Vec::new();
        for (name, value) in lists {
            let stem: Stem = match name.parse() {
                Ok(stem) => stem,
                Err(error) => {
                    let error: crate::fmri::FmriProblem = error;
                    return Err(CatalogError::name(&name, &error));
                }
            };
            let Value::Array(list) = value else {
                return Err(CatalogError::name(&name, &"its entries are no list"));
            };
            stems.push((stem, list));
        }
        publishers.push((publisher.0, stems));
    }
    Ok(publishers)
}
