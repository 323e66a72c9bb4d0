//! The signed index of a suite. Source: Debian repository format.

mod date;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::deb822::paragraphs;
use crate::keyring::CLOCK_SKEW;

pub(crate) use date::parse_date;

/// Size and hash of a file that must be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// Bytes.
    pub(crate) size: u64,
    /// SHA-256, lower-case hex.
    pub(crate) sha256: String,
}

/// What a verified Release file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) origin: String,
    pub(crate) suite: String,
    pub(crate) codename: String,
    pub(crate) not_automatic: bool,
    pub(crate) by_hash: bool,
    architectures: Vec<String>,
    components: Vec<String>,
    date: Option<i64>,
    valid_until: Option<i64>,
    files: HashMap<String, Want>,
}

/// Why a verified Release file is not the right one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It is for another suite.
    #[error("it is for suite `{suite}`, code name `{codename}`")]
    Suite {
        /// Its suite.
        suite: String,
        /// Its code name.
        codename: String,
    },
    /// It may be replayed by an attacker, or the mirror is dead.
    #[error(
        "it expired {days} days ago; choose another mirror, or set the clock of this host \
         if that is wrong"
    )]
    Expired {
        /// How long ago.
        days: i64,
    },
    /// Its date is in the future.
    #[error("it is dated {days} days into the future; set the clock of this host")]
    Future {
        /// How far.
        days: i64,
    },
    /// A needed field is missing or malformed.
    #[error("its field `{0}` is missing or malformed")]
    Field(&'static str),
    /// The suite is not built for the architecture.
    #[error("architecture `{arch}` is not in it; it has {have}")]
    Architecture {
        /// What was asked for.
        arch: String,
        /// What there is.
        have: String,
    },
    /// The suite has no such component.
    #[error("component `{component}` is not in it; it has {have}")]
    Component {
        /// What was asked for.
        component: String,
        /// What there is.
        have: String,
    },
}

impl Release {
    /// Reads the signed text.
    pub(crate) fn parse(text: &str) -> Result<Self, ReleaseError> {
        let paragraph = paragraphs(text)
            .next()
            .ok_or(ReleaseError::Field("Suite"))?;
        let mut release = Self::default();
        let words = |v: &str| v.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (name, value) in paragraph.fields() {
            match name {
                "Origin" => release.origin = value.to_owned(),
                "Suite" => release.suite = value.to_owned(),
                "Codename" => release.codename = value.to_owned(),
                "NotAutomatic" => release.not_automatic = value == "yes",
                "Acquire-By-Hash" => release.by_hash = value == "yes",
                "Architectures" => release.architectures = words(value),
                "Components" => release.components = words(value),
                "Date" => {
                    release.date = Some(parse_date(value).ok_or(ReleaseError::Field("Date"))?);
                }
                "Valid-Until" => {
                    let date = parse_date(value).ok_or(ReleaseError::Field("Valid-Until"))?;
                    release.valid_until = Some(date);
                }
                "SHA256" => release.files = parse_files(value)?,
                _ => {}
            }
        }
        if release.files.is_empty() {
            return Err(ReleaseError::Field("SHA256"));
        }
        Ok(release)
    }

    /// Checks that this is what was asked for, and fresh. `now` in seconds.
    pub(crate) fn check(&self, suite: &str, now: i64, expires: bool) -> Result<(), ReleaseError> {
        // Security suites were called `NAME/updates` once; then both fields are the first part.
        let asked = [suite, suite.strip_suffix("/updates").unwrap_or(suite)];
        if !asked.contains(&self.suite.as_str()) && !asked.contains(&self.codename.as_str()) {
            let (suite, codename) = (self.suite.clone(), self.codename.clone());
            return Err(ReleaseError::Suite { suite, codename });
        }
        let date = self.date.ok_or(ReleaseError::Field("Date"))?;
        if date > now + CLOCK_SKEW {
            return Err(ReleaseError::Future {
                days: (date - now) / 86_400 + 1,
            });
        }
        match self.valid_until {
            Some(until) if expires && until < now => Err(ReleaseError::Expired {
                days: (now - until) / 86_400 + 1,
            }),
            _ => Ok(()),
        }
    }

    /// The index file of a component, without its compression ending.
    pub(crate) fn packages(&self, component: &str, arch: &str) -> Result<String, ReleaseError> {
        if !self.architectures.iter().any(|a| a == arch) {
            let have = self.architectures.join(", ");
            return Err(ReleaseError::Architecture {
                arch: arch.to_owned(),
                have,
            });
        }
        // Security suites say `updates/main` here but name the folder `main`.
        let last = |c: &String| c.rsplit('/').next() == component.rsplit('/').next();
        if !self.components.iter().any(last) {
            let (component, have) = (component.to_owned(), self.components.join(", "));
            return Err(ReleaseError::Component { component, have });
        }
        Ok(format!("{component}/binary-{arch}/Packages"))
    }

    /// Size and hash of a file.
    pub(crate) fn file(&self, path: &str) -> Option<&Want> {
        self.files.get(path)
    }
}

fn parse_files(value: &str) -> Result<HashMap<String, Want>, ReleaseError> {
    let mut files = HashMap::new();
    for line in value.lines().filter(|l| !l.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (Some(hash), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(ReleaseError::Field("SHA256"));
        };
        let size = size.parse().map_err(|_| ReleaseError::Field("SHA256"))?;
        if !is_sha256(hash) {
            return Err(ReleaseError::Field("SHA256"));
        }
        files.insert(
            path.to_owned(),
            Want {
                size,
                sha256: hash.to_ascii_lowercase(),
            },
        );
    }
    Ok(files)
}

/// Whether this is a hash and so also harmless as a file name.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
