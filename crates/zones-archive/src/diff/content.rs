//! Whether two files have the same bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::extents::next_data;

/// How much of each file is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// Whether two files have the same size and bytes. What is a hole in both is not read: a file of a
/// stranger may be longer than anybody can read.
pub(super) fn same_content(one: &File, other: &File) -> Result<bool, Errno> {
    let size = |file: &File| match file.metadata() {
        Ok(it) if it.is_file() => Ok(it.len()),
        // Somebody put a fifo of the same name there meanwhile.
        Ok(_) => Err(Errno::INVAL),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    };
    let end = size(one)?;
    if size(other)? != end {
        return Ok(false);
    }
    let mut buffers = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    loop {
        let data = (next_data(one, at, end)?, next_data(other, at, end)?);
        let (start, stop) = match data {
            (None, None) => return Ok(true),
            (Some(range), None) | (None, Some(range)) => range,
            // Up to where one of them may have a hole again.
            (Some(a), Some(b)) => (a.0.min(b.0), a.1.min(b.1)),
        };
        at = start;
        while at < stop {
            let want = usize::try_from(stop - at).unwrap_or(CHUNK).min(CHUNK);
            let failed = |e: io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
            let a = fill(one, &mut buffers.0[..want], at).map_err(failed)?;
            let b = fill(other, &mut buffers.1[..want], at).map_err(failed)?;
            if a != b || buffers.0[..a] != buffers.1[..b] {
                return Ok(false);
            }
            if a < want {
                // Both became shorter meanwhile.
                return Ok(true);
            }
            at += a as u64;
        }
    }
}

/// Reads as much as there is.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
