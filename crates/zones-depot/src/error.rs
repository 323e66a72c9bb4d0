//! Why a depot does not start, or stops.

use std::path::PathBuf;

/// Why a depot does not serve.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// A socket cannot be opened.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// Where.
        address: String,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// Something that every depot needs is missing.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    /// The sockets cannot be waited for.
    #[error("cannot serve: {0}")]
    Serve(std::io::Error),
    /// The repository cannot be served.
    #[error("{0}")]
    Repository(Box<zones_repository::RepositoryError>),
    /// A file with certificates, a key or tokens is of no use.
    #[error("cannot use `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The certificates and the key do not make a TLS server.
    #[error("cannot serve by TLS: {0}")]
    Tls(rustls::Error),
}

impl DepotError {
    pub(crate) fn file(path: impl Into<PathBuf>, why: impl std::fmt::Display) -> Self {
        Self::File {
            path: path.into(),
            why: why.to_string(),
        }
    }
}
