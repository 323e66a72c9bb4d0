//! Where the blocks of a file are.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use crate::process::last_errno;

const FIEMAP: libc::c_ulong = 0xc020_660b;
/// Extents that are asked for at once.
const AT_ONCE: usize = 128;

/// `struct fiemap_extent`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved: [u64; 2],
    flags: u32,
    more: [u32; 3],
}

/// `struct fiemap` and its extents.
#[repr(C)]
struct Request {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; AT_ONCE],
}

/// Bytes of a file that have blocks, and those of them whose blocks other files, or the same file
/// elsewhere, have, too. Source: kernel documentation, filesystems/fiemap.
///
/// # Errors
/// `OPNOTSUPP` where the file system does not tell.
pub fn allocated(file: &File) -> Result<(u64, u64), Errno> {
    const LAST: u32 = 1;
    const SHARED: u32 = 0x2000;
    let (mut all, mut shared, mut start) = (0, 0, 0);
    loop {
        let mut request = Request {
            start,
            length: u64::MAX - start,
            flags: 0,
            mapped: 0,
            count: AT_ONCE as u32,
            reserved: 0,
            extents: [Extent::default(); AT_ONCE],
        };
        // SAFETY: the structure has room for as many extents as it says.
        let answer = unsafe { libc::ioctl(file.as_raw_fd(), FIEMAP, &raw mut request) };
        if answer == -1 {
            return Err(last_errno());
        }
        let count = (request.mapped as usize).min(AT_ONCE);
        for extent in &request.extents[..count] {
            all += extent.length;
            if extent.flags & SHARED != 0 {
                shared += extent.length;
            }
            start = extent.logical.saturating_add(extent.length);
        }
        let last = request.extents[..count].last();
        if last.is_none_or(|it| it.flags & LAST != 0) {
            return Ok((all, shared));
        }
    }
}
