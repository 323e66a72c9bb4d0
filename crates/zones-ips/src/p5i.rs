//! Publishers and their repositories as JSON, `application/vnd.pkg5.info`.

use serde::{Deserialize, Serialize};

/// The MIME type.
pub const MIME: &str = "application/vnd.pkg5.info";

/// Bytes a file may have.
pub const P5I_LEN_MAX: usize = 64 << 20;

/// What a p5i file says. Fields stand in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct P5i {
    /// Packages of no named publisher.
    pub packages: Vec<String>,
    /// Publishers.
    pub publishers: Vec<PublisherInfo>,
    version: u32,
}

/// A publisher, and packages of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherInfo {
    /// Another name for it.
    #[serde(default)]
    pub alias: Option<String>,
    /// Its prefix.
    pub name: String,
    /// Packages of it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Where its packages are to be had; empty means where this file came from.
    #[serde(default)]
    pub repositories: Vec<Repository>,
}

/// A repository as a publisher suggests it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "named as the keys are")]
pub struct Repository {
    pub collection_type: String,
    pub description: String,
    pub legal_uris: Vec<String>,
    pub mirrors: Vec<String>,
    pub name: String,
    pub origins: Vec<String>,
    pub refresh_seconds: u64,
    pub registration_uri: String,
    pub related_uris: Vec<String>,
}

/// Why bytes are no p5i file.
#[derive(Debug, thiserror::Error)]
pub enum P5iError {
    /// No JSON, or not of the right form.
    #[error("not a p5i file: {0}")]
    Json(#[from] serde_json::Error),
    /// The version is missing.
    #[error("missing version")]
    NoVersion,
    /// A version that is not known here.
    #[error("invalid version")]
    Version,
    /// More than [`P5I_LEN_MAX`] bytes.
    #[error("a p5i file of {0} bytes; at most {P5I_LEN_MAX} are allowed")]
    Long(usize),
}

impl Default for Repository {
    fn default() -> Self {
        Self {
            collection_type: "core".to_owned(),
            description: String::new(),
            legal_uris: Vec::new(),
            mirrors: Vec::new(),
            name: String::new(),
            origins: Vec::new(),
            refresh_seconds: 14_400,
            registration_uri: String::new(),
            related_uris: Vec::new(),
        }
    }
}

impl P5i {
    /// A file of these publishers and packages.
    #[must_use]
    pub fn new(publishers: Vec<PublisherInfo>, packages: Vec<String>) -> Self {
        Self {
            packages,
            publishers,
            version: 1,
        }
    }

    /// Reads the bytes of a file; absent lists are empty.
    ///
    /// # Errors
    ///
    /// No JSON of the right form, or no version up to 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, P5iError> {
        if bytes.len() > P5I_LEN_MAX {
            return Err(P5iError::Long(bytes.len()));
        }
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        match value.get("version") {
            None => return Err(P5iError::NoVersion),
            Some(version) if version.as_u64().is_none_or(|it| it > 1) => {
                return Err(P5iError::Version);
            }
            Some(_) => {}
        }
        Ok(serde_json::from_value(value)?)
    }

    /// The text of the file: keys sorted, two blanks deep, a newline at the end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
