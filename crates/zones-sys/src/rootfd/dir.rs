//! One opened folder of a hostile tree.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::{Errno, Result};

/// Mode and owner of a file that is written as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The twelve mode bits.
    pub mode: u32,
    /// Owner, as it is on disk.
    pub uid: u32,
    /// Group, as it is on disk.
    pub gid: u32,
}

impl Stamp {
    /// `mode`, owned by root.
    #[must_use]
    pub const fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirItem {
    /// The name.
    pub name: OsString,
    /// What it is; `Unknown` on file systems that do not say.
    pub kind: FileType,
}

/// An opened folder. Every method takes a single name: `/`, `.`, `..` and the empty name are
/// refused with `INVAL`, and a symbolic link with that name is never followed.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// A single name, or `INVAL`.
fn single(name: &OsStr) -> Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    Ok(name)
}

impl Dir {
    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// `NOTDIR` or `LOOP` when it is a link or no folder.
    pub fn dir(&self, name: &OsStr) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, single(name)?, flags, Mode::empty()).map(Self)
    }

    /// The folder that this one lies in now. It may have been moved: compare it with the one that
    /// was expected.
    ///
    /// # Errors
    /// Whatever openat(2) says.
    pub fn up(&self) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, c"..", flags, Mode::empty()).map(Self)
    }

    /// Makes a folder with exactly `mode`, whatever the umask is.
    ///
    /// # Errors
    /// `EXIST` when something has the name.
    pub fn mkdir(&self, name: &OsStr, mode: u32) -> Result<()> {
        rustix::fs::mkdirat(&self.0, single(name)?, Mode::from_raw_mode(mode & 0o777))?;
        // Most often the umask took nothing away and no bit above is asked for.
        match self.lstat(name)?.st_mode & 0o7777 == mode {
            true => Ok(()),
            false => self.chmod(name, mode),
        }
    }

    /// Creates a regular file for writing; fails if something has the name.
    ///
    /// # Errors
    /// `EXIST` when something has the name.
    pub fn create(&self, name: &OsStr) -> Result<File> {
        self.create_with(name, 0o600)
    }

    /// As [`Self::create`], with these permission bits as far as the umask lets them.
    ///
    /// # Errors
    /// `EXIST` when something has the name.
    pub fn create_with(&self, name: &OsStr, mode: u32) -> Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o777);
        rustix::fs::openat(&self.0, single(name)?, flags, mode).map(File::from)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `LOOP` for a link.
    pub fn open_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, single(name)?, flags, Mode::empty()).map(File::from)
    }

    /// Makes a device node, fifo or socket with exactly `mode`.
    ///
    /// # Errors
    /// Whatever mknodat(2) says.
    pub fn mknod(&self, name: &OsStr, kind: FileType, mode: u32, device: u64) -> Result<()> {
        let bits = Mode::from_raw_mode(mode & 0o777);
        rustix::fs::mknodat(&self.0, single(name)?, kind, bits, device)?;
        self.chmod(name, mode)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// `EXIST` when something has the name.
    pub fn symlink(&self, target: &Path, name: &OsStr) -> Result<()> {
        rustix::fs::symlinkat(target, &self.0, single(name)?)
    }

    /// Makes a hard link here to `old_name` in `old`.
    ///
    /// # Errors
    /// Whatever linkat(2) says.
    pub fn link_from(&self, old: &Self, old_name: &OsStr, name: &OsStr) -> Result<()> {
        rustix::fs::linkat(
            &old.0,
            single(old_name)?,
            &self.0,
            single(name)?,
            AtFlags::empty(),
        )
    }

    /// Sets owner and group.
    ///
    /// # Errors
    /// Whatever fchownat(2) says.
    pub fn chown(&self, name: &OsStr, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(&self.0, single(name)?, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Sets the twelve mode bits.
    ///
    /// # Errors
    /// `LOOP` when the name is a symbolic link.
    pub fn chmod(&self, name: &OsStr, mode: u32) -> Result<()> {
        // fchmodat(2) cannot leave links alone before Linux 6.6, so by way of a descriptor that
        // is known to be none.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, single(name)?, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        let via = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::fs::chmodat(
            CWD,
            via,
            Mode::from_raw_mode(mode & 0o7777),
            AtFlags::empty(),
        )
    }

    /// Sets access and change time to `mtime`.
    ///
    /// # Errors
    /// Whatever utimensat(2) says.
    pub fn utimens(&self, name: &OsStr, mtime: Timespec) -> Result<()> {
        let times = Timestamps {
            last_access: mtime,
            last_modification: mtime,
        };
        rustix::fs::utimensat(&self.0, single(name)?, &times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Whatever lsetxattr(2) says.
    pub fn set_xattr(&self, name: &OsStr, key: &OsStr, value: &[u8]) -> Result<()> {
        rustix::fs::lsetxattr(
            self.proc_path(single(name)?),
            key,
            value,
            XattrFlags::empty(),
        )
    }

    /// All extended attributes of a name, sorted by key; none where the file system has none.
    ///
    /// # Errors
    /// Whatever llistxattr(2) and lgetxattr(2) say.
    pub fn xattrs(&self, name: &OsStr) -> Result<Vec<(OsString, Vec<u8>)>> {
        xattrs_of(&self.proc_path(single(name)?))
    }

    /// All extended attributes of the folder itself, sorted by key.
    ///
    /// # Errors
    /// Whatever llistxattr(2) and lgetxattr(2) say.
    pub fn own_xattrs(&self) -> Result<Vec<(OsString, Vec<u8>)>> {
        // The dot makes the kernel follow the link in /proc.
        xattrs_of(&self.proc_path(OsStr::new(".")))
    }

    /// The xattr calls have no `at` form; the link in /proc stands for the opened folder.
    fn proc_path(&self, name: &OsStr) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.0.as_raw_fd().to_string())
            .join(name)
    }

    /// Renames a name here to `new_name` in `new`.
    ///
    /// # Errors
    /// Whatever renameat(2) says.
    pub fn rename_to(&self, name: &OsStr, new: &Self, new_name: &OsStr) -> Result<()> {
        rustix::fs::renameat(&self.0, single(name)?, &new.0, single(new_name)?)
    }

    /// Removes a name that is no folder.
    ///
    /// # Errors
    /// Whatever unlinkat(2) says.
    pub fn unlink(&self, name: &OsStr) -> Result<()> {
        rustix::fs::unlinkat(&self.0, single(name)?, AtFlags::empty())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `NOTEMPTY`; `NOTDIR` when it is none; whatever else unlinkat(2) says.
    pub fn rmdir(&self, name: &OsStr) -> Result<()> {
        rustix::fs::unlinkat(&self.0, single(name)?, AtFlags::REMOVEDIR)
    }

    /// Removes a name and, if it is a folder, all in it; a missing one is fine.
    ///
    /// # Errors
    /// Whatever unlinkat(2) and getdents(2) say.
    pub fn remove_all(&self, name: &OsStr) -> Result<()> {
        match self.unlink(name) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
        let below = self.dir(name)?;
        for item in below.items()? {
            below.remove_all(&item.name)?;
        }
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)
    }

    /// What lstat(2) says.
    ///
    /// # Errors
    /// Whatever fstatat(2) says.
    pub fn lstat(&self, name: &OsStr) -> Result<Stat> {
        rustix::fs::statat(&self.0, single(name)?, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// `INVAL` when it is none.
    pub fn readlink(&self, name: &OsStr) -> Result<PathBuf> {
        let text = rustix::fs::readlinkat(&self.0, single(name)?, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(text.into_bytes())))
    }

    /// Writes a whole file through a temporary name.
    ///
    /// # Errors
    /// Whatever openat(2), write(2) or renameat(2) say; the temporary name is removed then.
    pub fn write(&self, name: &OsStr, data: &[u8], stamp: Stamp) -> Result<()> {
        let mut temp = OsString::from(".");
        temp.push(single(name)?);
        temp.push(format!(".{}.new", std::process::id()));
        let file = match self.create(&temp) {
            Err(Errno::EXIST) => {
                // Left over by a process of the same number that was killed here.
                self.unlink(&temp)?;
                self.create(&temp)?
            }
            other => other?,
        };
        let all = write_all(&file, data)
            .and_then(|()| stamp_file(&file, stamp))
            .and_then(|()| self.rename_to(&temp, self, name));
        if all.is_err() {
            let _ = self.unlink(&temp);
        }
        all
    }

    /// The names in the folder, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// Whatever getdents(2) says.
    pub fn items(&self) -> Result<Vec<DirItem>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, c".", flags, Mode::empty())?;
        let mut items = Vec::new();
        for item in rustix::fs::Dir::new(fd)? {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                let name = OsString::from_vec(name.to_vec());
                items.push(DirItem {
                    name,
                    kind: item.file_type(),
                });
            }
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Owner first: chown(2) clears the set-id bits that chmod(2) then sets.
fn stamp_file(file: &File, stamp: Stamp) -> Result<()> {
    let (uid, gid) = (
        Some(Uid::from_raw(stamp.uid)),
        Some(Gid::from_raw(stamp.gid)),
    );
    rustix::fs::fchown(file, uid, gid)?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(stamp.mode & 0o7777))
}

fn write_all(file: &File, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        match rustix::io::write(file, data) {
            Ok(n) => data = &data[n..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

pub(super) fn read_regular(fd: &OwnedFd, limit: u64) -> Result<Vec<u8>> {
    let stat = rustix::fs::fstat(fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    // Also a file of nothing but holes is not read to find out.
    if u64::try_from(stat.st_size).is_ok_and(|size| size > limit) {
        return Err(Errno::FBIG);
    }
    let mut data = Vec::new();
    let file = File::from(fd.try_clone().map_err(|_| Errno::MFILE)?);
    let read = file.take(limit + 1).read_to_end(&mut data);
    read.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    if data.len() as u64 > limit {
        return Err(Errno::FBIG);
    }
    Ok(data)
}

fn xattrs_of(path: &Path) -> Result<Vec<(OsString, Vec<u8>)>> {
    let mut list = vec![0u8; 65_536];
    let used = match rustix::fs::llistxattr(path, &mut list) {
        Ok(n) => n,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for key in list[..used].split(|b| *b == 0).filter(|k| !k.is_empty()) {
        let key = OsStr::from_bytes(key);
        let mut value = vec![0u8; 65_536];
        let n = rustix::fs::lgetxattr(path, key, &mut value)?;
        value.truncate(n);
        found.push((key.to_owned(), value));
    }
    found.sort();
    Ok(found)
}
