//! What can be wrong with a stream.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_archive::ArchiveError;
use zones_storage::{CopyError, EnvironmentError, SnapshotError, StorageError};
use zones_store::StoreError;

/// Why a stream is not written, or not taken.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The first bytes are others.
    #[error("this is no stream of a zone; make one with: zoneadm -z ZONE export")]
    NoStream,
    /// Written by a later version of this program.
    #[error("the stream has format {0}, this program reads format 1; use the newer program here")]
    Newer(u32),
    /// It ends before its end.
    #[error("the stream is cut short after {frames} whole frames")]
    Cut {
        /// Frames that were verified.
        frames: u64,
    },
    /// Bytes are not those that were sent.
    #[error("the stream is damaged in frame {frame}; send it again")]
    Damaged {
        /// Counted from 1.
        frame: u64,
    },
    /// It is whole, and says what no export says.
    #[error("the stream asks for `{}`: {why}; do not trust it", path.display())]
    Hostile {
        /// Below the root.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Records or a header that nobody writes.
    #[error("the stream is not well-formed: {0}; do not trust it")]
    Malformed(String),
    /// More than anybody wants.
    #[error("the stream unpacks to more than {limit} {what}; do not trust it")]
    TooBig {
        /// The limit.
        limit: u64,
        /// `bytes` or `records`.
        what: &'static str,
    },
    /// It goes on from a snapshot that is not here.
    #[error(
        "the stream goes on from snapshot '{name}' ({uuid}), which this zone does not have; send \
         one that goes on from a snapshot that both have, or a whole one to a new zone"
    )]
    NoBase {
        /// As the sender calls it.
        name: String,
        /// Its name for ever.
        uuid: String,
    },
    /// A whole zone for a zone that is there, or the difference to a zone that is not.
    #[error("{0}")]
    Unfit(String),
    /// What was sent before has changed.
    #[error(
        "what the first {frames} frames held has changed since; send the whole stream again, \
         best of a snapshot: export -s"
    )]
    Changed {
        /// Frames that the receiver has.
        frames: u64,
    },
    /// There is nothing to go on with.
    #[error(
        "the stream goes on after frame {theirs}, {ours} are kept here; ask for the token with: \
         import -t"
    )]
    NoResume {
        /// Frames that the sender left out.
        theirs: u64,
        /// Frames that are kept.
        ours: u64,
    },
    /// A word that is no token.
    #[error("'{0}' is no token; the receiver prints one with: import -t")]
    Token(String),
    /// One file that no frame can hold.
    #[error("`{}` has more attributes than a stream can carry", .0.display())]
    TooMuch(PathBuf),
    /// It cannot be read.
    #[error("cannot read the stream")]
    Input(#[source] io::Error),
    /// It cannot be written.
    #[error("cannot write the stream")]
    Output(#[source] io::Error),
    /// A file of the zone cannot be read, or trees cannot be compared.
    #[error(transparent)]
    File(#[from] ArchiveError),
    /// The file system is full.
    #[error("no space left while writing `{}`; make room (or raise the quota), then try again",
        .0.display())]
    Full(PathBuf),
    /// A file cannot be laid down.
    #[error("cannot {act} `{}`", path.display())]
    Lay {
        /// What was tried, as a verb.
        act: &'static str,
        /// Below the root.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A folder of the zone.
    #[error("cannot {act} `{}`", path.display())]
    Folder {
        /// What was tried, as a verb.
        act: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The storage driver.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A copy of a base.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The boot environments.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A record of what is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user stopped it.
    #[error("stopped")]
    Cancelled,
}

impl StreamError {
    /// Whether sending the rest again helps.
    #[must_use]
    pub const fn is_resumable(&self) -> bool {
        matches!(
            self,
            Self::Cut { .. }
                | Self::Damaged { .. }
                | Self::Input(_)
                | Self::Full(_)
                | Self::Cancelled
        )
    }

    pub(crate) fn lay(act: &'static str, path: &Path) -> impl FnOnce(Errno) -> Self {
        let path = path.to_owned();
        move |source| match source {
            Errno::NOSPC | Errno::DQUOT => Self::Full(path),
            source => Self::Lay { act, path, source },
        }
    }

    pub(crate) fn folder(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { act, path, source }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(Errno) -> Self {
        let path = path.to_owned();
        move |source| Self::File(ArchiveError::Read { path, source })
    }
}
