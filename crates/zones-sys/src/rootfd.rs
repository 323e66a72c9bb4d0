//! A folder whose content a stranger controls.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Result;

/// The root of a hostile tree. Every path is resolved by the kernel inside of it
/// (`openat2` with `RESOLVE_IN_ROOT`), so no link leads out. Source: openat2(2).
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
}

impl AsFd for RootFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
