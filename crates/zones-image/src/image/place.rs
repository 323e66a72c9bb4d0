//! The files of an image: a folder, or the root of a zone that lies in layers.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::Stat;
use rustix::io::Errno;
use zones_storage::{View, guard, view};
use zones_sys::RootFd;

use crate::error::{ImageError, Result};

/// What goes with the files while they are open.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Layers are in use: they can be looked at, not changed.
    is_in_use: bool,
    /// What lies at the path of a root whose files are elsewhere; it may be locked.
    folder: Option<File>,
}

impl Place {
    /// Opens the files at `root`. Layers that somebody else has mounted are only looked at.
    pub(super) fn open(root: &Path) -> Result<(RootFd, Self)> {
        let missing = |_| ImageError::NoImage(root.to_owned());
        let damaged = |error| ImageError::damaged(root, error);
        let view = view(root).map_err(missing)?;
        if let View::Plain(_) = view {
            let tree = view
                .open()
                .map_err(|_| ImageError::NoImage(root.to_owned()))?;
            return Ok((tree, Self::default()));
        }
        if let View::Dataset(_) = view {
            // As often mounted as anybody likes.
            let tree = view.open().map_err(damaged)?;
            let folder = File::open(root).map_err(|_| ImageError::NoImage(root.to_owned()))?;
            let place = Self {
                is_in_use: false,
                folder: Some(folder),
            };
            return Ok((tree, place));
        }
        let guard = guard(root).map_err(missing)?;
        let tree = match guard {
            Some(_) => view.open(),
            None => view.open_read_only(),
        };
        let place = Self {
            is_in_use: guard.is_none(),
            folder: guard,
        };
        Ok((tree.map_err(damaged)?, place))
    }

    /// The folder by which the image is told from others: a mount has another number each time.
    pub(super) fn stat(&self, tree: &RootFd) -> std::result::Result<Stat, Errno> {
        match &self.folder {
            Some(folder) => rustix::fs::fstat(folder),
            None => rustix::fs::fstat(tree),
        }
    }

    /// Whether something may be changed.
    pub(super) fn check(&self, root: &Path) -> Result<()> {
        match self.is_in_use {
            true => Err(ImageError::InUse(root.to_owned())),
            false => Ok(()),
        }
    }
}

/// A second descriptor of the same tree.
pub(super) fn again(tree: &RootFd, root: &Path) -> Result<RootFd> {
    let copied = rustix::io::fcntl_dupfd_cloexec(tree.as_fd(), 0);
    let copied = copied.map_err(|errno| ImageError::damaged(root, errno))?;
    Ok(RootFd::from_folder(copied))
}
