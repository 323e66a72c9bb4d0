//! The driver for ZFS: every root is a dataset, every copy a clone.
//!
//! What lies at the path of a root is a small folder that names the dataset, see [`pointer`]. So a
//! root is moved and exchanged by one rename(2), a dataset is mounted only where somebody looks at
//! it, and nothing has to be mounted again after a power loss. See `docs/adr/0019`.

mod changes;
mod command;
mod dataset;
mod delegate;
mod home;
mod pointer;
mod stream;
mod usage;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::mount as mnt;
use zones_archive::{Candidates, Progress};

use crate::driver::{Cause, Copied, CopyError, Driver, DriverKind, StorageError, copy_files};
use crate::usage::Usage;
use crate::view::View;
pub use command::{ZfsError, is_here};
use dataset::{Census, Place};
pub use delegate::{check_dataset, delegate_dataset, withdraw_dataset};
use pointer::Pointer;

/// Source: statfs(2) of OpenZFS, `ZFS_SUPER_MAGIC`.
pub(crate) const MAGIC: i64 = 0x2fc1_2fc1;

/// How often, and how long, a file system is waited for that is just being unmounted.
const MOMENTS: u32 = 40;
const MOMENT: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(crate) struct Zfs;

/// The files of a root: a dataset, mounted for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The path of the root.
    pub root: PathBuf,
    /// The name of the dataset.
    pub name: String,
}

impl Driver for Zfs {
    fn kind(&self) -> DriverKind {
        DriverKind::Zfs
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        let make = || {
            let (parent, place) = room_for(root)?;
            let pointer = Pointer::begin(parent, &place, "zbe", None)?;
            let made = dataset::create(&place, &pointer);
            pointer.settle(root, made)
        };
        make().map_err(|source| failed("create", root, source))
    }

    /// A clone where `from` is a dataset of the same pool. Mounted or not does not matter.
    fn copy(
        &self,
        from: &Path,
        to: &Path,
        _is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.share(from, to, false, progress)
    }

    fn freeze(
        &self,
        from: &Path,
        to: &Path,
        _is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.share(from, to, true, progress)
    }

    fn changes(&self, from: &Path, to: &Path) -> Result<Option<Candidates>, StorageError> {
        changes::between(from, to).map_err(|source| failed("compare", from, source))
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        let gone = || {
            if pointer::resolve(root)?.is_none() {
                return remove_plain(root);
            }
            let _lock = pointer::wait_for(root)?;
            // What somebody wrote into the folder itself is not in the way later.
            crate::dir::empty_tree(root)?;
            pointer::undo(root)
        };
        gone().map_err(|source| failed("destroy", root, source))
    }

    fn usage(&self, root: &Path) -> Result<Usage, StorageError> {
        usage::of_root(root).map_err(|source| failed("measure", root, source))
    }

    fn usage_of_zone(&self, zonepath: &Path) -> Result<Usage, StorageError> {
        usage::of_zone(zonepath).map_err(|source| failed("measure", zonepath, source))
    }

    /// For the whole of the zonepath's dataset.
    fn set_limit(&self, zonepath: &Path, limit: Option<u64>) -> Result<(), StorageError> {
        let set = usage::set(zonepath, "quota", limit);
        set.map_err(|source| failed("limit the space of", zonepath, source))
    }

    fn set_reservation(&self, zonepath: &Path, bytes: Option<u64>) -> Result<(), StorageError> {
        let set = usage::set(zonepath, "reservation", bytes);
        set.map_err(|source| failed("reserve space for", zonepath, source))
    }

    fn make_home(&self, zonepath: &Path) -> Result<(), StorageError> {
        home::make(zonepath).map_err(|source| failed("make", zonepath, source))
    }

    fn move_home(&self, from: &Path, to: &Path) -> Result<bool, StorageError> {
        home::relocate(from, to).map_err(|source| failed("move", from, source))
    }

    fn find_home(&self, zonepath: &Path) -> Result<(), StorageError> {
        home::find(zonepath).map_err(|source| failed("mount", zonepath, source))
    }

    fn remove_home(&self, zonepath: &Path) -> Result<(), StorageError> {
        home::remove(zonepath).map_err(|source| failed("remove", zonepath, source))
    }
}

impl Zfs {
    fn share(
        &self,
        from: &Path,
        to: &Path,
        is_frozen: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let refused = |source: Cause| CopyError::from(failed("copy to", to, source));
        let source = pointer::resolve(from);
        let source = source.map_err(|source| failed("copy", from, source.into()))?;
        let (parent, place) = room_for(to).map_err(refused)?;
        // Only a pool knows its own snapshots.
        let Some(source) = source.filter(|it| dataset::pool(it) == dataset::pool(&place.holder))
        else {
            return copy_files(self, from, to, progress);
        };
        if progress.cancelled() {
            return Err(refused(Errno::CANCELED.into()));
        }
        let copy = || {
            let base = if is_frozen { "snap" } else { "zbe" };
            let pointer = Pointer::begin(parent, &place, base, Some(&source))?;
            let made = dataset::clone(&place, &pointer, is_frozen);
            pointer.settle(to, made)
        };
        copy().map_err(refused)?;
        Ok(Copied::Snapshot)
    }
}

/// The folder of a root that is to be made, and where its dataset can be; what killed processes
/// left there goes first.
fn room_for(root: &Path) -> Result<(&Path, Place), Cause> {
    let parent = root.parent().ok_or(Errno::INVAL)?;
    let place = Place::of(parent)?;
    if fs::symlink_metadata(root).is_ok() {
        return Err(Errno::EXIST.into());
    }
    pointer::sweep(parent);
    Ok((parent, place))
}

/// A root of another driver, as a plain folder is one.
fn remove_plain(root: &Path) -> Result<(), Cause> {
    let removed = DriverKind::Dir.driver().destroy(root);
    removed.map_err(|error| error.source)
}

/// Removes a dataset, if it is there. What was copied from it stays: the newest snapshot that has
/// clones, and with it all older ones, becomes that of a clone. What nobody here made is left, and
/// the dataset with it. A `lock` is held until the command that removes it has ended.
fn remove(dataset: &str, lock: Option<&File>) -> Result<(), Cause> {
    let Some(census) = Census::of(dataset)? else {
        return Ok(());
    };
    let plan = census.plan(dataset)?;
    if let Some(clone) = plan.promote {
        command::run("promote", &[], clone)?;
    }
    for snapshot in plan.destroy {
        command::run("destroy", &["-d"], snapshot)?;
    }
    let destroy = || match lock {
        Some(lock) => command::run_locked::<&str>(lock, "destroy", &[], &[dataset]),
        None => command::run("destroy", &[], dataset),
    };
    for _ in 0..MOMENTS {
        match destroy() {
            Err(error) if error.is_busy() => std::thread::sleep(MOMENT),
            Err(error) if error.is_missing() => return Ok(()),
            other => return Ok(other.map(drop)?),
        }
    }
    Ok(destroy().map(drop)?)
}

fn failed(verb: &'static str, path: &Path, source: Cause) -> StorageError {
    StorageError {
        driver: "zfs",
        verb,
        path: path.to_owned(),
        source,
    }
}

/// Whether a folder stands for a dataset.
pub(crate) fn is_pointer(root: &Path) -> bool {
    pointer::is_one(root)
}

/// The view of a root that is a dataset; `None` for any other one.
pub(crate) fn view(root: &Path) -> Result<Option<View>, Errno> {
    let name = pointer::resolve(root)?;
    Ok(name.map(|name| {
        View::Dataset(Dataset {
            root: root.to_owned(),
            name,
        })
    }))
}

impl Dataset {
    /// A mount that is attached nowhere. All mounts of a dataset are of one file system, so it does
    /// not matter how many there are.
    pub(crate) fn mount(&self) -> Result<OwnedFd, Errno> {
        for _ in 0..MOMENTS {
            // One that is frozen, and mounted already, wants to be asked for as such.
            match mount(&self.name, false).or_else(|_| mount(&self.name, true)) {
                Err(Errno::BUSY) => std::thread::sleep(MOMENT),
                other => return other,
            }
        }
        Err(Errno::BUSY)
    }
}

fn mount(name: &str, is_read_only: bool) -> Result<OwnedFd, Errno> {
    let context = mnt::fsopen("zfs", mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
    mnt::fsconfig_set_string(&context, "source", name)?;
    if is_read_only {
        mnt::fsconfig_set_flag(&context, "ro")?;
    }
    mnt::fsconfig_create(&context)?;
    let attributes = mnt::MountAttrFlags::empty();
    mnt::fsmount(&context, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
