//! Names of zones and brands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Room for a zone name with its closing NUL, as on Solaris: a name has at most 63 bytes.
pub const ZONENAME_MAX: usize = 64;

/// The name of a zone: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 63 bytes.
///
/// `global` and the template prefixes are valid names; [`ZoneName::is_global`] and
/// [`ZoneName::is_reserved`] tell them. Source: zonecfg(8), "Zone name".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(Box<str>);

/// Why a text is no zone name. Prints as the classic `Bogus zone name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: Bogus zone name")]
pub struct ZoneNameError(pub String);

impl ZoneName {
    /// The name of the host itself.
    #[must_use]
    pub fn global() -> Self {
        Self("global".into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the host itself.
    #[must_use]
    pub fn is_global(&self) -> bool {
        &*self.0 == "global"
    }

    /// Whether the name belongs to the templates (`SUNW...`, `SYS...`), which are read-only.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("SUNW") || self.0.starts_with("SYS")
    }
}

impl FromStr for ZoneName {
    type Err = ZoneNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let fits = !bytes.is_empty() && bytes.len() < ZONENAME_MAX;
        if fits && is_word(bytes) {
            Ok(Self(text.into()))
        } else {
            Err(ZoneNameError(text.into()))
        }
    }
}

/// An alphanumeric byte, then alphanumerics, `_`, `.` and `-`.
fn is_word(bytes: &[u8]) -> bool {
    bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b))
}

/// The name of a brand: the folder below `brands`, same letters as a zone name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrandName(Box<str>);

/// Why a text is no brand name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a brand name")]
pub struct BrandNameError(pub String);

impl BrandName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BrandName {
    type Err = BrandNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let fits = !bytes.is_empty() && bytes.len() < ZONENAME_MAX;
        if fits && is_word(bytes) {
            Ok(Self(text.into()))
        } else {
            Err(BrandNameError(text.into()))
        }
    }
}

macro_rules! text_type {
    ($type:ty, $error:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
        impl TryFrom<String> for $type {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into()
            }
        }
    };
}
text_type!(ZoneName, ZoneNameError);
text_type!(BrandName, BrandNameError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "0", "web1", "Web-1.x_y", "global", &"x".repeat(63)] {
            assert_eq!(good.parse::<ZoneName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "bad name",
            "a/b",
            "ä",
            "a\n",
            &"x".repeat(64),
        ] {
            let error = bad.parse::<ZoneName>().unwrap_err();
            assert_eq!(error.to_string(), format!("{bad}: Bogus zone name"));
        }
    }

    #[test]
    fn template_names_are_reserved() {
        assert!("SUNWdefault".parse::<ZoneName>().unwrap().is_reserved());
        assert!("SYSblank".parse::<ZoneName>().unwrap().is_reserved());
        assert!(!"sun".parse::<ZoneName>().unwrap().is_reserved());
    }
}
