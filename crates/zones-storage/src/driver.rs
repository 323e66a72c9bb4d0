//! The contract of a storage driver.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
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

    /// Makes `to`, which must not exist, a copy of the root `from` that stays as it is. It is a root
    /// to [`copy`](Self::copy) from and to [`destroy`](Self::destroy), never to write to. Whoever
    /// calls sees that nobody writes to `from` meanwhile.
    ///
    /// # Errors
    /// As those of `copy`.
    fn freeze(&self, from: &Path, to: &Path, progress: &dyn Progress) -> Result<Copied, CopyError> {
        self.copy(from, to, progress)
    }

    /// Gives a root another place, in the same file system; nothing is there yet. Outlives a power
    /// loss.
    ///
    /// # Errors
    /// When there is something at `to`, or `from` is gone; nothing has changed then.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        relocate(from, to, RenameFlags::NOREPLACE)
            .map_err(|source| self.error("move", from, source))
    }

    /// Has two roots change places, in one step. Outlives a power loss.
    ///
    /// # Errors
    /// When one of them is missing; nothing has changed then.
    fn exchange(&self, one: &Path, other: &Path) -> Result<(), StorageError> {
        let done = relocate(one, other, RenameFlags::EXCHANGE);
        done.map_err(|source| self.error("exchange", one, source))
    }

    /// What a failed step is called.
    #[doc(hidden)]
    fn error(&self, verb: &'static str, path: &Path, source: Errno) -> StorageError {
        StorageError {
            driver: self.kind().as_str(),
            verb,
            path: path.to_owned(),
            source,
        }
    }

    /// Removes a root with all in it; one that is gone already is fine.
    ///
    /// # Errors
    /// The first thing that cannot be removed; call again to go on.
    fn destroy(&self, root: &Path) -> Result<(), StorageError>;
}

fn relocate(from: &Path, to: &Path, flags: RenameFlags) -> Result<(), Errno> {
    rustix::fs::renameat_with(CWD, from, CWD, to, flags)?;
    for path in [from, to] {
        let folder = path.parent().ok_or(Errno::INVAL)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::fsync(rustix::fs::openat(CWD, folder, flags, Mode::empty())?)?;
    }
    Ok(())
}

/// The copy that every file system can make: file by file, into a root of `driver`.
///
/// # Errors
/// As those of [`Driver::copy`].
pub fn copy_files<D: Driver + ?Sized>(
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
