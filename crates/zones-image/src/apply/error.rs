//! Why a plan could not be carried out.

use std::io;

use zones_ips::hash::Mismatch;
use zones_ips::{ActionError, Fmri, ImagePath};

/// Why a plan could not be carried out. What was done before stays, and doing the operation again
/// goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A folder on the way to a path is a link.
    #[error(
        "Cannot install '{path}'; parent directory {parent} is a link to {target}.  To continue, \
         move the directory to its original location and try again."
    )]
    Link {
        /// What was to be laid down.
        path: ImagePath,
        /// The folder that is a link.
        parent: ImagePath,
        /// Where it leads.
        target: String,
    },
    /// A folder on the way to a path is something else.
    #[error(
        "Cannot install '{path}'; a parent directory is no directory.  To continue, move what is \
         in its place away and try again."
    )]
    Parent {
        /// What was to be laid down.
        path: ImagePath,
    },
    /// A system call failed.
    #[error("cannot {what} '{path}'")]
    Io {
        /// Verb: `write`, `rename` ...
        what: &'static str,
        /// Where.
        path: ImagePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The payload cannot be had.
    #[error("cannot read the content of '{path}' of {fmri}; fetch it again")]
    Content {
        /// The file.
        path: String,
        /// The package.
        fmri: Box<Fmri>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The payload is not what the manifest promises.
    #[error("the content of '{path}' of {fmri} is damaged; fetch it again: {mismatch}")]
    Digest {
        /// The file.
        path: String,
        /// The package.
        fmri: Box<Fmri>,
        /// What came and what should have.
        mismatch: Mismatch,
    },
    /// The payload is longer or shorter than the manifest promises.
    #[error(
        "the content of '{path}' of {fmri} is damaged; fetch it again: Size: {found} bytes should \
         be {expected}"
    )]
    Size {
        /// The file.
        path: String,
        /// The package.
        fmri: Box<Fmri>,
        /// Bytes that came, as far as they were read.
        found: u64,
        /// Bytes that should have come.
        expected: u64,
    },
    /// An owner or group that the image does not know.
    #[error(
        "{path}: {what}: {name} is unknown; the image needs a package with this {kind}, or a line \
         in etc/{file}"
    )]
    Unknown {
        /// What was to be laid down.
        path: ImagePath,
        /// `owner` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// `user` or `group`.
        kind: &'static str,
        /// `passwd` or `group`.
        file: &'static str,
    },
    /// An action cannot be understood.
    #[error("the package {fmri} has an action that cannot be installed: {source}")]
    Action {
        /// The package.
        fmri: Box<Fmri>,
        /// What is wrong.
        source: ActionError,
    },
    /// A hard link leads out of the image or nowhere.
    #[error("Target '{target}' does not exist: hardlink {path}")]
    Target {
        /// The link.
        path: ImagePath,
        /// Where it should lead.
        target: String,
    },
}
