//! The contract of a storage driver.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

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

/// Where the files of zones live. All paths are those of zone roots, in folders of the host's root.
pub trait Driver: std::fmt::Debug {
    /// Which one this is.
    fn kind(&self) -> DriverKind;

    /// Makes an empty root, mode 0755; its parent exists.
    ///
    /// # Errors
    /// When it exists or the file system refuses; nothing is left then.
    fn create(&self, root: &Path) -> Result<(), StorageError>;

    /// Removes a root with all in it; one that is gone already is fine.
    ///
    /// # Errors
    /// The first thing that cannot be removed; call again to go on.
    fn destroy(&self, root: &Path) -> Result<(), StorageError>;
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
