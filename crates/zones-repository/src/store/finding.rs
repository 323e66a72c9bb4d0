//! What can be wrong with a repository.

use std::fmt;
use std::path::PathBuf;

use zones_ips::{Digest, Fmri};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose; None for what belongs to no package.
    pub package: Option<Fmri>,
    /// What it is.
    pub kind: FindingKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The manifest cannot be read or is another than its name says.
    Manifest(String),
    /// The catalog names another manifest.
    ManifestDigest {
        /// What the manifest has.
        found: Digest,
        /// What the catalog says.
        expected: Digest,
    },
    /// A payload is not there.
    Missing {
        /// Its name.
        name: Digest,
        /// The path or name of what needs it.
        used_by: String,
    },
    /// A payload is not what the manifest says.
    Payload {
        /// Its name.
        name: Digest,
        /// The path or name of what needs it.
        used_by: String,
        /// What is wrong.
        why: String,
    },
    /// A signature does not hold.
    Signature(String),
    /// A manifest is not listed.
    Unlisted,
    /// The catalog lists what has no manifest.
    Phantom,
    /// The catalog cannot be read.
    Catalog(String),
    /// A payload that no package needs: no error.
    Orphan(Digest),
    /// A file or folder cannot be read by everybody, so a depot may not see it.
    Mode {
        /// Below the repository.
        path: PathBuf,
        /// What it has.
        found: u32,
        /// What it should have at least.
        expected: u32,
    },
}

impl Finding {
    pub(super) fn of(package: &Fmri, kind: FindingKind) -> Self {
        Self {
            package: Some(package.clone()),
            kind,
        }
    }

    /// Whether something is wrong; an orphan only wastes room.
    #[must_use]
    pub fn is_error(&self) -> bool {
        !matches!(self.kind, FindingKind::Orphan(_))
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(why) => write!(f, "corrupt manifest: {why}"),
            Self::ManifestDigest { found, expected } => {
                write!(f, "manifest hash: {found} should be {expected}")
            }
            Self::Missing { name, used_by } => write!(f, "missing file: {name} ({used_by})"),
            Self::Payload { name, used_by, why } => {
                write!(f, "corrupt file: {name} ({used_by}): {why}")
            }
            Self::Signature(why) => write!(f, "signature: {why}"),
            Self::Unlisted => f.write_str("not in the catalog; run: pkgrepo refresh"),
            Self::Phantom => f.write_str("in the catalog, but has no manifest"),
            Self::Catalog(why) => f.write_str(why),
            Self::Orphan(name) => write!(f, "no package needs file {name}"),
            Self::Mode {
                path,
                found,
                expected,
            } => {
                let path = path.display();
                write!(
                    f,
                    "`{path}`: mode {found:04o} should be at least {expected:04o}"
                )
            }
        }
    }
}
