//! The folder of a zone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The folder that holds a zone: absolute, not `/`, without `.` and `..`, slashes not doubled.
///
/// The root of the zone is `root/` below it, never the folder itself. Source: zonecfg(8).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZonePath(String);

/// Why a text is no zonepath; prints the classic line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZonePathError {
    /// Empty text.
    #[error("zonepath cannot be empty.")]
    Empty,
    /// Does not start with a slash.
    #[error("{0} is not an absolute path.")]
    Relative(String),
    /// Only slashes.
    #[error("/ is not allowed as a zonepath.")]
    Root,
    /// Has `.`, `..`, or a byte that no path may hold.
    #[error("{0}: Resolved path mismatch")]
    NotNormal(String),
}

impl ZonePath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `ZONEPATH/root`, the root of the zone.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.as_path().join("root")
    }

    /// Whether one of the two lies in the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.as_path().starts_with(other.as_path()) || other.as_path().starts_with(self.as_path())
    }
}

impl FromStr for ZonePath {
    type Err = ZonePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ZonePathError::Empty);
        }
        if !text.starts_with('/') {
            return Err(ZonePathError::Relative(text.into()));
        }
        let mut normal = String::with_capacity(text.len());
        for part in text.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." || part.contains(['\0', '\n']) {
                return Err(ZonePathError::NotNormal(text.into()));
            }
            normal.push('/');
            normal.push_str(part);
        }
        if normal.is_empty() {
            Err(ZonePathError::Root)
        } else {
            Ok(Self(normal))
        }
    }
}

impl fmt::Display for ZonePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ZonePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for ZonePath {
    type Error = ZonePathError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ZonePath> for String {
    fn from(path: ZonePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_to_normal_form_or_refused() {
        let parse = |text: &str| text.parse::<ZonePath>().map(String::from);
        assert_eq!(parse("/zones//z1/").unwrap(), "/zones/z1");
        assert_eq!(parse("").unwrap_err(), ZonePathError::Empty);
        assert_eq!(parse("///").unwrap_err(), ZonePathError::Root);
        assert_eq!(
            parse("zones").unwrap_err().to_string(),
            "zones is not an absolute path."
        );
        assert!(parse("/zones/../etc").is_err());
    }

    #[test]
    fn overlap_is_by_whole_names() {
        let path = |text: &str| text.parse::<ZonePath>().unwrap();
        assert!(path("/z/a").overlaps(&path("/z/a/b")));
        assert!(!path("/z/a").overlaps(&path("/z/ab")));
    }
}
