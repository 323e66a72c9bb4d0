//! The driver for btrfs: every root is a subvolume.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use zones_sys::{btrfs_is_subvolume, btrfs_subvolume_create, btrfs_subvolume_delete};

use crate::dir::remove_tree;
use crate::driver::{Driver, DriverKind, StorageError};

#[derive(Debug)]
pub(crate) struct Btrfs;

impl Driver for Btrfs {
    fn kind(&self) -> DriverKind {
        DriverKind::Btrfs
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        let make = || {
            let (parent, name) = split(root)?;
            btrfs_subvolume_create(rustix::fd::AsFd::as_fd(&parent), name)?;
            rustix::fs::chmod(root, Mode::from_raw_mode(0o755))
        };
        make().map_err(|source| error("create", root, source))
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        let remove = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = match rustix::fs::openat(CWD, root, flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            if !btrfs_is_subvolume(&folder)? {
                return remove_tree(root);
            }
            drop(folder);
            let (parent, name) = split(root)?;
            match btrfs_subvolume_delete(rustix::fd::AsFd::as_fd(&parent), name) {
                // Subvolumes that were made in the zone: take the folder apart, then the rest.
                Err(Errno::NOTEMPTY) => remove_tree(root),
                other => other,
            }
        };
        remove().map_err(|source| error("destroy", root, source))
    }
}

fn split(root: &Path) -> Result<(rustix::fd::OwnedFd, &str), Errno> {
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
        source,
    }
}
