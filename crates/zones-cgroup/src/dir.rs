//! A directory of a hierarchy, by descriptor; the path is kept for messages only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir as Listing, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::CgroupError;

#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Dir {
    pub(crate) fn open(path: &Path) -> Result<Self, CgroupError> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(|source| {
            let path = path.to_owned();
            CgroupError::Refused {
                doing: "open",
                path,
                source,
            }
        })?;
        let path = path.to_owned();
        Ok(Self { fd, path })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn refused(
        &self,
        doing: &'static str,
        name: &str,
    ) -> impl FnOnce(Errno) -> CgroupError {
        let path = self.path.join(name);
        move |source| CgroupError::Refused {
            doing,
            path,
            source,
        }
    }

    /// The directory `name` in this one; `None` when there is none.
    pub(crate) fn child(&self, name: &str) -> Result<Option<Self>, CgroupError> {
        match rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Self {
                fd,
                path: self.path.join(name),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refused("open", name)(errno)),
        }
    }

    /// The directory `name` in this one, made when missing.
    pub(crate) fn child_or_make(&self, name: &str) -> Result<Self, CgroupError> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(self.refused("make", name)(errno)),
        }
        match self.child(name)? {
            Some(child) => Ok(child),
            None => Err(self.refused("open", name)(Errno::NOENT)),
        }
    }

    /// Makes the directory `name`; one that exists is an error (`EXIST`).
    pub(crate) fn make_child(&self, name: &str) -> Result<Self, CgroupError> {
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o755))
            .map_err(self.refused("make", name))?;
        match self.child(name)? {
            Some(child) => Ok(child),
            None => Err(self.refused("open", name)(Errno::NOENT)),
        }
    }

    /// The directories in this one, by name.
    pub(crate) fn children(&self) -> Result<Vec<Self>, CgroupError> {
        let listing = Listing::read_from(&self.fd).map_err(self.refused("list", ""))?;
        let mut children = Vec::new();
        for entry in listing {
            let entry = entry.map_err(self.refused("list", ""))?;
            if entry.file_type() != FileType::Directory {
                continue;
            }
            // A name that is not text was made inside the zone; the kernel allows it.
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
                Ok(fd) => {
                    let path = self.path.join(name.to_string_lossy().as_ref());
                    children.push(Self { fd, path });
                }
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.refused("open", &name.to_string_lossy())(errno)),
            }
        }
        Ok(children)
    }

    /// Removes the group `name` and all below it, innermost first; a missing one is fine.
    ///
    /// Bounded in depth, because the groups inside are made by the zone.
    pub(crate) fn remove_tree(&self, name: &std::ffi::CStr, depth: u32) -> Result<(), Errno> {
        // Most groups have no groups below; the link count does not tell, but the attempt does.
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if depth > 0 => {}
            Err(errno) => return Err(errno),
        }
        let child = match rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let inner = Self {
            fd: child,
            path: self.path.join(name.to_string_lossy().as_ref()),
        };
        for entry in Listing::read_from(&inner.fd)? {
            let entry = entry?;
            let dots = matches!(entry.file_name().to_bytes(), b"." | b"..");
            if entry.file_type() == FileType::Directory && !dots {
                inner.remove_tree(entry.file_name(), depth - 1)?;
            }
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        rustix::fs::statat(&self.fd, file, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    pub(crate) fn read(&self, file: &str) -> Result<String, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, file, flags, Mode::empty())?;
        let mut bytes = Vec::new();
        loop {
            let mut block = [0; 4096];
            match rustix::io::read(&fd, &mut block)? {
                0 => break,
                n => bytes.extend_from_slice(&block[..n]),
            }
        }
        String::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
    }

    /// Reads a file that holds one number.
    pub(crate) fn number(&self, file: &str) -> Option<u64> {
        self.read(file).ok()?.trim().parse().ok()
    }

    /// Writes in one call, as the kernel wants it; never makes the file.
    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, file, flags, Mode::empty())?;
        rustix::io::write(&fd, value.as_bytes()).map(drop)
    }
}
