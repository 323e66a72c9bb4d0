//! mount_setattr(2), which rustix lacks.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

use crate::process::{Idler, last_errno};

/// What to change on a mount.
#[derive(Debug, Default, Clone, Copy)]
pub struct MountAttr<'a> {
    /// Attributes switched on, `MOUNT_ATTR_*`.
    pub set: u64,
    /// Attributes switched off.
    pub clear: u64,
    /// Owners are shown through this user namespace (`MOUNT_ATTR_IDMAP`).
    pub idmap: Option<BorrowedFd<'a>>,
    /// All mounts below, too.
    pub recursive: bool,
}

impl MountAttr<'_> {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-id bits count for nothing.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes do not open.
    pub const NODEV: u64 = 0x4;
    /// Nothing is executed.
    pub const NOEXEC: u64 = 0x8;
}

/// Changes the mount behind `mount`, a descriptor of its root.
///
/// # Errors
/// Whatever mount_setattr(2) says; `INVAL` for an idmap that this file system does not support.
pub fn mount_setattr(mount: BorrowedFd<'_>, attr: MountAttr<'_>) -> Result<(), Errno> {
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let mut raw = libc::mount_attr {
        attr_set: attr.set,
        attr_clr: attr.clear,
        propagation: 0,
        userns_fd: 0,
    };
    if let Some(namespace) = attr.idmap {
        raw.attr_set |= MOUNT_ATTR_IDMAP;
        raw.userns_fd = u64::try_from(namespace.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    let recursive = if attr.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is an empty literal and `raw` outlives the call; its size is passed.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            std::ptr::addr_of!(raw),
            std::mem::size_of_val(&raw),
        )
    };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Whether a mount of the file system that holds `folder` can show its owners through a user
/// namespace. Tried out, with a mount that nobody sees.
///
/// # Errors
/// When it cannot be tried.
pub fn can_map_owners(folder: &Path) -> Result<bool, Errno> {
    let idler = Idler::in_new_users()?;
    let pid = idler.pid().as_raw_nonzero();
    for file in ["uid_map", "gid_map"] {
        let written = std::fs::write(format!("/proc/{pid}/{file}"), "0 1000000 65536\n");
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let users = rustix::fs::open(format!("/proc/{pid}/ns/user"), flags, Mode::empty())?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(CWD, folder, flags)?;
    let attr = MountAttr {
        idmap: Some(users.as_fd()),
        ..MountAttr::default()
    };
    match mount_setattr(tree.as_fd(), attr) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::print_stdout)]
    fn file_systems_differ_in_mapping_owners() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIP file_systems_differ_in_mapping_owners: needs root");
            return;
        }
        // Neither has an owner that anybody could want to see otherwise.
        assert_eq!(can_map_owners(Path::new("/proc/self")), Ok(false));
        assert!(can_map_owners(Path::new("/nonexistent")).is_err());
    }
}
