//! A folder whose content a stranger controls.
//!
//! Two layers: [`RootFd`] resolves a path inside the tree (the kernel does it, so no link leads
//! out), [`Dir`] is one opened folder in it and takes single names, never paths, and never
//! follows a link in the last place.

mod dir;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec};
use rustix::io::{Errno, Result};

pub use dir::{Dir, DirItem, Stamp};

/// The root of a hostile tree. Every path is resolved by the kernel inside of it
/// (`openat2` with `RESOLVE_IN_ROOT`), so no link leads out. Source: openat2(2).
///
/// Paths may start with `/` or not: both mean the root of this tree. In the methods that make,
/// change or remove something, links in front of the last name are followed inside the tree and
/// the last name itself never is.
#[derive(Debug)]
pub struct RootFd(OwnedFd);

impl RootFd {
    /// Opens the folder at `path`, which the caller trusts.
    ///
    /// # Errors
    /// Whatever open(2) says; `NOTDIR` when it is no folder.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).map(Self)
    }

    /// Opens `path` below the root; absolute paths and links start at the root.
    ///
    /// # Errors
    /// Whatever openat2(2) says.
    pub fn open_beneath(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, resolve)
    }

    /// The folder at `path`; links on the way, also the last, are followed inside the tree.
    ///
    /// # Errors
    /// Whatever openat2(2) says.
    pub fn dir(&self, path: &Path) -> Result<Dir> {
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        self.open_beneath(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map(Dir::from_fd)
    }

    /// The folder at the relative `path` when no name on the way and not the last is a link; the
    /// empty path is the root.
    ///
    /// # Errors
    /// `LOOP` when one is a link; `NOTDIR`; `XDEV` for `..` and absolute paths.
    pub fn dir_without_links(&self, path: &Path) -> Result<Dir> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve).map(Dir::from_fd)
    }

    /// The folder that holds `path` and the last name of it.
    ///
    /// # Errors
    /// `INVAL` when `path` has no last name (`/`, `..`); whatever openat2(2) says.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<(Dir, &'a OsStr)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path.parent().ok_or(Errno::INVAL)?;
        Ok((self.dir(parent)?, name))
    }

    /// Makes one folder with exactly `mode`.
    ///
    /// # Errors
    /// `EXIST` when something has the name; whatever mkdirat(2) says.
    pub fn mkdir(&self, path: &Path, mode: u32) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.mkdir(name, mode)
    }

    /// Makes `path` and every missing folder above it, each with `mode`; what exists is kept.
    ///
    /// # Errors
    /// `NOTDIR` when a name on the way is no folder; `INVAL` for `..` in the path.
    pub fn mkdir_p(&self, path: &Path, mode: u32) -> Result<Dir> {
        match self.dir(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut done = PathBuf::new();
        for part in path.components() {
            match part {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => done.push(name),
                Component::ParentDir | Component::Prefix(_) => return Err(Errno::INVAL),
            }
            match self.mkdir(&done, mode) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(e),
            }
        }
        self.dir(path)
    }

    /// Makes a device node, fifo or socket. `device` is the number of a device, else 0.
    ///
    /// # Errors
    /// Whatever mknodat(2) says; `PERM` in a user namespace.
    pub fn mknod(&self, path: &Path, kind: FileType, mode: u32, device: u64) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.mknod(name, kind, mode, device)
    }

    /// Makes a symbolic link; `target` is stored as it is.
    ///
    /// # Errors
    /// `EXIST` when something has the name; whatever symlinkat(2) says.
    pub fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.symlink(target, name)
    }

    /// Makes a hard link `new` to `old`; `old` itself is not followed when it is a link.
    ///
    /// # Errors
    /// Whatever linkat(2) says.
    pub fn link(&self, old: &Path, new: &Path) -> Result<()> {
        let (from, from_name) = self.parent(old)?;
        let (to, to_name) = self.parent(new)?;
        to.link_from(&from, from_name, to_name)
    }

    /// Sets owner and group, of a link itself if it is one.
    ///
    /// # Errors
    /// Whatever fchownat(2) says.
    pub fn chown(&self, path: &Path, uid: u32, gid: u32) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.chown(name, uid, gid)
    }

    /// Sets the twelve mode bits.
    ///
    /// # Errors
    /// `LOOP` when `path` is a symbolic link; whatever chmod(2) says.
    pub fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.chmod(name, mode)
    }

    /// Sets access and change time, of a link itself if it is one.
    ///
    /// # Errors
    /// Whatever utimensat(2) says.
    pub fn utimens(&self, path: &Path, mtime: Timespec) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.utimens(name, mtime)
    }

    /// Sets an extended attribute, of a link itself if it is one.
    ///
    /// # Errors
    /// Whatever lsetxattr(2) says; `OPNOTSUPP` where the file system has none.
    pub fn set_xattr(&self, path: &Path, key: &OsStr, value: &[u8]) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.set_xattr(name, key, value)
    }

    /// Renames inside the tree, replacing what has the new name.
    ///
    /// # Errors
    /// Whatever renameat(2) says.
    pub fn rename(&self, old: &Path, new: &Path) -> Result<()> {
        let (from, from_name) = self.parent(old)?;
        let (to, to_name) = self.parent(new)?;
        from.rename_to(from_name, &to, to_name)
    }

    /// Removes a name that is no folder.
    ///
    /// # Errors
    /// Whatever unlinkat(2) says.
    pub fn unlink(&self, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.unlink(name)
    }

    /// Removes `path` with all below it; a missing one is fine. Never crosses a link.
    ///
    /// # Errors
    /// Whatever unlinkat(2) and getdents(2) say.
    pub fn remove_all(&self, path: &Path) -> Result<()> {
        match self.parent(path) {
            Ok((dir, name)) => dir.remove_all(name),
            Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// What lstat(2) says.
    ///
    /// # Errors
    /// Whatever fstatat(2) says.
    pub fn lstat(&self, path: &Path) -> Result<Stat> {
        if path.file_name().is_none() {
            return rustix::fs::fstat(self.dir(path)?.as_fd());
        }
        let (dir, name) = self.parent(path)?;
        dir.lstat(name)
    }

    /// What stat(2) says, links followed inside the tree.
    ///
    /// # Errors
    /// Whatever openat2(2) says.
    pub fn stat(&self, path: &Path) -> Result<Stat> {
        rustix::fs::fstat(self.open_beneath(path, OFlags::PATH, Mode::empty())?)
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// `INVAL` when it is none.
    pub fn readlink(&self, path: &Path) -> Result<PathBuf> {
        let (dir, name) = self.parent(path)?;
        dir.readlink(name)
    }

    /// Reads a whole regular file of at most `limit` bytes; links are followed inside the tree.
    ///
    /// # Errors
    /// `FBIG` beyond the limit; `INVAL` when it is no regular file; whatever openat2(2) says.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        let fd = self.open_regular(path, OFlags::RDONLY)?;
        dir::read_regular(&fd, limit)
    }

    /// Opens what is a regular file and nothing else: what it is, is known before it is opened, so
    /// that no fifo hangs and no driver of a device is woken. With `NOFOLLOW` a link in the last
    /// place is none.
    ///
    /// # Errors
    /// `INVAL` when it is no regular file; whatever openat2(2) says.
    pub fn open_regular(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let known = flags & OFlags::NOFOLLOW;
        let regular = |fd: OwnedFd| match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
            FileType::RegularFile => Ok(fd),
            _ => Err(Errno::INVAL),
        };
        let found = regular(self.open_beneath(path, OFlags::PATH | known, Mode::empty())?)?;
        // The link in /proc stands for the very file that was looked at.
        let via = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, via, flags - OFlags::NOFOLLOW, Mode::empty()) {
            // Nobody mounted /proc here: what it is, is known a moment late.
            Err(Errno::NOENT) => regular(self.open_beneath(path, flags, Mode::empty())?),
            other => other,
        }
    }

    /// Writes a whole file through a temporary name, so that readers see the old or the new one.
    ///
    /// The file gets exactly `stamp`'s mode and owner. A link with that name is replaced.
    ///
    /// # Errors
    /// Whatever openat(2), write(2) or renameat(2) say; nothing is left behind then.
    pub fn write(&self, path: &Path, data: &[u8], stamp: Stamp) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        dir.write(name, data, stamp)
    }

    /// The names in a folder, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// Whatever openat2(2) and getdents(2) say.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<DirItem>> {
        self.dir(path)?.items()
    }

    /// Writes the whole file system that holds the tree to disk. Source: syncfs(2).
    ///
    /// # Errors
    /// Whatever syncfs(2) says, so also write errors of earlier asynchronous writes.
    pub fn sync(&self) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        rustix::fs::syncfs(self.open_beneath(Path::new("/"), flags, Mode::empty())?)
    }
}

impl AsFd for RootFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
