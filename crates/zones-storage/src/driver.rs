//! The contract of a storage driver.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_archive::{ArchiveError, CopyReport, Devices, Progress, copy_tree};
use zones_sys::RootFd;

use crate::{btrfs::Btrfs, dir::Dir};

/// Which driver keeps a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// A plain folder; copies share blocks where the file system can.
    Dir,
    /// A btrfs subvolume.
    Btrfs,
}

impl DriverKind {
    /// The name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Btrfs => "btrfs",
        }
    }
}

/// Why a storage step failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{}` with the {driver} driver", path.display())]
#[allow(missing_docs)]
pub struct StorageError {
    pub driver: &'static str,
    pub verb: &'static str,
    pub path: PathBuf,
    pub source: Errno,
}

/// How a copy of a root came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// At once, sharing everything.
    Snapshot,
    /// File by file; blocks are shared where the file system can.
    Files(CopyReport),
}

/// Why a root was not copied; nothing of the copy is left.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The driver.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file of the root.
    #[error(transparent)]
    File(#[from] ArchiveError),
}

/// Where the files of zones live. All paths are those of zone roots, in folders of the host's root.
pub trait Driver: std::fmt::Debug {
    /// Which one this is.
    fn kind(&self) -> DriverKind;

    /// Makes an empty root, mode 0755; its parent exists.
    ///
    /// # Errors
    /// When it exists or the file system refuses; nothing is left then.
    fn create(&self, root: &Path) -> Result<(), StorageError>;

    /// Makes `to`, which must not exist, a copy of the root `from`: owners, modes, times, links,
    /// holes, access lists, capabilities and attributes of users are kept, sockets are not.
    ///
    /// # Errors
    /// When `to` exists, `from` cannot be read, or there is no room; nothing is left of `to` then.
    fn copy(&self, from: &Path, to: &Path, progress: &dyn Progress) -> Result<Copied, CopyError> {
        copy_files(self, from, to, progress)
    }

    /// Removes a root with all in it; one that is gone already is fine.
    ///
    /// # Errors
    /// The first thing that cannot be removed; call again to go on.
    fn destroy(&self, root: &Path) -> Result<(), StorageError>;
}

/// The copy that every file system can make.
pub(crate) fn copy_files<D: Driver + ?Sized>(
    driver: &D,
    from: &Path,
    to: &Path,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let open = |path: &Path| {
        RootFd::open(path).map_err(|source| StorageError {
            driver: driver.kind().as_str(),
            verb: "open",
            path: path.to_owned(),
            source,
        })
    };
    let source = open(from)?;
    driver.create(to)?;
    let copy = || -> Result<CopyReport, CopyError> {
        Ok(copy_tree(&source, &open(to)?, Devices::Keep, progress)?)
    };
    copy().map(Copied::Files).inspect_err(|_| {
        let _ = driver.destroy(to);
    })
}

/// The driver for zones below `parent`, an existing folder.
///
/// # Errors
/// When the folder cannot be asked.
pub fn choose(parent: &Path) -> Result<Box<dyn Driver>, StorageError> {
    const BTRFS_MAGIC: i64 = 0x9123_683e;
    let kind = rustix::fs::statfs(parent).map_err(|source| StorageError {
        driver: "any",
        verb: "look at",
        path: parent.to_owned(),
        source,
    })?;
    Ok(if kind.f_type == BTRFS_MAGIC {
        Box::new(Btrfs)
    } else {
        Box::new(Dir)
    })
}
