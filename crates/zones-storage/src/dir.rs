//! The driver that needs nothing: plain folders.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir as Entries, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::driver::{Driver, DriverKind, StorageError};

#[derive(Debug)]
pub(crate) struct Dir;

impl Driver for Dir {
    fn kind(&self) -> DriverKind {
        DriverKind::Dir
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        let failed = |source| error("create", root, source);
        rustix::fs::mkdir(root, Mode::from_raw_mode(0o755)).map_err(failed)?;
        rustix::fs::chmod(root, Mode::from_raw_mode(0o755)).map_err(failed)
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        remove_tree(root).map_err(|source| error("destroy", root, source))
    }
}

fn error(verb: &'static str, path: &Path, source: Errno) -> StorageError {
    StorageError {
        driver: "dir",
        verb,
        path: path.to_owned(),
        source,
    }
}

/// Removes a folder with all in it, by descriptors and never through a link or a mount point.
pub(crate) fn remove_tree(root: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match empty_folder(parent.as_fd(), name) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Empties `name` in `parent`. Deep trees are no danger: names are at most 255 bytes and the
/// depth is bounded by what the kernel could make; the stack frame is small.
fn empty_folder<P: rustix::path::Arg>(parent: BorrowedFd<'_>, name: P) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in Entries::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let known = entry.file_type();
        if known != FileType::Directory {
            match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {}
                Err(error) => return Err(error),
            }
        }
        empty_folder(folder.as_fd(), name)?;
        match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
