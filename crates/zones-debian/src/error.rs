//! What can go wrong on the way to a Debian root.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use zones_archive::LayError;

use crate::fetch::FetchError;
use crate::keyring::SignatureError;
use crate::release::ReleaseError;
use crate::resolve::ResolveError;

/// Why a Debian root cannot be planned or installed.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// Nothing to install from.
    #[error(
        "no Debian main archive among the apt sources of this host; name one (and its suite) \
         with `-a URI --suite NAME`"
    )]
    NoSource,
    /// A mirror was named without a suite, and the host has none to take over.
    #[error("no suite is known for `{uri}`; name one with `--suite`")]
    NoSuite {
        /// The mirror.
        uri: String,
    },
    /// Fetching fails.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A keyring cannot be read.
    #[error("cannot read keyring `{}`", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A keyring without a key, so nothing could be verified.
    #[error("no OpenPGP key in {names}; install the archive's keyring or name one")]
    NoKeys {
        /// The files.
        names: String,
    },
    /// The index is not signed by who should.
    #[error("`{uri}` is not trusted")]
    Signature {
        /// The index.
        uri: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The index is properly signed but not the right one.
    #[error("`{uri}` cannot be used")]
    Release {
        /// The index.
        uri: String,
        /// Why.
        #[source]
        source: ReleaseError,
    },
    /// A package index is listed but broken.
    #[error("package index `{uri}` cannot be used: {why}")]
    Index {
        /// The index.
        uri: String,
        /// Why.
        why: String,
    },
    /// No set of packages does it.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A package file with the right hash that is no good package.
    #[error("package `{package}` is damaged or hostile: {why}; tell its maintainers")]
    BadPackage {
        /// The package.
        package: String,
        /// What is wrong.
        why: String,
    },
    /// Two packages bring the same file.
    #[error("packages `{first}` and `{second}` both bring `{}`; leave one out", path.display())]
    FileConflict {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// The file.
        path: PathBuf,
    },
    /// The root refuses a file.
    #[error("cannot unpack package `{package}`")]
    Lay {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: LayError,
    },
    /// The root refuses one of our own files.
    #[error("cannot write `{}` in the new root", path.display())]
    Root {
        /// Below the root.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The cache refuses.
    #[error("cannot use the package cache `{}`", path.display())]
    Cache {
        /// A file of it.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The user stopped it.
    #[error("stopped")]
    Cancelled,
}
