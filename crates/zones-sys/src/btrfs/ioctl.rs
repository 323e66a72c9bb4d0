//! Numbers and structures of btrfs beyond subvolumes. Source: Linux `include/uapi/linux/btrfs.h`.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::process::last_errno;

/// One call with its structure, which the kernel reads and may fill.
///
/// # Safety
/// `args` has the layout that belongs to `request`, and what it points to is alive.
pub(super) unsafe fn call<T>(
    fd: BorrowedFd<'_>,
    request: libc::c_ulong,
    args: &mut T,
) -> Result<libc::c_int, Errno> {
    // SAFETY: by the contract of this function.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(args)) };
    match answer {
        -1 => Err(last_errno()),
        answer => Ok(answer),
    }
}
