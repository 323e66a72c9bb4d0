//! Patterns that users type to name packages.

use std::fmt;
use std::str::FromStr;

use crate::fmri::{self, Fmri, FmriProblem, Stem, is_word};
use crate::version::{self, Timestamp, Version, VersionError};

/// A name, or part of one, of packages.
///
/// With a scheme or a leading `/` the whole stem must match, else its end from a `/` on. `*` and
/// `?` stand for any characters. The version is `latest`, or parts of which the first numbers must
/// match, `*` for any number. Source: pkg(1), "install".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    publisher: Option<Box<str>>,
    is_anchored: bool,
    name: Box<str>,
    version: VersionPattern,
}

/// Which versions a pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionPattern {
    /// Any.
    Any,
    /// The newest only.
    Latest,
    /// Those whose parts begin with these numbers.
    Parts(Box<VersionParts>),
}

/// The parts of a version, each number known or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionParts {
    component: Vec<Option<u64>>,
    branch: Option<Vec<Option<u64>>>,
    timestamp: Option<Timestamp>,
    /// The whole as a version, when no number is left open.
    exact: Option<Version>,
}

/// Why a text is no pattern. Prints as pkg(1) prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Illegal matching pattern '{pattern}': {problem}")]
pub struct PatternError {
    /// What was given.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: FmriProblem,
}

/// How a stem matches a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameMatch {
    /// Its end does.
    Suffix,
    /// All of it, by `*` or `?`.
    Glob,
    /// All of it, letter by letter.
    Exact,
}

/// What a pattern picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'a> {
    /// These packages, in their order; none when nothing matched.
    Packages(Vec<&'a Fmri>),
    /// Several stems end with the name: the user must say which.
    Ambiguous(Vec<&'a Stem>),
}

impl Pattern {
    /// Whether the name has `*` or `?`.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.name.contains(['*', '?'])
    }

    /// Which versions it takes.
    #[must_use]
    pub fn version(&self) -> &VersionPattern {
        &self.version
    }

    /// The publisher it names, which may hold `*`.
    #[must_use]
    pub fn publisher(&self) -> Option<&str> {
        self.publisher.as_deref()
    }

    /// The name without publisher and version.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a stem matches; None when it does not.
    #[must_use]
    pub fn match_stem(&self, stem: &Stem) -> Option<NameMatch> {
        let stem = stem.as_str();
        if self.is_glob() {
            let ends = std::iter::once(stem).chain(tails(stem).filter(|_| !self.is_anchored));
            let mut ends = ends;
            return ends
                .any(|end| glob_matches(&self.name, end))
                .then_some(NameMatch::Glob);
        }
        if *self.name == *stem {
            return Some(NameMatch::Exact);
        }
        let head = stem
            .strip_suffix(&*self.name)
            .filter(|_| !self.is_anchored)?;
        head.ends_with('/').then_some(NameMatch::Suffix)
    }

    /// How a package matches, but for `@latest`, which only a list can answer.
    #[must_use]
    pub fn match_fmri(&self, fmri: &Fmri) -> Option<NameMatch> {
        if let Some(wanted) = &self.publisher {
            let own = fmri.publisher()?.as_str();
            if !glob_matches(wanted, own) {
                return None;
            }
        }
        let is_taken = match (&self.version, fmri.version()) {
            (VersionPattern::Any | VersionPattern::Latest, _) => true,
            (VersionPattern::Parts(parts), Some(version)) => parts.matches(version),
            (VersionPattern::Parts(_), None) => false,
        };
        self.match_stem(fmri.stem()).filter(|_| is_taken)
    }

    /// The packages that match. A name that is one package's whole stem means that package alone.
    pub fn pick<'a>(&self, packages: impl IntoIterator<Item = &'a Fmri>) -> Picked<'a> {
        let matches = packages
            .into_iter()
            .filter_map(|it| Some((self.match_fmri(it)?, it)));
        let mut found: Vec<_> = matches.collect();
        if found.iter().any(|(how, _)| *how == NameMatch::Exact) {
            found.retain(|(how, _)| *how == NameMatch::Exact);
        }
        if !self.is_glob() {
            let mut stems: Vec<_> = found.iter().map(|(_, fmri)| fmri.stem()).collect();
            stems.sort();
            stems.dedup();
            if stems.len() > 1 {
                return Picked::Ambiguous(stems);
            }
        }
        let mut found: Vec<_> = found.into_iter().map(|(_, fmri)| fmri).collect();
        if self.version == VersionPattern::Latest {
            found = newest(found);
        }
        Picked::Packages(found)
    }
}

/// The newest of each stem and publisher.
fn newest(mut packages: Vec<&Fmri>) -> Vec<&Fmri> {
    let key = |fmri: &Fmri| (fmri.publisher().cloned(), fmri.stem().clone());
    packages.sort();
    packages.reverse();
    packages.dedup_by_key(|fmri| key(fmri));
    packages.reverse();
    packages
}

/// What follows each `/`.
fn tails(stem: &str) -> impl Iterator<Item = &str> {
    stem.match_indices('/').map(|(at, _)| &stem[at + 1..])
}

impl VersionParts {
    /// Whether the numbers given are those at the head of the version's parts.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        let branch = match (&self.branch, version.branch()) {
            (None, _) => true,
            (Some(wanted), Some(own)) => begins(own.numbers(), wanted),
            (Some(_), None) => false,
        };
        let timestamp = self.timestamp.is_none() || self.timestamp == version.timestamp();
        branch && timestamp && begins(version.component().numbers(), &self.component)
    }

    /// The version, when the pattern leaves no number open.
    #[must_use]
    pub fn exact(&self) -> Option<&Version> {
        self.exact.as_ref()
    }
}

fn begins(numbers: &[u64], wanted: &[Option<u64>]) -> bool {
    // A lone `*` at the end stands for no number too.
    let wanted = match wanted {
        [head @ .., None] => head,
        all => all,
    };
    let mut pairs = wanted.iter().zip(numbers);
    wanted.len() <= numbers.len()
        && pairs.all(|(wanted, number)| wanted.is_none_or(|wanted| wanted == *number))
}

/// Whether `text` is what `glob` says, `*` for any characters and `?` for one, also `/`.
#[must_use]
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (&[u8], &[u8]) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while at < text.len() {
        match glob.get(from) {
            Some(b'*') => {
                star = Some((from, at));
                from += 1;
            }
            Some(b'?') => {
                from += 1;
                at += 1;
            }
            Some(byte) if *byte == text[at] => {
                from += 1;
                at += 1;
            }
            _ => {
                // Let the last star take one byte more.
                let Some((place, taken)) = star else {
                    return false;
                };
                star = Some((place, taken + 1));
                from = place + 1;
                at = taken + 1;
            }
        }
    }
    glob[from..].iter().all(|byte| *byte == b'*')
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end();
        parse(text).map_err(|problem| PatternError {
            pattern: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Pattern, FmriProblem> {
    let cut = fmri::cut(text)?;
    let is_glob = |word: &str| word.contains(['*', '?']);
    let plain = cut.name.replace(['*', '?'], "a");
    let is_valid = plain.split('/').all(|word| is_word(word, b"_-.+"));
    if !is_valid {
        return Err(FmriProblem::Name(cut.name.to_owned()));
    }
    if let Some(publisher) = cut.publisher.filter(|publisher| !is_glob(publisher)) {
        publisher.parse::<fmri::Publisher>()?;
    }
    Ok(Pattern {
        text: text.into(),
        publisher: cut.publisher.map(Into::into),
        is_anchored: cut.is_anchored,
        name: cut.name.into(),
        version: match cut.version {
            None | Some("*") => VersionPattern::Any,
            Some("latest") => VersionPattern::Latest,
            Some(version) => VersionPattern::Parts(Box::new(parts(version)?)),
        },
    })
}

fn parts(text: &str) -> Result<VersionParts, VersionError> {
    let (component, build, branch, time) = version::cut(text)?;
    if let Some(build) = build {
        numbers(build)?;
    }
    let time = time.filter(|time| *time != "*");
    Ok(VersionParts {
        component: numbers(component)?,
        branch: branch.map(numbers).transpose()?,
        timestamp: time.map(str::parse).transpose()?,
        exact: text.parse().ok(),
    })
}

fn numbers(text: &str) -> Result<Vec<Option<u64>>, VersionError> {
    let bad = || version::DotSequenceError(text.to_owned());
    let read = |word: &str| match word {
        "*" => Ok(None),
        _ => version::number(word).map(Some).ok_or_else(bad),
    };
    Ok(text.split('.').map(read).collect::<Result<_, _>>()?)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
