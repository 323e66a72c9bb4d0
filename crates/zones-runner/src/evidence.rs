//! What is seen of a zone from outside: its files and what runs in it, as an [`Inventory`].
//!
//! The zone belongs to a stranger. Files are walked by descriptor and read up to a limit; what is
//! read of running processes is text that may hold anything. Nothing of the zone is executed.
//!
//! [`tree`] makes a [`Scene`]: the inventory, and beside it what a later look needs to know which
//! files are still the same. [`alive`] adds what runs. [`Scene::save`] and [`Scene::load`] keep it.

mod alive;
mod cron;
mod dpkg;
mod elf;
mod file;
mod ips;
mod libraries;
mod meaning;
mod passwd;
mod services;
mod shelf;
mod sight;
mod timing;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use zones_archive::Candidates;
use zones_matrix::leftovers::{Inventory, Path, shown};
use zones_sys::RootFd;

pub use alive::{Living, alive};
pub(crate) use sight::STARTS;
pub use sight::{Place, Sight};
pub use timing::{Offset, Sampler, Stalls, server_offset};

/// An inventory, and what later looks at the same tree need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// What there is.
    pub inventory: Inventory,
    /// How each file was known to be the same.
    pub(crate) stamps: BTreeMap<Path, Stamp>,
    /// What was passed over, for people.
    pub notes: Vec<String>,
}

/// What tells that a file was not touched. Source: inode(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// Inode number.
    pub(crate) inode: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Last change of the file, nanoseconds since 1970.
    pub(crate) changed: i64,
}

/// How owners on disk are those in the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owners {
    /// They are the same: the files are mapped when they are mounted.
    #[default]
    Same,
    /// They begin at this number, and there are 65,536 of them.
    From(u32),
}

impl Owners {
    /// As the owner of the root folder itself says, which is the zone's root: a number that no
    /// zone sees is the first of its range.
    #[must_use]
    pub fn of(root: &RootFd) -> Self {
        match root.lstat(std::path::Path::new("/")) {
            Ok(stat) if stat.st_uid >= 65_536 => Self::From(stat.st_uid),
            _ => Self::Same,
        }
    }

    fn inside(self, id: u32) -> u32 {
        match self {
            Self::From(base) if (base..base.saturating_add(65_536)).contains(&id) => id - base,
            _ => id,
        }
    }
}

/// How a tree is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'a> {
    /// How owners are shown.
    pub owners: Owners,
    /// The same tree earlier: what was not touched since is not read again.
    pub before: Option<&'a Scene>,
    /// Paths outside of which nothing changed since `before`, as a storage driver knows them; a
    /// folder that came or went stands for all below it. Nothing: all is looked at.
    pub only: Option<&'a Candidates>,
}

/// Why a tree could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Its root cannot be opened.
    #[error(transparent)]
    Root(#[from] zones_storage::StorageError),
    /// A file or folder cannot be read.
    #[error("cannot look at `{}` in the zone: {source}", shown(path))]
    Read {
        /// Its path in the zone.
        path: Path,
        /// Why.
        source: Errno,
    },
    /// The process is none of a zone, or has ended.
    #[error("cannot look into the zone of process {pid}: {source}; does it still run?")]
    Process {
        /// Process 1 of the zone, as the host counts.
        pid: i32,
        /// Why.
        source: Errno,
    },
    /// A saved scene is damaged.
    #[error("a saved inventory cannot be read: {0}; look at the zone again")]
    Saved(String),
}

/// Looks at all files below a root, and reads what they mean.
///
/// # Errors
/// A folder cannot be read. Single files that cannot be are noted.
pub fn tree(root: &RootFd, look: &Look<'_>) -> Result<Scene, EvidenceError> {
    let (mut scene, touched) = walk::walk(root, look)?;
    meaning::read(root, look.before, &touched, &mut scene);
    Ok(scene)
}

/// Looks at a tree twice, once by what a storage driver says may have changed and once as a whole.
///
/// # Errors
/// As those of [`tree`]. The second value holds the paths on which the looks differ: the driver
/// forgot them.
pub fn tree_verified(
    root: &RootFd,
    look: &Look<'_>,
) -> Result<(Scene, BTreeSet<Path>), EvidenceError> {
    let quick = tree(root, look)?;
    let whole = tree(
        root,
        &Look {
            only: None,
            ..*look
        },
    )?;
    let (a, b) = (&quick.inventory.files, &whole.inventory.files);
    let differing = a
        .keys()
        .chain(b.keys())
        .filter(|path| a.get(*path) != b.get(*path));
    let differing = differing.cloned().collect();
    Ok((whole, differing))
}
