//! The driver for btrfs: every root is a subvolume.

mod changes;
mod quota;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use zones_archive::{Candidates, Progress};
use zones_sys::{
    btrfs_is_subvolume, btrfs_snapshot, btrfs_subvolume_create, btrfs_subvolume_delete,
};

use crate::dir::remove_tree;
use crate::driver::{Copied, CopyError, Driver, DriverKind, StorageError, copy_files};
use crate::usage::Usage;

#[derive(Debug)]
pub(crate) struct Btrfs;

impl Driver for Btrfs {
    fn kind(&self) -> DriverKind {
        DriverKind::Btrfs
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        let make = || {
            let (parent, name) = split(root)?;
            btrfs_subvolume_create(parent.as_fd(), name, quota::group_for(root))?;
            rustix::fs::chmod(root, Mode::from_raw_mode(0o755))
        };
        make().map_err(|source| error("create", root, source))
    }

    /// A snapshot where `from` is a subvolume of the same file system. Subvolumes in it are empty
    /// folders of the snapshot.
    fn copy(
        &self,
        from: &Path,
        to: &Path,
        _is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        snapshot(self, from, to, false, progress)
    }

    fn freeze(
        &self,
        from: &Path,
        to: &Path,
        _is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        snapshot(self, from, to, true, progress)
    }

    fn usage(&self, root: &Path) -> Result<Usage, StorageError> {
        quota::usage(root).map_err(|source| error("measure", root, source))
    }

    fn own(&self, root: &Path) -> Result<Option<u64>, StorageError> {
        let counted = quota::counted(root).map_err(|source| error("measure", root, source))?;
        Ok(counted.map(|it| it.own))
    }

    fn usage_of_zone(&self, zonepath: &Path) -> Result<Usage, StorageError> {
        quota::usage_of_zone(zonepath).map_err(|source| error("measure", zonepath, source))
    }

    fn set_limit(&self, zonepath: &Path, limit: Option<u64>) -> Result<(), StorageError> {
        let done = quota::limit(zonepath, limit);
        done.map_err(|source| error("limit the space of", zonepath, source))
    }

    fn release(&self, zonepath: &Path) -> Result<(), StorageError> {
        let done = quota::release(zonepath);
        done.map_err(|source| error("take the limit from", zonepath, source))
    }

    fn changes(&self, from: &Path, to: &Path) -> Result<Option<Candidates>, StorageError> {
        changes::between(from, to).map_err(|source| error("compare", from, source))
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        let remove = || {
            let folder = match open(root) {
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            if !btrfs_is_subvolume(&folder)? {
                return remove_tree(root);
            }
            drop(folder);
            let (parent, name) = split(root)?;
            match btrfs_subvolume_delete(parent.as_fd(), name) {
                // Subvolumes that were made in the zone: take the folder apart, then the rest.
                Err(Errno::NOTEMPTY) => remove_tree(root),
                other => other,
            }
        };
        remove().map_err(|source| error("destroy", root, source))
    }
}

fn snapshot(
    driver: &Btrfs,
    from: &Path,
    to: &Path,
    is_read_only: bool,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let take = || {
        let source = open(from)?;
        if !btrfs_is_subvolume(&source)? {
            return Err(Errno::XDEV);
        }
        let (parent, name) = split(to)?;
        let (parent, source) = (parent.as_fd(), source.as_fd());
        let group = quota::group_for(to);
        btrfs_snapshot(parent, name, source, is_read_only, group)?;
        if group.is_some() {
            quota::recount_if_needed(parent);
        }
        Ok(())
    };
    match take() {
        Ok(()) => Ok(Copied::Snapshot),
        Err(Errno::XDEV | Errno::NOTTY) => copy_files(driver, from, to, progress),
        Err(source) => Err(error("copy to", to, source).into()),
    }
}

fn open(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty())
}

fn split(root: &Path) -> Result<(OwnedFd, &str), Errno> {
    let parent = root.parent().ok_or(Errno::INVAL)?;
    let name = root
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or(Errno::INVAL)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((rustix::fs::openat(CWD, parent, flags, Mode::empty())?, name))
}

fn error(verb: &'static str, path: &Path, source: Errno) -> StorageError {
    StorageError {
        driver: "btrfs",
        verb,
        path: path.to_owned(),
        source: source.into(),
    }
}
