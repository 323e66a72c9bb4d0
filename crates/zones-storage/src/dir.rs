//! The driver that needs nothing: plain folders.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir as Entries, FileType, Mode, OFlags, ResolveFlags};
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
///
/// A zone may make a tree deeper than the stack and the descriptors of a process reach, so the way
/// down is a list and only the folder at hand is open.
pub(crate) fn remove_tree(root: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match enter(parent.as_fd(), name).and_then(empty_folder) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    }
    gone(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR))
}

/// Opens a folder of the same mount.
fn enter<P: rustix::path::Arg>(from: BorrowedFd<'_>, name: P) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stay = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(from, name, flags, Mode::empty(), stay)
}

/// A folder on the way down.
struct Level {
    /// Device and number, to know it again on the way up.
    identity: (u64, u64),
    /// Folders in it that are not empty; the last is the next.
    folders: Vec<CString>,
}

fn empty_folder(root: OwnedFd) -> Result<(), Errno> {
    let mut levels = vec![clear(root.as_fd())?];
    let mut here = root;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.last() {
            match enter(here.as_fd(), name.as_c_str()) {
                Err(Errno::NOENT) => drop(level.folders.pop()),
                Err(error) => return Err(error),
                Ok(folder) => {
                    levels.push(clear(folder.as_fd())?);
                    here = folder;
                }
            }
            continue;
        }
        levels.pop();
        let Some(parent) = levels.last_mut() else {
            break;
        };
        here = enter(here.as_fd(), c"..")?;
        if identity(here.as_fd())? != parent.identity {
            // Somebody moved the folder away meanwhile: what is above it is none of ours.
            return Err(Errno::STALE);
        }
        if let Some(name) = parent.folders.pop() {
            gone(rustix::fs::unlinkat(&here, name, AtFlags::REMOVEDIR))?;
        }
    }
    Ok(())
}

/// Removes what can be removed at once; the rest are folders.
fn clear(folder: BorrowedFd<'_>) -> Result<Level, Errno> {
    let mut folders = Vec::new();
    for entry in Entries::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            match gone(rustix::fs::unlinkat(folder, name, AtFlags::empty())) {
                Err(Errno::ISDIR) => {}
                other => {
                    other?;
                    continue;
                }
            }
        }
        if gone(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)).is_err() {
            folders.push(name.to_owned());
        }
    }
    let identity = identity(folder)?;
    Ok(Level { identity, folders })
}

fn identity(folder: BorrowedFd<'_>) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::fstat(folder)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// What is gone already is removed.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
