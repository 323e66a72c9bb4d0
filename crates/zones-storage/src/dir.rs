//! The driver that needs nothing: plain folders.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir as Entries, FileType, IFlags, Mode, OFlags, RenameFlags, ResolveFlags,
};
use rustix::io::Errno;

use crate::driver::{Driver, DriverKind, StorageError};
use crate::overlay::{Overlay, stack};
use crate::project;

#[derive(Debug)]
pub(crate) struct Dir;

impl Driver for Dir {
    fn kind(&self) -> DriverKind {
        DriverKind::Dir
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        create(root).map_err(|source| error("create", root, source))
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        if crate::zfs::is_pointer(root) {
            return DriverKind::Zfs.driver().destroy(root);
        }
        // Layers may be known to others, wherever their root was moved to.
        if stack::mark_of(root).is_some() {
            return Overlay::default().destroy(root);
        }
        remove_tree(root).map_err(|source| error("destroy", root, source))
    }
}

fn error(verb: &'static str, path: &Path, source: Errno) -> StorageError {
    StorageError {
        driver: "dir",
        verb,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Makes the folder under a name of its own and gives it the right one then: on ext4 the name helps
/// to choose the place on the disk, see [`spread`], and a root that was just removed must not
/// choose the place of the next one.
pub(crate) fn create(root: &Path) -> Result<(), Errno> {
    let parent = root.parent().ok_or(Errno::INVAL)?;
    let name = root.file_name().ok_or(Errno::INVAL)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(CWD, parent, flags, Mode::empty())?;
    spread(&parent);
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let new = format!("{NEW}{:016x}", u64::from_ne_bytes(random));
    rustix::fs::mkdirat(&parent, &new, Mode::from_raw_mode(0o755))?;
    let done = rustix::fs::chmodat(&parent, &new, Mode::from_raw_mode(0o755), AtFlags::empty())
        .and_then(|()| project::inherit(&root.with_file_name(&new), root))
        .and_then(|()| rename_new(parent.as_fd(), &new, name));
    done.inspect_err(|_| {
        let _ = rustix::fs::unlinkat(&parent, &new, AtFlags::REMOVEDIR);
    })
}

/// What the names of roots that are being made start with. One that is left over from a crash is
/// empty.
pub const NEW: &str = ".root-";

fn rename_new(parent: BorrowedFd<'_>, new: &str, name: &std::ffi::OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(parent, new, parent, name, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it: then by looking first.
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(parent, new, parent, name),
                Ok(_) => Err(Errno::EXIST),
                Err(error) => Err(error),
            }
        }
        other => other,
    }
}

/// Tells ext4 that the folders in this one have nothing to do with each other, so that each gets a
/// region of the disk of its own. Without a journal, ext4 passes over each inode that was freed in
/// the last five minutes, one by one, for every new file: a root beside the place of one that was
/// just removed takes ten seconds instead of one. Source: chattr(1), attribute `T`; Linux
/// `fs/ext4/ialloc.c`, `recently_deleted`.
fn spread(folder: &OwnedFd) {
    const EXT4_MAGIC: i64 = 0xEF53;
    let is_ext4 = rustix::fs::fstatfs(folder).is_ok_and(|fs| fs.f_type == EXT4_MAGIC);
    if is_ext4 && let Ok(flags) = rustix::fs::ioctl_getflags(folder) {
        // It only makes things faster: a refusal is none of the caller's business.
        let _ = rustix::fs::ioctl_setflags(folder, flags | IFlags::TOPDIR);
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

/// Removes all in a folder, as [`remove_tree`] does.
pub(crate) fn empty_tree(root: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(CWD, parent, flags, Mode::empty())?;
    let folder = enter(parent.as_fd(), name)?;
    let again = rustix::io::fcntl_dupfd_cloexec(&folder, 0)?;
    empty_folder(folder)?;
    match Entries::read_from(&again)?
        .any(|it| it.is_ok_and(|it| !matches!(it.file_name().to_bytes(), b"." | b"..")))
    {
        true => Err(Errno::BUSY),
        false => Ok(()),
    }
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
            let inner = enter(here.as_fd(), name.as_c_str());
            match inner.and_then(|it| Ok((clear(it.as_fd())?, it))) {
                // Somebody else who removes it was faster.
                Err(Errno::NOENT) => drop(level.folders.pop()),
                Err(error) => return Err(error),
                Ok((level, folder)) => {
                    levels.push(level);
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_emptied_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir_all(inner.join("a/b")).unwrap();
        fs::write(inner.join("a/file"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path(), inner.join("link")).unwrap();
        fs::write(folder.path().join("beside"), "x").unwrap();
        empty_tree(&inner).unwrap();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
        assert!(folder.path().join("beside").exists());
        assert_eq!(empty_tree(&inner.join("none")), Err(Errno::NOENT));
    }
}
