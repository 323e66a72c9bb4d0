//! One version of one package in a part.

use serde_json::{Map, Value};

use super::CatalogError;
use crate::hash::{Algorithm, Digest};
use crate::version::Version;

/// What a part says of one version. Fields that are not known here are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    version: Version,
    fields: Map<String, Value>,
}

impl Entry {
    /// An entry that says nothing yet.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            version,
            fields: Map::new(),
        }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The SHA-1 of the manifest's bytes, in the base part.
    #[must_use]
    pub fn manifest_digest(&self) -> Option<Digest> {
        let hex = self.fields.get("signature-sha-1")?.as_str()?;
        Digest::parse(Algorithm::Sha1, hex).ok()
    }

    /// Records the SHA-1 of the manifest's bytes.
    #[must_use]
    pub fn with_manifest_digest(mut self, digest: &Digest) -> Self {
        self.set("signature-sha-1", Value::String(digest.to_string()));
        self
    }

    /// The lines of actions, in the dependency and summary parts.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        let list = self.fields.get("actions").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Records lines of actions.
    #[must_use]
    pub fn with_actions(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(Value::String).collect();
        self.set("actions", Value::Array(lines));
        self
    }

    /// A field by name, such as `metadata` of image states.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Records a field. `version` is none and is ignored.
    pub fn set(&mut self, name: &str, value: Value) {
        if name != "version" {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// Takes a field away.
    pub fn unset(&mut self, name: &str) -> Option<Value> {
        self.fields.shift_remove(name)
    }

    pub(super) fn read(stem: &str, value: Value) -> Result<Self, CatalogError> {
        let Value::Object(mut fields) = value else {
            return Err(CatalogError::name(stem, &"an entry is no object"));
        };
        let version = match fields.shift_remove("version") {
            Some(Value::String(text)) => text,
            _ => return Err(CatalogError::name(stem, &"an entry has no version")),
        };
        let named = |error| CatalogError::name(&format!("{stem}@{version}"), &error);
        let version = version
            .parse()
            .map_err(|error: crate::VersionError| named(error))?;
        Ok(Self { version, fields })
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut fields = self.fields.clone();
        fields.insert(
            "version".to_owned(),
            Value::String(self.version.to_string()),
        );
        fields
    }
}
