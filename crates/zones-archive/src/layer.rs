//! Lays files down below a root: one writer per thread.

mod folders;
mod share;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use zones_sys::{Dir, RootFd};

pub use folders::{Folder, apply_folders};

/// Mode, owner and time of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The twelve mode bits.
    pub mode: u32,
    /// Owner as it goes on disk.
    pub uid: u32,
    /// Group as it goes on disk.
    pub gid: u32,
    /// Last change, seconds since 1970.
    pub mtime: i64,
    /// And nanoseconds, where they are known.
    pub mtime_nanos: u32,
    /// Extended attributes; see [`is_kept_xattr`].
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Meta {
    /// Last change, as the kernel takes it.
    pub(crate) fn time(&self) -> Timespec {
        Timespec {
            tv_sec: self.mtime,
            tv_nsec: i64::from(self.mtime_nanos),
        }
    }
}

/// Whether an attribute belongs to the file and not to the machine it came from: capabilities,
/// access lists, and what users set. Security labels and `trusted.*` stay behind.
#[must_use]
pub fn is_kept_xattr(key: &str) -> bool {
    key == "security.capability" || key.starts_with("user.") || key.starts_with("system.posix_acl_")
}

/// Why a file cannot be laid down.
#[derive(Debug, thiserror::Error)]
pub enum LayError {
    /// The file system is full.
    #[error(
        "no space left while writing `{}`; make room (or raise the quota) and try again",
        path.display()
    )]
    Full {
        /// Below the root.
        path: PathBuf,
    },
    /// The kernel refuses.
    #[error("cannot {act} `{}`", path.display())]
    Refused {
        /// What was tried, as a verb.
        act: &'static str,
        /// Below the root.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The content cannot be read.
    #[error("cannot read the content of `{}`", path.display())]
    Content {
        /// Below the root.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: io::Error,
    },
    /// The content ends early.
    #[error("the content of `{}` ends after {got} of {want} bytes", path.display())]
    Short {
        /// Below the root.
        path: PathBuf,
        /// Bytes that came.
        got: u64,
        /// Bytes that were promised.
        want: u64,
    },
}

impl LayError {
    /// The error for `path` from what the kernel said.
    #[must_use]
    pub fn new(act: &'static str, path: &Path, source: Errno) -> Self {
        let path = path.to_owned();
        match source {
            Errno::NOSPC | Errno::DQUOT => Self::Full { path },
            _ => Self::Refused { act, path, source },
        }
    }
}

/// Writes files below a root. What exists with the same name is replaced, except folders.
///
/// Folders get their owner, mode and time at the end, by [`apply_folders`]: a folder that is
/// read-only or has an old time must still take its files first.
#[derive(Debug)]
pub struct Layer<'a> {
    root: &'a RootFd,
    /// The folder of the file before; archives are sorted by folder.
    near: Option<(PathBuf, Dir)>,
    folders: Vec<Folder>,
    buffer: Vec<u8>,
    ways: share::Ways,
}

impl<'a> Layer<'a> {
    /// A writer below `root`.
    #[must_use]
    pub fn new(root: &'a RootFd) -> Self {
        Self {
            root,
            near: None,
            folders: Vec::new(),
            buffer: vec![0; 128 << 10],
            ways: share::Ways::default(),
        }
    }

    /// The folders seen so far, in order.
    #[must_use]
    pub fn into_folders(self) -> Vec<Folder> {
        self.folders
    }

    /// Runs `act` in the folder of `path`, which is made if it is missing.
    fn within<T>(
        &mut self,
        what: &'static str,
        path: &Path,
        act: impl FnOnce(&Dir, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<T, LayError> {
        let refuse = |e| LayError::new(what, path, e);
        let name = path.file_name().ok_or_else(|| refuse(Errno::INVAL))?;
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let known = self.near.as_ref().is_some_and(|(at, _)| at == parent);
        if !known {
            let dir = match self.root.dir(parent) {
                Err(Errno::NOENT) => self.root.mkdir_p(parent, 0o755),
                other => other,
            };
            self.near = Some((parent.to_owned(), dir.map_err(refuse)?));
        }
        let (_, dir) = self.near.as_ref().ok_or_else(|| refuse(Errno::NOENT))?;
        act(dir, name).map_err(refuse)
    }

    /// A folder. One that exists is kept, also as a link to a folder, as dpkg(1) does.
    ///
    /// # Errors
    /// When a file that is no folder has the name, or the kernel refuses.
    pub fn folder(&mut self, path: &Path, meta: Meta) -> Result<(), LayError> {
        if path.file_name().is_none() {
            return Ok(());
        }
        let made = self.within("make folder", path, |dir, name| {
            match dir.mkdir(name, 0o755) {
                Err(Errno::EXIST) => Ok(false),
                other => other.map(|()| true),
            }
        })?;
        if !made {
            self.root
                .dir(path)
                .map_err(|e| LayError::new("make folder", path, e))?;
        }
        self.folders.push(Folder {
            path: path.to_owned(),
            meta,
        });
        Ok(())
    }

    /// A regular file of exactly `size` bytes from `content`; each chunk is also shown to `see`.
    ///
    /// # Errors
    /// When the content is short or cannot be read, or the kernel refuses.
    pub fn file(
        &mut self,
        path: &Path,
        meta: &Meta,
        size: u64,
        content: &mut dyn Read,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), LayError> {
        let file = self.create(path)?;
        self.copy(path, &file, size, content, see)?;
        stamp(&file, meta).map_err(|e| LayError::new("set the owner and mode of", path, e))
    }

    /// A regular file with the content of `from`: sharing its blocks where the file system can,
    /// else with the same holes. Returns the bytes that are shared.
    ///
    /// # Errors
    /// When `from` cannot be read, or the kernel refuses.
    pub fn file_from(&mut self, path: &Path, meta: &Meta, from: &File) -> Result<u64, LayError> {
        let file = self.create(path)?;
        let shared = share::take_over(&mut self.ways, from, &file);
        let shared = shared.map_err(|e| LayError::new("copy", path, e))?;
        stamp(&file, meta).map_err(|e| LayError::new("set the owner and mode of", path, e))?;
        Ok(shared)
    }

    /// A new file; what has the name goes first.
    fn create(&mut self, path: &Path) -> Result<File, LayError> {
        self.within("write", path, |dir, name| match dir.create(name) {
            Err(Errno::EXIST) => {
                dir.unlink(name)?;
                dir.create(name)
            }
            other => other,
        })
    }

    fn copy(
        &mut self,
        path: &Path,
        mut file: &File,
        size: u64,
        content: &mut dyn Read,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), LayError> {
        let mut left = size;
        while left > 0 {
            let room = self
                .buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = match content.read(&mut self.buffer[..room]) {
                Ok(0) => {
                    let path = path.to_owned();
                    return Err(LayError::Short {
                        path,
                        got: size - left,
                        want: size,
                    });
                }
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(LayError::Content {
                        path: path.to_owned(),
                        source,
                    });
                }
            };
            see(&self.buffer[..n]);
            file.write_all(&self.buffer[..n]).map_err(|e| {
                LayError::new("write", path, Errno::from_io_error(&e).unwrap_or(Errno::IO))
            })?;
            left -= n as u64;
        }
        Ok(())
    }

    /// A symbolic link; its text is stored as it is.
    ///
    /// # Errors
    /// When a folder has the name, or the kernel refuses.
    pub fn symlink(&mut self, path: &Path, target: &Path, meta: &Meta) -> Result<(), LayError> {
        let made = self.within("make link", path, |dir, name| {
            // Never away for a moment if it is right already: other threads may go through it.
            if dir.readlink(name).is_ok_and(|t| t == target) {
                return Ok(false);
            }
            replace(dir, name, || dir.symlink(target, name))?;
            finish(dir, name, meta)?;
            Ok(true)
        })?;
        if !made {
            return Ok(());
        }
        // A link may now stand where the remembered folder was reached through.
        self.near = None;
        Ok(())
    }

    /// A hard link to `target`, which was laid down before.
    ///
    /// # Errors
    /// When `target` is missing or a folder, or the kernel refuses.
    pub fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), LayError> {
        let (from, from_name) = self
            .root
            .parent(target)
            .map_err(|e| LayError::new("link to", target, e))?;
        self.within("make link", path, |dir, name| {
            // Both names may already be the same file; then replacing would remove the last one.
            if let (Ok(a), Ok(b)) = (from.lstat(from_name), dir.lstat(name))
                && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
            {
                return Ok(());
            }
            replace(dir, name, || dir.link_from(&from, from_name, name))
        })
    }

    /// A device node or fifo. `device` is the number of a device, else 0.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn node(
        &mut self,
        path: &Path,
        kind: FileType,
        device: u64,
        meta: &Meta,
    ) -> Result<(), LayError> {
        self.within("make node", path, |dir, name| {
            replace(dir, name, || dir.mknod(name, kind, meta.mode, device))?;
            finish(dir, name, meta)?;
            dir.chmod(name, meta.mode)
        })
    }
}

/// Runs `make`; if something that is no folder has the name, it goes first.
fn replace(
    dir: &Dir,
    name: &OsStr,
    make: impl Fn() -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    match make() {
        Err(Errno::EXIST) => {
            dir.unlink(name)?;
            make()
        }
        other => other,
    }
}

fn finish(dir: &Dir, name: &OsStr, meta: &Meta) -> rustix::io::Result<()> {
    dir.chown(name, meta.uid, meta.gid)?;
    dir.utimens(name, meta.time())
}

/// Owner first, since chown(2) clears set-id bits and capabilities.
fn stamp(file: &File, meta: &Meta) -> rustix::io::Result<()> {
    rustix::fs::fchown(
        file,
        Some(Uid::from_raw(meta.uid)),
        Some(Gid::from_raw(meta.gid)),
    )?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(meta.mode & 0o7777))?;
    for (key, value) in &meta.xattrs {
        rustix::fs::fsetxattr(file, key, value, XattrFlags::empty())?;
    }
    let time = meta.time();
    rustix::fs::futimens(
        file,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )
}
