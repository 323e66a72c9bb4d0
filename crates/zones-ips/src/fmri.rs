//! Names of packages: `pkg://publisher/stem@version`.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::quote;
use crate::version::{Version, VersionError};

/// Bytes an FMRI may have. File systems hold 255 in a name, and a name is escaped.
pub const FMRI_LEN_MAX: usize = 16 * 1024;

/// The prefix of a publisher: letters, digits, `-` and `.`, alphanumeric at the head.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publisher(Arc<str>);

/// The name of a package without publisher and version, such as `system/library`.
///
/// Words of letters, digits, `_`, `-`, `.` and `+`, alphanumeric at the head, `/` between.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stem(Arc<str>);

/// The name of a package, with publisher and version when known.
///
/// Equal when all three are. Ordered by publisher (none first), stem, version: to ask which of two
/// packages is newer, compare the versions of one stem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fmri {
    publisher: Option<Publisher>,
    stem: Stem,
    version: Option<Version>,
}

/// Why a text is no FMRI. Prints as pkg(1) prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Illegal FMRI '{fmri}': {problem}")]
pub struct FmriError {
    /// What was given.
    pub fmri: String,
    /// What is wrong with it.
    pub problem: FmriProblem,
}

/// What is wrong with the text of an FMRI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FmriProblem {
    /// `pkg://` without a stem.
    #[error("Missing '/' after publisher name")]
    NoSlash,
    /// Nothing where the stem should be.
    #[error("Missing package name")]
    NoName,
    /// The stem breaks the grammar.
    #[error("Invalid Package Name: {0}")]
    Name(String),
    /// The publisher's prefix breaks the grammar.
    #[error("Invalid publisher name: {0}")]
    Publisher(String),
    /// The version breaks the grammar.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// More than [`FMRI_LEN_MAX`] bytes.
    #[error("longer than {FMRI_LEN_MAX} bytes")]
    Long,
}

impl Publisher {
    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Publisher {
    type Err = FmriProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_word(text, b"-.") && text.len() <= 255 {
            Ok(Self(text.into()))
        } else {
            Err(FmriProblem::Publisher(text.to_owned()))
        }
    }
}

impl Stem {
    /// The stem as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stem as one component of a path (`app%2Ffoo`).
    #[must_use]
    pub fn quoted(&self) -> String {
        quote::quote(&self.0)
    }
}

impl FromStr for Stem {
    type Err = FmriProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.split('/').all(|word| is_word(word, b"_-.+")) {
            Ok(Self(text.into()))
        } else {
            Err(FmriProblem::Name(text.to_owned()))
        }
    }
}

/// An alphanumeric byte, then alphanumerics and `others`.
pub(crate) fn is_word(text: &str, others: &[u8]) -> bool {
    let head = text.as_bytes().first();
    head.is_some_and(u8::is_ascii_alphanumeric)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

/// The three parts of an FMRI or pattern as text, and whether a scheme or `/` stood before them.
pub(crate) struct Cut<'a> {
    pub(crate) publisher: Option<&'a str>,
    pub(crate) is_anchored: bool,
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// Cuts at the last `@`, then takes the publisher off.
pub(crate) fn cut(text: &str) -> Result<Cut<'_>, FmriProblem> {
    if text.len() > FMRI_LEN_MAX {
        return Err(FmriProblem::Long);
    }
    let (rest, version) = match text.rsplit_once('@') {
        Some((rest, version)) => (rest, Some(version)),
        None => (text, None),
    };
    let schemeless = rest
        .strip_prefix("pkg:")
        .filter(|rest| rest.starts_with('/'));
    let rest = schemeless.unwrap_or(rest);
    let (publisher, name, is_anchored) = if let Some(rest) = rest.strip_prefix("//") {
        let (publisher, name) = rest.split_once('/').ok_or(FmriProblem::NoSlash)?;
        (Some(publisher).filter(|it| !it.is_empty()), name, true)
    } else if let Some(name) = rest.strip_prefix('/') {
        (None, name, true)
    } else {
        (None, rest, false)
    };
    if name.is_empty() {
        return Err(FmriProblem::NoName);
    }
    Ok(Cut {
        publisher,
        is_anchored,
        name,
        version,
    })
}

impl Fmri {
    /// The name of these parts.
    #[must_use]
    pub fn new(publisher: Option<Publisher>, stem: Stem, version: Option<Version>) -> Self {
        Self {
            publisher,
            stem,
            version,
        }
    }

    /// Who publishes the package, when named.
    #[must_use]
    pub fn publisher(&self) -> Option<&Publisher> {
        self.publisher.as_ref()
    }

    /// The name alone.
    #[must_use]
    pub fn stem(&self) -> &Stem {
        &self.stem
    }

    /// The version, when named.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The same package of this publisher.
    #[must_use]
    pub fn of(mut self, publisher: Publisher) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// The same package at this version.
    #[must_use]
    pub fn at(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// The same package of whatever publisher; prints as `pkg:/stem@version`.
    #[must_use]
    pub fn without_publisher(mut self) -> Self {
        self.publisher = None;
        self
    }

    /// Whether the stems are equal and, when both name one, the publishers.
    #[must_use]
    pub fn is_same_package(&self, other: &Self) -> bool {
        let publishers = self.publisher.is_none()
            || other.publisher.is_none()
            || self.publisher == other.publisher;
        publishers && self.stem == other.stem
    }

    /// Prints without version.
    #[must_use]
    pub fn without_version(&self) -> String {
        match &self.publisher {
            Some(publisher) => format!("pkg://{publisher}/{}", self.stem),
            None => format!("pkg:/{}", self.stem),
        }
    }

    /// Prints `stem@component-branch`, as messages do.
    #[must_use]
    pub fn short(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{}", self.stem, version.short()),
            None => self.stem.to_string(),
        }
    }

    /// Prints all but the build, as `pkg info` does.
    #[must_use]
    pub fn without_build(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{}", self.without_version(), version.without_build()),
            None => self.without_version(),
        }
    }

    /// Stem and version as two components of a path, escaped; None without a version.
    #[must_use]
    pub fn quoted(&self) -> Option<(String, String)> {
        let version = self.version.as_ref()?;
        Some((self.stem.quoted(), quote::quote(&version.to_string())))
    }
}

impl FromStr for Fmri {
    type Err = FmriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end();
        parse(text).map_err(|problem| FmriError {
            fmri: text.chars().take(FMRI_LEN_MAX).collect(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Fmri, FmriProblem> {
    let cut = cut(text)?;
    Ok(Fmri {
        version: cut.version.map(str::parse).transpose()?,
        publisher: cut.publisher.map(str::parse).transpose()?,
        stem: cut.name.parse()?,
    })
}

impl fmt::Display for Fmri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.publisher {
            Some(publisher) => write!(f, "pkg://{publisher}/{}", self.stem)?,
            None => write!(f, "pkg:/{}", self.stem)?,
        }
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(Publisher);
text!(Stem);
