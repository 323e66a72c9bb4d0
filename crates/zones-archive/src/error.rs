//! What can be wrong with an archive.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::layer::LayError;

/// Why an archive or a folder cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The source cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Reading or decompressing fails, so it is cut short or damaged.
    #[error("`{archive}` is damaged or cut short after member `{after}`; fetch it again")]
    Damaged {
        /// The archive.
        archive: String,
        /// The last good member.
        after: String,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// It has no member at all, or is no tar archive.
    #[error(
        "`{archive}` is no tar archive ({compression}); give a tar file, plain or compressed with \
         gzip, xz, zstd or bzip2"
    )]
    NoTar {
        /// The archive.
        archive: String,
        /// What its first bytes look like.
        compression: &'static str,
    },
    /// A name leads out of the root.
    #[error("`{archive}` has a member `{member}` that leads out of the root; do not trust it")]
    Escape {
        /// The archive.
        archive: String,
        /// The name as it stands there.
        member: String,
    },
    /// A device node where none is allowed.
    #[error("`{archive}` has a device node `{member}`, which may not be installed")]
    Device {
        /// The archive.
        archive: String,
        /// The name as it stands there.
        member: String,
    },
    /// A kind of member nobody installs.
    #[error("`{archive}` has a member `{member}` of a kind that is not supported: {kind}")]
    Kind {
        /// The archive.
        archive: String,
        /// The name as it stands there.
        member: String,
        /// What it is.
        kind: String,
    },
    /// More than the caller allows.
    #[error("`{archive}` unpacks to more than {limit} {what}; raise the limit if that is right")]
    TooBig {
        /// The archive.
        archive: String,
        /// The limit.
        limit: u64,
        /// `bytes` or `members`.
        what: &'static str,
    },
    /// The target refuses.
    #[error(transparent)]
    Lay(#[from] LayError),
    /// The source folder refuses.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Below the source folder.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The user stopped it.
    #[error("stopped")]
    Cancelled,
}
