//! Versions of packages: `component,build-branch:timestamp`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

mod timestamp;

pub use timestamp::{Timestamp, TimestampError};

/// The build part of a version that names none.
pub const BUILD_DEFAULT: &str = "5.11";

/// Numbers a dot sequence may have; longer ones are refused. Versions mapped from other systems
/// need some hundred.
pub const NUMBERS_MAX: usize = 4096;

/// Numbers with dots between, compared one by one: `1.2` < `1.2.0` < `1.10`.
///
/// Each number fits 64 bits and has no leading zero. Source: pkg(7), "Version".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DotSequence(Box<[u64]>);

/// The text that is no dot sequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Bad Version: {0}")]
pub struct DotSequenceError(pub String);

impl DotSequence {
    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.0
    }

    /// Whether all of `self` stands at the head of `longer`; a sequence is a prefix of itself.
    #[must_use]
    pub fn is_prefix_of(&self, longer: &Self) -> bool {
        longer.0.starts_with(&self.0)
    }
}

impl FromStr for DotSequence {
    type Err = DotSequenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || DotSequenceError(text.to_owned());
        let mut numbers = Vec::with_capacity(4);
        for word in text.split('.') {
            if numbers.len() == NUMBERS_MAX {
                return Err(bad());
            }
            numbers.push(number(word).ok_or_else(bad)?);
        }
        Ok(Self(numbers.into()))
    }
}

/// Digits without sign or leading zero.
pub(crate) fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (word.len() > 1 && word.starts_with('0')) {
        return None;
    }
    word.parse().ok()
}

impl fmt::Display for DotSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}

/// The version of a package.
///
/// Order and equality look at component, branch and timestamp; an absent part is before a present
/// one. The build takes no part. Source: pkg(7), "Version".
#[derive(Debug, Clone)]
pub struct Version {
    component: DotSequence,
    /// None stands for [`BUILD_DEFAULT`].
    build: Option<DotSequence>,
    branch: Option<DotSequence>,
    timestamp: Option<Timestamp>,
}

/// Why a text is no version. Prints as pkg(1) prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing was given.
    #[error("Version cannot be empty")]
    Empty,
    /// The component before `,`, `-` or `:` is missing.
    #[error("Versions must have a release value")]
    NoComponent,
    /// A part is no dot sequence.
    #[error(transparent)]
    Sequence(#[from] DotSequenceError),
    /// The part after `:` is no date and time of the form `20261121T123715Z`.
    #[error(transparent)]
    Time(#[from] TimestampError),
}

impl Version {
    /// A version of these parts, with the default build.
    #[must_use]
    pub fn new(
        component: DotSequence,
        branch: Option<DotSequence>,
        timestamp: Option<Timestamp>,
    ) -> Self {
        Self {
            component,
            build: None,
            branch,
            timestamp,
        }
    }

    /// The part before `,`, which the maker of the software counts.
    #[must_use]
    pub fn component(&self) -> &DotSequence {
        &self.component
    }

    /// The part after `-`, which the packager counts.
    #[must_use]
    pub fn branch(&self) -> Option<&DotSequence> {
        self.branch.as_ref()
    }

    /// When it was published, UTC.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// The part after `,` as text, [`BUILD_DEFAULT`] when none was named.
    #[must_use]
    pub fn build(&self) -> String {
        match &self.build {
            Some(build) => build.to_string(),
            None => BUILD_DEFAULT.to_owned(),
        }
    }

    /// The same version, published at `timestamp`.
    #[must_use]
    pub fn at(&self, timestamp: Timestamp) -> Self {
        let mut version = self.clone();
        version.timestamp = Some(timestamp);
        version
    }

    /// The same version without a timestamp.
    #[must_use]
    pub fn timeless(&self) -> Self {
        let mut version = self.clone();
        version.timestamp = None;
        version
    }

    /// Whether `self` refines `wanted`: each part that `wanted` names is a prefix of ours, and a
    /// timestamp is equal. What `incorporate`, `parent` and freezes ask.
    #[must_use]
    pub fn refines(&self, wanted: &Self) -> bool {
        let branch = match (&wanted.branch, &self.branch) {
            (None, _) => true,
            (Some(wanted), Some(own)) => wanted.is_prefix_of(own),
            (Some(_), None) => false,
        };
        branch
            && wanted.component.is_prefix_of(&self.component)
            && (wanted.timestamp.is_none() || wanted.timestamp == self.timestamp)
    }

    /// Whether `self` is `wanted`, newer, or refines it. What `require` asks.
    #[must_use]
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self >= wanted || self.refines(wanted)
    }

    /// Prints `component-branch`, as tables do.
    #[must_use]
    pub fn short(&self) -> String {
        match &self.branch {
            Some(branch) => format!("{}-{branch}", self.component),
            None => self.component.to_string(),
        }
    }

    /// Prints all but the build, as `pkg info` does.
    #[must_use]
    pub fn without_build(&self) -> String {
        match self.timestamp {
            Some(time) => format!("{}:{time}", self.short()),
            None => self.short(),
        }
    }

    fn order(&self) -> (&DotSequence, Option<&DotSequence>, Option<Timestamp>) {
        (&self.component, self.branch.as_ref(), self.timestamp)
    }
}

/// The parts of a version as text: component, build, branch, timestamp.
pub(crate) type Parts<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// Cuts at the first `:`, the first `-` before it and the first `,` before that.
pub(crate) fn cut(text: &str) -> Result<Parts<'_>, VersionError> {
    if text.is_empty() {
        return Err(VersionError::Empty);
    }
    let (rest, time) = halves(text, ':');
    let (rest, branch) = halves(rest, '-');
    let (component, build) = halves(rest, ',');
    if component.is_empty() {
        return Err(VersionError::NoComponent);
    }
    Ok((component, build, branch, time))
}

fn halves(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (component, build, branch, time) = cut(text)?;
        let component = component.parse()?;
        let branch = branch.map(str::parse).transpose()?;
        let build = build.filter(|build| *build != BUILD_DEFAULT);
        let build = build.map(str::parse).transpose()?;
        Ok(Self {
            component,
            build,
            branch,
            timestamp: time.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},", self.component)?;
        match &self.build {
            Some(build) => write!(f, "{build}")?,
            None => f.write_str(BUILD_DEFAULT)?,
        }
        if let Some(branch) = &self.branch {
            write!(f, "-{branch}")?;
        }
        match self.timestamp {
            Some(time) => write!(f, ":{time}"),
            None => Ok(()),
        }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Version {}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order().hash(state);
    }
}
