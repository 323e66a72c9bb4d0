//! The pieces of a file that are no holes.

use std::os::fd::AsFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// The next piece of the file that is no hole, from `at` on and before `end`: its first byte and
/// the first one after it. Nothing when the rest is a hole. Source: lseek(2).
///
/// # Errors
/// Whatever lseek(2) says.
pub fn next_data(file: impl AsFd, at: u64, end: u64) -> Result<Option<(u64, u64)>, Errno> {
    if at >= end {
        return Ok(None);
    }
    let start = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => return Ok(None),
        // A file system without holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, end))),
        other => other?,
    };
    let stop = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap_or(end);
    Ok(Some((start, stop.clamp(start, end))).filter(|(start, stop)| start < stop))
}
