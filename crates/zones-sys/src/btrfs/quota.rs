//! Groups of subvolumes whose space is counted and limited. Source: btrfs-quota(8),
//! btrfs-qgroup(8).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::ioctl::call;

const FS_INFO: libc::c_ulong = 0x8400_941f;
const QUOTA_CTL: libc::c_ulong = 0xc010_9428;
const QGROUP_ASSIGN: libc::c_ulong = 0x4018_9429;
const QGROUP_CREATE: libc::c_ulong = 0x4010_942a;
const QGROUP_LIMIT: libc::c_ulong = 0x8030_942b;
const QUOTA_RESCAN: libc::c_ulong = 0x4040_942c;
const QUOTA_RESCAN_WAIT: libc::c_ulong = 0x942e;

/// `struct btrfs_ioctl_fs_info_args`, as far as it is needed.
#[repr(C)]
struct FsInfo {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u8; 992],
}

/// The UUID of the file system, as its folder below `/sys/fs/btrfs` is called.
///
/// # Errors
/// `NOTTY` when it is not btrfs.
pub fn btrfs_uuid(folder: BorrowedFd<'_>) -> Result<String, Errno> {
    let mut info = FsInfo {
        max_id: 0,
        num_devices: 0,
        fsid: [0; 16],
        rest: [0; 992],
    };
    // SAFETY: the layout is that of the structure, which holds no pointer.
    unsafe { call(folder, FS_INFO, &mut info) }?;
    let mut text = String::with_capacity(36);
    for (at, byte) in info.fsid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    Ok(text)
}

/// Has the file system count what subvolumes take; it does already is fine.
///
/// # Errors
/// `PERM` without rights, `OPNOTSUPP` where the kernel cannot.
pub fn btrfs_enable_quotas(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    const ENABLE: u64 = 1;
    let mut args = [ENABLE, 0];
    // SAFETY: `struct btrfs_ioctl_quota_ctl_args` is two numbers of 64 bits.
    unsafe { call(folder, QUOTA_CTL, &mut args) }.map(drop)
}

/// Makes a group; one that is there is fine.
///
/// # Errors
/// `NOTCONN` when nothing is counted.
pub fn btrfs_make_group(folder: BorrowedFd<'_>, group: u64) -> Result<(), Errno> {
    let mut args = [1, group];
    // SAFETY: `struct btrfs_ioctl_qgroup_create_args` is two numbers of 64 bits.
    match unsafe { call(folder, QGROUP_CREATE, &mut args) } {
        Err(Errno::EXIST) => Ok(()),
        other => other.map(drop),
    }
}

/// Takes a group into a higher one; it is there already is fine.
///
/// # Errors
/// `NOTCONN` when nothing is counted, `NOENT` for a group that is not there.
pub fn btrfs_join_group(folder: BorrowedFd<'_>, member: u64, group: u64) -> Result<(), Errno> {
    let mut args = [1, member, group];
    // SAFETY: `struct btrfs_ioctl_qgroup_assign_args` is three numbers of 64 bits.
    match unsafe { call(folder, QGROUP_ASSIGN, &mut args) } {
        Err(Errno::EXIST) => Ok(()),
        other => other.map(drop),
    }
}

/// Takes a group out of a higher one; it is not in there is fine.
///
/// # Errors
/// `NOTCONN` when nothing is counted.
pub fn btrfs_leave_group(folder: BorrowedFd<'_>, member: u64, group: u64) -> Result<(), Errno> {
    let mut args = [0, member, group];
    // SAFETY: `struct btrfs_ioctl_qgroup_assign_args` is three numbers of 64 bits.
    match unsafe { call(folder, QGROUP_ASSIGN, &mut args) } {
        Err(Errno::NOENT) => Ok(()),
        other => other.map(drop),
    }
}

/// Removes a group; none is fine.
///
/// # Errors
/// `BUSY` when it has members, `NOTCONN` when nothing is counted.
pub fn btrfs_remove_group(folder: BorrowedFd<'_>, group: u64) -> Result<(), Errno> {
    let mut args = [0, group];
    // SAFETY: `struct btrfs_ioctl_qgroup_create_args` is two numbers of 64 bits.
    match unsafe { call(folder, QGROUP_CREATE, &mut args) } {
        Err(Errno::NOENT) => Ok(()),
        other => other.map(drop),
    }
}

/// Limits what only the members of a group have, in bytes; `None` takes the limit away.
///
/// # Errors
/// `NOTCONN` when nothing is counted, `NOENT` for a group that is not there.
pub fn btrfs_limit_group(
    folder: BorrowedFd<'_>,
    group: u64,
    bytes: Option<u64>,
) -> Result<(), Errno> {
    const MAX_EXCL: u64 = 2;
    // The kernel takes the greatest number for none.
    let mut args = [group, MAX_EXCL, 0, bytes.unwrap_or(u64::MAX), 0, 0];
    // SAFETY: `struct btrfs_ioctl_qgroup_limit_args` is a number of 64 bits and `struct
    // btrfs_qgroup_limit`, which is five more.
    unsafe { call(folder, QGROUP_LIMIT, &mut args) }.map(drop)
}

/// Has everything counted anew, and waits for it if `waits`; one that is under way is fine.
///
/// # Errors
/// `NOTCONN` when nothing is counted.
pub fn btrfs_recount(folder: BorrowedFd<'_>, waits: bool) -> Result<(), Errno> {
    let mut args = [0_u64; 8];
    // SAFETY: `struct btrfs_ioctl_quota_rescan_args` is eight numbers of 64 bits.
    match unsafe { call(folder, QUOTA_RESCAN, &mut args) } {
        Err(Errno::INPROGRESS) => {}
        other => other.map(drop)?,
    }
    if waits {
        // SAFETY: the call takes no structure.
        unsafe { call(folder, QUOTA_RESCAN_WAIT, &mut 0_u64) }?;
    }
    Ok(())
}
