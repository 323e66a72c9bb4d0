//! Update logs: what changed within one hour.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::part::named;
use super::{CatalogError, CatalogTime, Entry, Part, Signed, open, seal, write};
use crate::fmri::{Publisher, Stem};
use crate::hash::Digest;
use crate::version::Version;

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It was published, or its entries changed.
    Add,
    /// It was removed.
    Remove,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }
}

/// One record of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Whose package.
    pub publisher: Publisher,
    /// Which package.
    pub stem: Stem,
    /// Which version.
    pub version: Version,
    /// What happened.
    pub operation: Operation,
    /// When.
    pub time: CatalogTime,
    /// Name of a part, and what it says of the version now.
    pub parts: BTreeMap<String, Entry>,
}

/// A log, in the order of its text: by publisher and stem, then as it happened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    entries: Vec<LogEntry>,
}

/// The log that holds what happens at this time: `update.20261121T12Z.C`.
#[must_use]
pub fn log_name(time: CatalogTime) -> String {
    let text = time.to_string();
    format!("update.{}Z.C", &text[..11])
}

impl Log {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// The signature does not hold, or the content has not the right form.
    pub fn parse(bytes: &[u8], signed: Signed) -> Result<(Self, Option<Digest>), CatalogError> {
        let (object, signature) = open(bytes, signed)?;
        let mut entries = Vec::new();
        for (publisher, stems) in named(object)? {
            for (stem, list) in stems {
                for value in list {
                    entries.push(read(&publisher, &stem, value)?);
                }
            }
        }
        let signature = Digest::parse(crate::Algorithm::Sha1, &signature).ok();
        Ok((Self { entries }, signature))
    }

    /// The records.
    #[must_use]
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Adds a record.
    pub fn push(&mut self, entry: LogEntry) {
        self.entries.push(entry);
    }

    /// The bytes of the file, and its signature.
    #[must_use]
    pub fn to_bytes(&self) -> (Vec<u8>, Digest) {
        let mut tree: BTreeMap<&str, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
        for entry in &self.entries {
            let stems = tree.entry(entry.publisher.as_str()).or_default();
            let list = stems.entry(entry.stem.as_str()).or_default();
            list.push(Value::Object(entry.to_json()));
        }
        let stems = |stems: BTreeMap<&str, Vec<Value>>| -> Map<String, Value> {
            let lists = stems.into_iter();
            lists
                .map(|(stem, list)| (stem.to_owned(), Value::Array(list)))
                .collect()
        };
        let publishers = tree.into_iter();
        let object = publishers.map(|(name, tree)| (name.to_owned(), Value::Object(stems(tree))));
        seal(&write::json(object.collect()))
    }

    /// Brings a part up to date: applies the records that are newer than `after`, in their time's
    /// order. `name` is the part's.
    pub fn apply(&self, name: &str, part: &mut Part, after: CatalogTime) {
        let mut newer: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.time > after)
            .collect();
        newer.sort_by_key(|entry| entry.time);
        for entry in newer {
            let (publisher, stem) = (&entry.publisher, &entry.stem);
            match (entry.operation, entry.parts.get(name)) {
                (Operation::Add, Some(own)) => {
                    part.insert(publisher, stem, own.clone());
                }
                (Operation::Add, None) => {}
                (Operation::Remove, _) => {
                    part.remove(publisher.as_str(), stem.as_str(), &entry.version);
                }
            }
        }
    }
}

fn read(publisher: &Publisher, stem: &Stem, value: Value) -> Result<LogEntry, CatalogError> {
    let bad = |why: &str| CatalogError::name(stem.as_str(), &why);
    let whole = Entry::read(stem.as_str(), value)?;
    let text = |name: &str| whole.field(name).and_then(Value::as_str);
    let operation = match text("op-type") {
        Some("add") => Operation::Add,
        Some("remove") => Operation::Remove,
        _ => return Err(bad("a record is neither add nor remove")),
    };
    let time = text("op-time").and_then(|time| time.parse().ok());
    let time = time.ok_or_else(|| bad("a record has no time"))?;
    let mut parts = BTreeMap::new();
    for (name, value) in whole.to_json() {
        if name.starts_with("catalog.") {
            parts.insert(name, Entry::read(stem.as_str(), value)?);
        }
    }
    Ok(LogEntry {
        publisher: publisher.clone(),
        stem: stem.clone(),
        version: whole.version().clone(),
        operation,
        time,
        parts,
    })
}

impl LogEntry {
    fn to_json(&self) -> Map<String, Value> {
        let mut fields = Entry::new(self.version.clone()).to_json();
        fields.insert("op-type".into(), self.operation.word().into());
        fields.insert("op-time".into(), self.time.to_string().into());
        for (name, entry) in &self.parts {
            fields.insert(name.clone(), Value::Object(entry.to_json()));
        }
        fields
    }
}
