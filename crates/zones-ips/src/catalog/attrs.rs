//! `catalog.attrs`: the parts and logs of a catalog, and when each changed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{CatalogError, CatalogTime, Signed, open, seal, write};
use crate::hash::{Algorithm, Digest};

/// The version of the format.
const VERSION: i64 = 1;

/// What `catalog.attrs` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Attrs {
    /// When the catalog was made; another time means another catalog.
    pub created: CatalogTime,
    /// When something changed last.
    pub modified: CatalogTime,
    /// How many packages, versions not counted.
    pub package_count: u64,
    /// How many versions of all packages.
    pub version_count: u64,
    /// Parts by name.
    pub parts: BTreeMap<String, FileState>,
    /// Update logs by name.
    pub updates: BTreeMap<String, FileState>,
}

/// A file beside `catalog.attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// When it changed last.
    pub modified: CatalogTime,
    /// Its signature, when it has one.
    pub signature: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    created: String,
    last_modified: String,
    #[serde(default)]
    package_count: u64,
    #[serde(default)]
    package_version_count: u64,
    #[serde(default)]
    parts: BTreeMap<String, RawFile>,
    #[serde(default)]
    updates: BTreeMap<String, RawFile>,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawFile {
    last_modified: String,
    #[serde(rename = "signature-sha-1")]
    signature: Option<String>,
}

impl Attrs {
    /// An empty catalog made at this time.
    #[must_use]
    pub fn new(created: CatalogTime) -> Self {
        Self {
            created,
            modified: created,
            package_count: 0,
            version_count: 0,
            parts: BTreeMap::new(),
            updates: BTreeMap::new(),
        }
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    ///
    /// The signature does not hold, or the content has not the right form: names of files that are
    /// none of a catalog's are refused, too.
    pub fn parse(bytes: &[u8], signed: Signed) -> Result<Self, CatalogError> {
        let (object, _) = open(bytes, signed)?;
        let raw: Raw = serde_json::from_value(Value::Object(object))?;
        if raw.version != VERSION {
            return Err(CatalogError::Version(raw.version));
        }
        Ok(Self {
            created: time("created", &raw.created)?,
            modified: time("last-modified", &raw.last_modified)?,
            package_count: raw.package_count,
            version_count: raw.package_version_count,
            parts: files(raw.parts, "catalog.")?,
            updates: files(raw.updates, "update.")?,
        })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal(&write::json(self.to_json())).0
    }

    /// The bytes of a file without a signature, as image states have it.
    #[must_use]
    pub fn to_unsigned(&self) -> Vec<u8> {
        let mut text = write::json(self.to_json());
        text.push('\n');
        text.into_bytes()
    }

    fn to_json(&self) -> Map<String, Value> {
        let list = |files: &BTreeMap<String, FileState>| -> Map<String, Value> {
            let files = files.iter();
            files
                .map(|(name, file)| (name.clone(), Value::Object(file.to_json())))
                .collect()
        };
        let mut object = Map::new();
        object.insert("created".into(), self.created.to_string().into());
        object.insert("last-modified".into(), self.modified.to_string().into());
        object.insert("package-count".into(), self.package_count.into());
        object.insert("package-version-count".into(), self.version_count.into());
        object.insert("parts".into(), list(&self.parts).into());
        object.insert("updates".into(), list(&self.updates).into());
        object.insert("version".into(), json!(VERSION));
        object
    }
}

impl FileState {
    fn to_json(self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("last-modified".into(), self.modified.to_string().into());
        if let Some(signature) = self.signature {
            object.insert("signature-sha-1".into(), signature.to_string().into());
        }
        object
    }
}

fn time(name: &str, text: &str) -> Result<CatalogTime, CatalogError> {
    let read = text.parse();
    read.map_err(|error: crate::version::TimestampError| CatalogError::name(name, &error))
}

/// Names and states, of names that begin with `prefix` and are no paths.
fn files(
    raw: BTreeMap<String, RawFile>,
    prefix: &str,
) -> Result<BTreeMap<String, FileState>, CatalogError> {
    let state = |(name, file): (String, RawFile)| {
        let tail = name.strip_prefix(prefix).unwrap_or_default();
        if !crate::fmri::is_word(tail, b"._-@") {
            return Err(CatalogError::name(&name, &"no name of a catalog's file"));
        }
        let read = |hex: String| Digest::parse(Algorithm::Sha1, &hex);
        let signature = file.signature.map(read).transpose();
        let state = FileState {
            modified: time(&name, &file.last_modified)?,
            signature: signature.map_err(|error| CatalogError::name(&name, &error))?,
        };
        Ok((name, state))
    };
    raw.into_iter().map(state).collect()
}
