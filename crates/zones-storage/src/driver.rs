//! The contract of a storage driver.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;
use zones_archive::{ArchiveError, Candidates, CopyReport, Devices, Progress, copy_tree};
use zones_store::durability;
use zones_sys::RootFd;

use crate::choice::choose;
use crate::environment::Environments;
use crate::overlay::{Overlay, stack::take_attributes};
use crate::project;
use crate::snapshot::Snapshots;
use crate::usage::{self, Usage};
use crate::view::{self, View};
use crate::zfs::{self, Zfs, ZfsError};
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
    /// A ZFS dataset.
    Zfs,
}

impl DriverKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dir, Self::Btrfs, Self::Overlay, Self::Zfs];

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
            Self::Zfs => "zfs",
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
    pub source: Cause,
}

/// What was in the way of a storage step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] Errno),
    /// ZFS.
    #[error(transparent)]
    Zfs(Box<ZfsError>),
}

impl From<ZfsError> for Cause {
    fn from(error: ZfsError) -> Self {
        Self::Zfs(Box::new(error))
    }
}

impl Cause {
    /// The number of the kernel's error; input and output for whatever has none.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Kernel(errno) => *errno,
            Self::Zfs(_) => Errno::IO,
        }
    }
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

    /// Makes the folder of a zone, mode 0700; the one above it exists, it does not.
    ///
    /// # Errors
    /// The file system refuses; nothing is left then.
    fn make_home(&self, zonepath: &Path) -> Result<(), StorageError> {
        let made = rustix::fs::mkdir(zonepath, Mode::from_raw_mode(0o700));
        made.map_err(|source| self.error("make", zonepath, source))
    }

    /// Gives the folder of a zone with all in it another place, where nothing is, or an empty
    /// folder; `false` when it must be copied. Outlives a power loss.
    ///
    /// # Errors
    /// The file system refuses; nothing has changed then.
    fn move_home(&self, from: &Path, to: &Path) -> Result<bool, StorageError> {
        rename_home(from, to).map_err(|source| self.error("move", from, source))
    }

    /// Has the folder of a zone be where it should be, should the host have left it out.
    ///
    /// # Errors
    /// It cannot be mounted.
    fn find_home(&self, _zonepath: &Path) -> Result<(), StorageError> {
        Ok(())
    }

    /// Removes the folder of a zone, which is empty.
    ///
    /// # Errors
    /// It is not, or something that is not of zones depends on it.
    fn remove_home(&self, zonepath: &Path) -> Result<(), StorageError> {
        let removed = rustix::fs::rmdir(zonepath);
        removed.map_err(|source| self.error("remove", zonepath, source))
    }

    /// What a failed step is called.
    #[doc(hidden)]
    fn error(&self, verb: &'static str, path: &Path, source: Errno) -> StorageError {
        StorageError {
            driver: self.kind().as_str(),
            verb,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// What a root takes on the disk. May look at every file.
    ///
    /// # Errors
    /// It cannot be read.
    fn usage(&self, root: &Path) -> Result<Usage, StorageError> {
        usage::walked(root).map_err(|source| self.error("measure", root, source))
    }

    /// Takes away what the kernel keeps for the limit of a zone whose roots are about to go.
    ///
    /// # Errors
    /// The file system refuses; the roots may go all the same.
    fn release(&self, _zonepath: &Path) -> Result<(), StorageError> {
        Ok(())
    }

    /// What would be free if a root went, in bytes; `None` where that is not known, or only after a
    /// look at every file that it shares.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn own(&self, root: &Path) -> Result<Option<u64>, StorageError> {
        let usage = self.usage(root)?;
        Ok(usage.is_exact.then_some(usage.own))
    }

    /// What a zone takes on the disk: its root, boot environments and snapshots. `own` is what
    /// goes when the zone goes, `refers` is what its root shows.
    ///
    /// # Errors
    /// As those of [`usage`](Self::usage).
    fn usage_of_zone(&self, zonepath: &Path) -> Result<Usage, StorageError> {
        usage::of_roots(self, zonepath)
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

/// By one rename, where that is possible.
pub(crate) fn rename_home(from: &Path, to: &Path) -> Result<bool, Errno> {
    match relocate(from, to, RenameFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::XDEV) => Ok(false),
        Err(error) => Err(error),
    }
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
    let synced = durability::sync_rename(from, to);
    synced.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
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
        View::Layers(_) | View::Dataset(_) => view.open_read_only(),
    };
    let source = source.map_err(|source| driver.error("open", from, source))?;
    driver.create(to)?;
    let copy = || -> Result<CopyReport, CopyError> {
        let open = |source| driver.error("open", to, source);
        let target = driver.view(to)?.open().map_err(open)?;
        let report = copy_tree(&source, &target, Devices::Keep, progress)?;
        take_attributes(&by_number(&source), &by_number(&target)).map_err(open)?;
        Ok(report)
    };
    copy().map(Copied::Files).inspect_err(|_| {
        let _ = driver.destroy(to);
    })
}

/// A path for what takes no descriptors.
fn by_number(root: &RootFd) -> PathBuf {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    format!("/proc/self/fd/{}/.", root.as_fd().as_raw_fd()).into()
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
            Self::Zfs => Box::new(Zfs),
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
    let failed = |source: Errno| StorageError {
        driver: wish.map_or("any", DriverKind::as_str),
        verb: "look at",
        path: parent.to_owned(),
        source: source.into(),
    };
    let magic = rustix::fs::statfs(parent).map_err(failed)?.f_type;
    let layered = LAYERED.iter().find(|(it, _)| *it == magic);
    let is_btrfs = magic == BTRFS_MAGIC;
    let is_zfs = magic == zfs::MAGIC;
    let is_root = rustix::process::geteuid().is_root();
    let (kind, why) = match (wish, layered) {
        (Some(DriverKind::Btrfs), _) if !is_btrfs => return Err(failed(Errno::OPNOTSUPP)),
        (Some(DriverKind::Overlay), None) => return Err(failed(Errno::OPNOTSUPP)),
        (Some(DriverKind::Zfs), _) if !is_zfs => return Err(failed(Errno::OPNOTSUPP)),
        (Some(kind), _) => (kind, "asked for".to_owned()),
        (None, _) if is_zfs && is_root && zfs::is_here() => {
            let why = "ZFS takes snapshots and makes clones itself".to_owned();
            (DriverKind::Zfs, why)
        }
        (None, _) if is_zfs => {
            let why = "this is ZFS, but the command zfs is missing".to_owned();
            (DriverKind::Dir, why)
        }
        (None, _) if is_btrfs => (DriverKind::Btrfs, "btrfs takes snapshots itself".to_owned()),
        (None, Some((_, name))) if is_root => {
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

/// The driver for a zonepath that may not be there yet.
fn choose_above(zonepath: &Path) -> Result<Box<dyn Driver>, StorageError> {
    choose(zonepath.parent().unwrap_or(zonepath))
}

/// See [`Driver::make_home`]; a folder that is there stays as it is.
///
/// # Errors
/// As those of `make_home`.
pub fn make_home(zonepath: &Path) -> Result<(), StorageError> {
    match std::fs::symlink_metadata(zonepath) {
        Ok(_) => Ok(()),
        Err(_) => choose_above(zonepath)?.make_home(zonepath),
    }
}

/// See [`Driver::move_home`].
///
/// # Errors
/// As those of `move_home`.
pub fn move_home(from: &Path, to: &Path) -> Result<bool, StorageError> {
    choose(from)?.move_home(from, to)
}

/// See [`Driver::find_home`].
///
/// # Errors
/// As those of `find_home`.
pub fn find_home(zonepath: &Path) -> Result<(), StorageError> {
    match zonepath.parent().is_some_and(Path::exists) {
        true => choose_above(zonepath)?.find_home(zonepath),
        false => Ok(()),
    }
}

/// See [`Driver::remove_home`].
///
/// # Errors
/// As those of `remove_home`.
pub fn remove_home(zonepath: &Path) -> Result<(), StorageError> {
    choose(zonepath)?.remove_home(zonepath)
}
