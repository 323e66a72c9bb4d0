//! A whole catalog in memory, as a repository keeps it.

use std::collections::BTreeMap;

use super::{
    Attrs, BASE, CatalogTime, DEPENDENCY, Entry, FileState, Log, LogEntry, Operation, Part,
    SUMMARY, log_name,
};
use crate::action::{Action, ActionKind};
use crate::fmri::{Fmri, Publisher, Stem};
use crate::hash::Digest;
use crate::manifest::Manifest;
use crate::version::Version;

/// What the parts say of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct EntrySet {
    /// Digest of the manifest.
    pub base: Entry,
    /// What a solver needs; None when the manifest has nothing of it.
    pub dependency: Option<Entry>,
    /// What people read; None when the manifest has nothing of it.
    pub summary: Option<Entry>,
}

/// Where an action of a manifest stands in a catalog.
fn part_of(action: &Action) -> Option<&'static str> {
    const PREFIXES: [&str; 3] = ["variant.", "facet.", "pkg.depend."];
    const NAMES: [&str; 3] = ["pkg.obsolete", "pkg.renamed", "pkg.legacy"];
    match action.kind() {
        ActionKind::Depend => Some(DEPENDENCY),
        ActionKind::Set => match action.get("name")? {
            "pkg.fmri" => None,
            name if NAMES.contains(&name) => Some(DEPENDENCY),
            name if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Some(DEPENDENCY),
            _ => Some(SUMMARY),
        },
        _ => None,
    }
}

impl EntrySet {
    /// The entries of a manifest. `digest` is the SHA-1 of its bytes as they are stored.
    #[must_use]
    pub fn of(version: &Version, manifest: &Manifest, digest: &Digest) -> Self {
        let entry = |part: &str| {
            let actions = manifest.actions().iter();
            let own = actions.filter(|action| part_of(action) == Some(part));
            let lines: Vec<_> = own.map(ToString::to_string).collect();
            let entry = || Entry::new(version.clone());
            (!lines.is_empty()).then(|| entry().with_actions(lines))
        };
        Self {
            base: Entry::new(version.clone()).with_manifest_digest(digest),
            dependency: entry(DEPENDENCY),
            summary: entry(SUMMARY),
        }
    }

    fn into_parts(self) -> BTreeMap<String, Entry> {
        let others = [(DEPENDENCY, self.dependency), (SUMMARY, self.summary)];
        let others = others
            .into_iter()
            .filter_map(|(name, entry)| Some((name, entry?)));
        let all = std::iter::once((BASE, self.base)).chain(others);
        all.map(|(name, entry)| (name.to_owned(), entry)).collect()
    }
}

/// A change of a catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A version comes, or its entries change.
    Add(Publisher, Stem, Box<EntrySet>),
    /// A version goes.
    Remove(Publisher, Stem, Version),
}

/// A whole catalog without its logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// What `catalog.attrs` says.
    pub attrs: Attrs,
    /// Parts by name.
    pub parts: BTreeMap<String, Part>,
}

/// Files to write, in this order: all of them before `attrs`, which makes them count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Name and bytes of parts and of the log.
    pub files: Vec<(String, Vec<u8>)>,
    /// The bytes of `catalog.attrs`.
    pub attrs: Vec<u8>,
}

impl Catalog {
    /// An empty catalog made at this time.
    #[must_use]
    pub fn new(created: CatalogTime) -> Self {
        Self {
            attrs: Attrs::new(created),
            parts: BTreeMap::from([(BASE.to_owned(), Part::default())]),
        }
    }

    /// A part by name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }

    /// The entry of a version in the base part.
    #[must_use]
    pub fn find(&self, fmri: &Fmri) -> Option<&Entry> {
        let base = self.part(BASE)?;
        base.entry(
            fmri.publisher()?.as_str(),
            fmri.stem().as_str(),
            fmri.version()?,
        )
    }

    /// Makes one change at this time and records it in `log`, the one of [`log_name`].
    pub fn apply(&mut self, change: Change, time: CatalogTime, log: &mut Log) {
        let entry = match change {
            Change::Add(publisher, stem, set) => LogEntry {
                publisher,
                stem,
                version: set.base.version().clone(),
                operation: Operation::Add,
                time,
                parts: set.into_parts(),
            },
            Change::Remove(publisher, stem, version) => LogEntry {
                publisher,
                stem,
                version,
                operation: Operation::Remove,
                time,
                parts: BTreeMap::new(),
            },
        };
        self.record(&entry);
        log.push(entry);
    }

    /// Brings the parts to what the entry says, and marks those that changed.
    fn record(&mut self, entry: &LogEntry) {
        for name in [BASE, DEPENDENCY, SUMMARY] {
            let (publisher, stem) = (&entry.publisher, &entry.stem);
            let own = entry.parts.get(name);
            if own.is_none() && !self.parts.contains_key(name) {
                continue;
            }
            let part = self.parts.entry(name.to_owned()).or_default();
            let old = match own {
                Some(own) => part.insert(publisher, stem, own.clone()),
                None => part.remove(publisher.as_str(), stem.as_str(), &entry.version),
            };
            if own.is_some() || old.is_some() {
                let modified = entry.time;
                let state = FileState {
                    modified,
                    signature: None,
                };
                self.attrs.parts.insert(name.to_owned(), state);
            }
        }
        self.attrs.modified = self.attrs.modified.max(entry.time);
    }

    /// The bytes of all parts and of `attrs`, with the signatures in place. A log is written under
    /// the name of the hour at which it changed last.
    #[must_use]
    pub fn write(&mut self, log: Option<(&Log, CatalogTime)>) -> Written {
        let mut files = Vec::new();
        for (name, part) in &self.parts {
            let (bytes, signature) = part.to_bytes();
            let modified = self.attrs.modified;
            let state = FileState {
                modified,
                signature: None,
            };
            let state = self.attrs.parts.entry(name.clone()).or_insert(state);
            state.signature = Some(signature);
            files.push((name.clone(), bytes));
        }
        if let Some((log, modified)) = log {
            let (bytes, signature) = log.to_bytes();
            let signature = Some(signature);
            let state = FileState {
                modified,
                signature,
            };
            self.attrs.updates.insert(log_name(modified), state);
            files.push((log_name(modified), bytes));
        }
        let counts = self.parts.get(BASE).map(Part::counts).unwrap_or_default();
        self.attrs.package_count = counts.0 as u64;
        self.attrs.version_count = counts.1 as u64;
        let attrs = self.attrs.to_bytes();
        Written { files, attrs }
    }
}
