//! What differs between two subvolumes that stay as they are, as btrfs tells a receiver.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;

use super::ioctl::call;

const INO_LOOKUP: libc::c_ulong = 0xd000_9412;
const SUBVOL_GETFLAGS: libc::c_ulong = 0x8008_9419;
const SEND: libc::c_ulong = 0x4048_9426;
const FIRST_FREE_OBJECTID: u64 = 256;

/// `struct btrfs_ioctl_ino_lookup_args`.
#[repr(C)]
struct InoLookup {
    treeid: u64,
    objectid: u64,
    name: [u8; 4080],
}

/// `struct btrfs_ioctl_send_args`.
#[repr(C)]
struct Send {
    send_fd: i64,
    clone_sources_count: u64,
    clone_sources: u64,
    parent_root: u64,
    flags: u64,
    version: u32,
    reserved: [u8; 28],
}

/// The number of the subvolume that a folder lies in.
///
/// # Errors
/// `NOTTY` when it is not on btrfs.
pub fn btrfs_subvolume_id(folder: impl AsFd) -> Result<u64, Errno> {
    let mut args = InoLookup {
        treeid: 0,
        objectid: FIRST_FREE_OBJECTID,
        name: [0; 4080],
    };
    // SAFETY: the layout is that of the structure, which holds no pointer.
    unsafe { call(folder.as_fd(), INO_LOOKUP, &mut args) }?;
    Ok(args.treeid)
}

/// Whether nobody can write to a subvolume.
///
/// # Errors
/// `NOTTY` when it is not on btrfs.
pub fn btrfs_is_read_only(folder: BorrowedFd<'_>) -> Result<bool, Errno> {
    const RDONLY: u64 = 2;
    let mut flags = 0_u64;
    // SAFETY: the call fills a number of 64 bits.
    unsafe { call(folder, SUBVOL_GETFLAGS, &mut flags) }?;
    Ok(flags & RDONLY != 0)
}

/// The commands that make the read-only subvolume `parent` into the read-only subvolume `folder`,
/// without the bytes of files: a file in memory, its position at the end. Source: btrfs-send(8),
/// `--no-data`.
///
/// # Errors
/// `PERM` when one of them can be written to, `NOTTY` when it is not btrfs.
pub fn btrfs_send_names(folder: BorrowedFd<'_>, parent: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const NO_FILE_DATA: u64 = 1;
    let stream = rustix::fs::memfd_create("changes", MemfdFlags::CLOEXEC)?;
    let mut args = Send {
        send_fd: i64::from(stream.as_raw_fd()),
        clone_sources_count: 0,
        clone_sources: 0,
        parent_root: btrfs_subvolume_id(parent)?,
        flags: NO_FILE_DATA,
        version: 0,
        reserved: [0; 28],
    };
    // SAFETY: the layout is that of the structure; it names no clone sources, and the descriptor is
    // open until the call is done.
    unsafe { call(folder, SEND, &mut args) }?;
    Ok(stream)
}
