//! Subvolumes of btrfs(5), what differs between them and what they may take.

mod ioctl;
mod quota;
mod send;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::process::last_errno;
pub use quota::{
    btrfs_enable_quotas, btrfs_join_group, btrfs_leave_group, btrfs_limit_group, btrfs_make_group,
    btrfs_recount, btrfs_remove_group, btrfs_uuid,
};
pub use send::{btrfs_is_read_only, btrfs_send_names, btrfs_subvolume_id};

const SUBVOL_CREATE_V2: libc::c_ulong = 0x5000_9418;
const SNAP_CREATE_V2: libc::c_ulong = 0x5000_9417;
const SNAP_DESTROY: libc::c_ulong = 0x5000_940f;
/// Inode number of the root of every subvolume.
const FIRST_FREE_OBJECTID: u64 = 256;

/// `struct btrfs_ioctl_vol_args_v2`.
#[repr(C)]
struct VolArgsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    /// Length and place of an [`Inherit`], or nothing.
    inherit_len: u64,
    inherit: u64,
    unused: [u64; 2],
    name: [u8; 4040],
}

/// `struct btrfs_qgroup_inherit` with one group.
#[repr(C)]
struct Inherit {
    flags: u64,
    groups: u64,
    copies: [u64; 2],
    limits: [u64; 5],
    group: u64,
}

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

/// A plain name, NUL at its end.
fn fill<const N: usize>(name: &str) -> Result<[u8; N], Errno> {
    let mut field = [0; N];
    if name.is_empty() || name.contains(['/', '\0']) || name.len() >= N.min(256) {
        return Err(Errno::INVAL);
    }
    field[..name.len()].copy_from_slice(name.as_bytes());
    Ok(field)
}

fn create(
    parent: BorrowedFd<'_>,
    name: &str,
    source: Option<BorrowedFd<'_>>,
    readonly: bool,
    group: Option<u64>,
) -> Result<(), Errno> {
    const RDONLY: u64 = 2;
    const QGROUP_INHERIT: u64 = 4;
    let fd = source.map_or(0, |fd| i64::from(fd.as_raw_fd()));
    let inherit = Inherit {
        flags: 0,
        groups: 1,
        copies: [0; 2],
        limits: [0; 5],
        group: group.unwrap_or_default(),
    };
    let place = std::ptr::from_ref(&inherit).expose_provenance() as u64;
    let mut flags = if readonly { RDONLY } else { 0 };
    if group.is_some() {
        flags |= QGROUP_INHERIT;
    }
    let args = VolArgsV2 {
        fd,
        transid: 0,
        flags,
        inherit_len: group.map_or(0, |_| size_of::<Inherit>() as u64),
        inherit: group.map_or(0, |_| place),
        unused: [0; 2],
        name: fill(name)?,
    };
    let request = if source.is_some() {
        SNAP_CREATE_V2
    } else {
        SUBVOL_CREATE_V2
    };
    // SAFETY: `args` has the layout of the kernel's structure and outlives the call, as does what
    // it points to.
    let answer = unsafe { libc::ioctl(parent.as_raw_fd(), request, std::ptr::addr_of!(args)) };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Makes the empty subvolume `name` in the folder `parent`, counted with a group.
///
/// # Errors
/// `NOTTY` when `parent` is not on btrfs, `EXIST` when the name is taken.
pub fn btrfs_subvolume_create(
    parent: BorrowedFd<'_>,
    name: &str,
    group: Option<u64>,
) -> Result<(), Errno> {
    create(parent, name, None, false, group)
}

/// Makes `name` in `parent` a snapshot of the subvolume `source`, counted with a group.
///
/// # Errors
/// `NOTTY` when it is not btrfs, `XDEV` across file systems.
pub fn btrfs_snapshot(
    parent: BorrowedFd<'_>,
    name: &str,
    source: BorrowedFd<'_>,
    readonly: bool,
    group: Option<u64>,
) -> Result<(), Errno> {
    create(parent, name, Some(source), readonly, group)
}

/// Removes the subvolume `name` from `parent`; its space is freed in the background.
///
/// # Errors
/// `NOTEMPTY` when another subvolume lies in it.
pub fn btrfs_subvolume_delete(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let args = VolArgs {
        fd: 0,
        name: fill(name)?,
    };
    // SAFETY: `args` has the layout of the kernel's structure and outlives the call.
    let answer = unsafe { libc::ioctl(parent.as_raw_fd(), SNAP_DESTROY, std::ptr::addr_of!(args)) };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Whether the folder is the root of a subvolume.
///
/// # Errors
/// Whatever fstat(2) says.
pub fn btrfs_is_subvolume(folder: impl AsFd) -> Result<bool, Errno> {
    const BTRFS_MAGIC: i64 = 0x9123_683e;
    let inode = rustix::fs::fstat(&folder)?.st_ino;
    let magic = rustix::fs::fstatfs(&folder)?.f_type;
    Ok(inode == FIRST_FREE_OBJECTID && magic == BTRFS_MAGIC)
}
