//! What can go wrong with an import.

use rustix::io::Errno;
use zones_ips::action::ActionError;
use zones_repository::RepositoryError;

/// What most functions of this crate give.
pub type Result<T, E = ImportError> = std::result::Result<T, E>;

/// Why a root could not be split or compared.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something in the root cannot be read.
    #[error("cannot read `/{path}` of the root")]
    Read {
        /// The path below the root.
        path: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The root has no package database.
    #[error("`/{0}` is missing; import the root of an installed Debian system")]
    NoDatabase(&'static str),
    /// Packages are half installed.
    #[error("package `{0}` is {1}; finish its configuration (dpkg --configure -a), then import")]
    HalfInstalled(String, String),
    /// A file belongs to somebody without a name.
    #[error("`/{path}` belongs to {what} {id}, who has no name in /etc/{table}; name or chown it")]
    Nameless {
        /// The path below the root.
        path: String,
        /// `user` or `group`.
        what: &'static str,
        /// The number.
        id: u32,
        /// `passwd` or `group`.
        table: &'static str,
    },
    /// A name or an attribute that no manifest can hold.
    #[error("`{what}` cannot be said in a manifest")]
    Unsayable {
        /// The package or path.
        what: String,
        /// Why.
        #[source]
        source: Box<ActionError>,
    },
    /// The name of a package that is none for pkg(7).
    #[error("`{0}` is no name of a package")]
    Name(String),
    /// One publisher has one version of a package, whatever the machine.
    #[error(
        "publisher `{publisher}` has packages for {known}, and this root is for {found}; import \
         it under another publisher (-p)"
    )]
    OtherArchitecture {
        /// The publisher.
        publisher: String,
        /// What it has.
        known: String,
        /// What was found.
        found: String,
    },
    /// The repository refuses.
    #[error("cannot publish {0}")]
    Publish(String, #[source] Box<RepositoryError>),
}
