//! The contract of a storage driver.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;
use zones_archive::{ArchiveError, Candidates, CopyReport, Devices, Progress, copy_tree};
use zones_sys::RootFd;

use crate::environment::Environments;
use crate::overlay::{Overlay, stack::take_attributes, top_folder};
use crate::project;
use crate::snapshot::Snapshots;
use crate::usage::{self, Usage};
use crate::view::{self, View};
use crate::{btrfs::Btrfs, dir::Dir};

/// Which driver keeps a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// A plain folder; copies share blocks where the file system can.
    Dir,
    /// A btrfs subvolume.
    Btrfs,
    /// A plain folder that becomes layers under overlayfs when it is copied.
    Overlay,
}

impl DriverKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dir, Self::Btrfs, Self::Overlay];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// The name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Btrfs => "btrfs",
            Self::Overlay => "overlay",
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

    /// How the files of a root are put together. Whoever wants to see them asks for this: a path of
    /// a root is for drivers.
    ///
    /// # Errors
    /// What says so cannot be read.
    fn view(&self, root: &Path) -> Result<View, StorageError> {
        view::view(root)
    }

    /// Makes `to`, which must not exist, a copy of the root `from`: owners, modes, times, links,
    /// holes, access lists, capabilities and attributes of users are kept, sockets are not where
    /// files are copied one by one. `is_live` says that `from` is mounted by a zone that runs;
    /// whoever calls sees that nobody writes to it meanwhile.
    ///
    /// # Errors
    /// When `to` exists, `from` cannot be read, or there is no room; nothing is left of `to` then.
    fn copy(
        &self,
        from: &Path,
        to: &Path,
        _is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        copy_files(self, from, to, progress)
    }

    /// Makes `to`, which must not exist, a copy of the root `from` that stays as it is. It is a
    /// root to [`copy`](Self::copy) from and to [`destroy`](Self::destroy), never to write to.
    ///
    /// # Errors
    /// As those of `copy`.
    fn freeze(
        &self,
        from: &Path,
        to: &Path,
        is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.copy(from, to, is_live, progress)
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

    /// What a root takes on the disk. May look at every file.
    ///
    /// # Errors
    /// It cannot be read.
    fn usage(&self, root: &Path) -> Result<Usage, StorageError> {
        usage::walked(root).map_err(|source| self.error("measure", root, source))
    }

    /// What a zone takes on the disk: its root, boot environments and snapshots. `own` is what
    /// goes when the zone goes, `refers` is what its root shows.
    ///
    /// # Errors
    /// As those of [`usage`](Self::usage).
    fn usage_of_zone(&self, zonepath: &Path) -> Result<Usage, StorageError> {
        let root = zonepath.join("root");
        let mut all = self.usage(&root)?;
        for other in roots(zonepath).iter().filter(|it| **it != root) {
            let more = self.usage(other)?;
            all.own += more.own;
            all.is_exact &= more.is_exact;
        }
        Ok(all)
    }

    /// Limits what a zone may take on the disk, in bytes: its root, boot environments and
    /// snapshots together, without what it shares with other zones. `None`: no limit. Holds at
    /// once, also for a zone that runs, and for roots that are made later.
    ///
    /// # Errors
    /// The driver or the file system keeps no limits; [`why_no_limit`](crate::why_no_limit) says
    /// what is missing.
    fn set_limit(&self, zonepath: &Path, limit: Option<u64>) -> Result<(), StorageError> {
        let done = project::limit(zonepath, &project::assign, limit);
        done.map_err(|source| self.error("limit the space of", zonepath, source))
    }

    /// Keeps space free for a zone, in bytes, that nobody else gets. `None`: none.
    ///
    /// # Errors
    /// Most drivers cannot.
    fn set_reservation(&self, zonepath: &Path, bytes: Option<u64>) -> Result<(), StorageError> {
        match bytes {
            None => Ok(()),
            Some(_) => Err(self.error("reserve space for", zonepath, Errno::OPNOTSUPP)),
        }
    }

    /// Paths that may differ between two roots, when the driver knows without looking at all
    /// files; `None`: only a walk tells. What is not named is the same in both.
    ///
    /// # Errors
    /// One of them cannot be read.
    fn changes(&self, _from: &Path, _to: &Path) -> Result<Option<Candidates>, StorageError> {
        Ok(None)
    }

    /// Removes a root with all in it; one that is gone already is fine.
    ///
    /// # Errors
    /// The first thing that cannot be removed; call again to go on.
    fn destroy(&self, root: &Path) -> Result<(), StorageError>;
}

/// The zonepath of a root: `ZONEPATH/root`, `ZONEPATH/be/NAME`, `ZONEPATH/snap/NAME` or
/// `ZONEPATH/.import/NUMBER`.
pub(crate) fn zonepath_of(root: &Path) -> Option<&Path> {
    let parent = root.parent()?;
    let is_inner = ["be", "snap", ".import"]
        .iter()
        .any(|it| parent.ends_with(it));
    match is_inner {
        true => parent.parent(),
        false => Some(parent),
    }
}

/// All roots of a zone, the active one first.
pub(crate) fn roots(zonepath: &Path) -> Vec<PathBuf> {
    let mut all = vec![zonepath.join("root")];
    if let Ok(known) = Environments::open(zonepath) {
        all.extend(known.all().iter().map(|it| known.path(&it.name)));
    }
    if let Ok(known) = Snapshots::open(zonepath) {
        all.extend(known.all().iter().map(|it| known.path(&it.name)));
    }
    all.dedup();
    all
}

/// Has two folders change places; both keep the time of their last change. xfs takes the new
/// parent for a change of the folder.
pub(crate) fn swap(one: &Path, other: &Path) -> Result<(), Errno> {
    let modified = |path: &Path| {
        let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
        let (tv_sec, nanos) = (stat.st_mtime, stat.st_mtime_nsec);
        let tv_nsec = i64::try_from(nanos).unwrap_or(0);
        Ok::<_, Errno>(Timespec { tv_sec, tv_nsec })
    };
    let times = (modified(one)?, modified(other)?);
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
    for (path, last_modification) in [(other, times.0), (one, times.1)] {
        let last_access = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        };
        let times = Timestamps {
            last_access,
            last_modification,
        };
        // They have changed places, whatever it says.
        let _ = rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    }
    Ok(())
}

fn relocate(from: &Path, to: &Path, flags: RenameFlags) -> Result<(), Errno> {
    match flags {
        RenameFlags::EXCHANGE => swap(from, to)?,
        flags => rustix::fs::renameat_with(CWD, from, CWD, to, flags)?,
    }
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
    let view = driver.view(from)?;
    let source = match &view {
        // Needs no rights.
        View::Plain(_) => view.open(),
        View::Layers(_) => view.open_read_only(),
    };
    let source = source.map_err(|source| driver.error("open", from, source))?;
    driver.create(to)?;
    let copy = || -> Result<CopyReport, CopyError> {
        let open = |source| driver.error("open", to, source);
        let target = RootFd::open(to).map_err(open)?;
        let report = copy_tree(&source, &target, Devices::Keep, progress)?;
        let top = top_folder(&view).map_err(open)?;
        take_attributes(&top, to).map_err(open)?;
        Ok(report)
    };
    copy().map(Copied::Files).inspect_err(|_| {
        let _ = driver.destroy(to);
    })
}

/// A driver, and why it is the one.
#[derive(Debug)]
pub struct Choice {
    /// The driver.
    pub driver: Box<dyn Driver>,
    /// One sentence for a person.
    pub why: String,
}

impl DriverKind {
    /// The driver of this kind, wherever that works.
    #[must_use]
    pub fn driver(self) -> Box<dyn Driver> {
        match self {
            Self::Dir => Box::new(Dir),
            Self::Btrfs => Box::new(Btrfs),
            Self::Overlay => Box::new(Overlay::default()),
        }
    }
}

/// File systems that carry layers and can show their owners otherwise. Source: statfs(2); the
/// kernel's list in mount_setattr(2), `MOUNT_ATTR_IDMAP`.
pub(crate) const LAYERED: [(i64, &str); 3] =
    [(0xef53, "ext4"), (XFS_MAGIC, "xfs"), (0x0102_1994, "tmpfs")];
pub(crate) const XFS_MAGIC: i64 = 0x5846_5342;
const BTRFS_MAGIC: i64 = 0x9123_683e;

/// The driver for zones below `parent`, an existing folder: the one asked for, else what the file
/// system there can do best.
///
/// # Errors
/// When the folder cannot be asked, or the driver that was asked for cannot work there.
pub fn choose_as(parent: &Path, wish: Option<DriverKind>) -> Result<Choice, StorageError> {
    let failed = |source| StorageError {
        driver: wish.map_or("any", DriverKind::as_str),
        verb: "look at",
        path: parent.to_owned(),
        source,
    };
    let magic = rustix::fs::statfs(parent).map_err(failed)?.f_type;
    let layered = LAYERED.iter().find(|(it, _)| *it == magic);
    let is_btrfs = magic == BTRFS_MAGIC;
    let (kind, why) = match (wish, layered) {
        (Some(DriverKind::Btrfs), _) if !is_btrfs => return Err(failed(Errno::OPNOTSUPP)),
        (Some(DriverKind::Overlay), None) => return Err(failed(Errno::OPNOTSUPP)),
        (Some(kind), _) => (kind, "asked for".to_owned()),
        (None, _) if is_btrfs => (DriverKind::Btrfs, "btrfs takes snapshots itself".to_owned()),
        (None, Some((_, name))) if rustix::process::geteuid().is_root() => {
            let why = format!("{name} carries layers under overlayfs");
            (DriverKind::Overlay, why)
        }
        (None, Some(_)) => (DriverKind::Dir, "layers are for root alone".to_owned()),
        (None, None) => {
            let why = format!("file system {magic:#x} is not known to carry layers");
            (DriverKind::Dir, why)
        }
    };
    let driver = kind.driver();
    Ok(Choice { driver, why })
}
