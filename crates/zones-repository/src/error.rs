//! What can go wrong with a repository.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_ips::action::ActionError;
use zones_ips::manifest::ManifestError;
use zones_ips::{Digest, Fmri};

use crate::payload::PayloadError;

/// What most functions of this crate give.
pub type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// Why a repository did not do what was asked. Nothing is changed then, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The folder is no repository.
    #[error("`{}` is no package repository; make one with: pkgrepo create {}", path.display(),
        path.display())]
    NotRepository {
        /// The folder.
        path: PathBuf,
    },
    /// A repository cannot be made here.
    #[error("`{}` is not empty; name a new or empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A version that is not known, or one that can only be read.
    #[error("the repository `{}` has version {version}; {remedy}", path.display())]
    Version {
        /// The folder.
        path: PathBuf,
        /// What it says.
        version: String,
        /// What can be done.
        remedy: &'static str,
    },
    /// A line of the configuration means nothing.
    #[error("`{}`, line {line}: {why}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The property or its value is not known.
    #[error("{0}")]
    Property(String),
    /// The repository has no such publisher.
    #[error("Unknown publisher: {0}")]
    UnknownPublisher(String),
    /// The publisher is there already.
    #[error("the repository has publisher `{0}` already")]
    PublisherExists(String),
    /// No publisher was named and none is the default.
    #[error(
        "No publisher was specified or no default publisher has been configured for the repository."
    )]
    NoPublisher,
    /// The text names no package as it must be named here.
    #[error("Illegal FMRI '{fmri}': {why}")]
    Name {
        /// What was given.
        fmri: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such package.
    #[error("the repository has no package {0}")]
    NoPackage(Fmri),
    /// There is no such payload.
    #[error("No file could be found for the specified hash name: '{0}'.")]
    NoPayload(Digest),
    /// A manifest of the repository cannot be used.
    #[error("the manifest of {fmri} cannot be used: {why}")]
    BadManifest {
        /// Whose manifest.
        fmri: Fmri,
        /// What is wrong with it.
        why: String,
    },
    /// A manifest given for publication is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An action given for publication is none.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A payload is not what it should be.
    #[error("{what}: {source}")]
    Payload {
        /// Whose payload.
        what: String,
        /// What is wrong with it.
        #[source]
        source: PayloadError,
    },
    /// A file of the catalog cannot be used.
    #[error("the catalog file `{name}` of `{location}` cannot be used: {why}")]
    Catalog {
        /// Where.
        location: String,
        /// The file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// No transaction has this name.
    #[error("No Transaction matching ID '{0}' could be found.")]
    UnknownTransaction(String),
    /// The package is there already, or being published.
    #[error("The specified FMRI, '{0}', already exists or has been restricted.")]
    Exists(Fmri),
    /// Only signatures can be added to what is published.
    #[error("Only a signature can be appended to an existing package")]
    OnlySignatures,
    /// A package that cannot be published as it is.
    #[error("{0}")]
    Refused(String),
    /// More bytes than anything of this kind has.
    #[error("`{}` has more than {limit} bytes", path.display())]
    Large {
        /// The file.
        path: PathBuf,
        /// What is allowed.
        limit: u64,
    },
    /// A query of the search has no right form.
    #[error("{0}")]
    Query(String),
    /// Something else has the name of a file: a folder, link, pipe or device.
    #[error("`{}` is no regular file; remove it", path.display())]
    NoFile {
        /// What has the name.
        path: PathBuf,
    },
    /// An archive, a source or a server answers with nonsense.
    #[error("`{location}`: {why}")]
    Source {
        /// Where.
        location: String,
        /// What is wrong.
        why: String,
    },
    /// A system call failed.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// Verb: `read`, `lock` ...
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RepositoryError {
    /// Wraps an error of the system, for `map_err`.
    pub(crate) fn io<E: Into<IoCause>>(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_owned();
        move |source| Self::Io {
            what,
            path,
            source: source.into().0,
        }
    }

    /// Whether what was asked for is not there (404 of a depot), not wrong.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::NoPackage(_)
                | Self::NoPayload(_)
                | Self::NoPublisher
                | Self::UnknownTransaction(_)
        )
    }

    /// Whether the repository or the system failed (500 of a depot), not the asker.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Io { .. } | Self::BadManifest { .. } | Self::Catalog { .. } | Self::Large { .. }
        )
    }
}

/// An error number or a richer error of input and output.
#[derive(Debug)]
pub struct IoCause(io::Error);

impl From<Errno> for IoCause {
    fn from(errno: Errno) -> Self {
        Self(errno.into())
    }
}

impl From<io::Error> for IoCause {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}
