//! The content of a file, taken over from another one: its blocks where the file system can share
//! them, else its bytes, without those of its holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::extents::next_data;

/// How much is read at once where the kernel does not copy by itself, in bytes.
const CHUNK: usize = 256 << 10;

/// What the file systems of a copy can do; found out once, by trying.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    reflink: bool,
    in_kernel: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            reflink: true,
            in_kernel: true,
        }
    }
}

/// Makes `to`, an empty file, one with the content of `from`; the bytes that need no room of their
/// own. Sources: ioctl_ficlone(2), copy_file_range(2), lseek(2).
pub(super) fn take_over(ways: &mut Ways, from: &File, to: &File) -> Result<u64, Errno> {
    let size = rustix::fs::fstat(from)?.st_size.cast_unsigned();
    if size == 0 {
        return Ok(0);
    }
    if ways.reflink {
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => return Ok(size),
            Err(error) if is_no_way(error) => ways.reflink = false,
            // A file of its own kind (compressed, inline, swap): the others may do.
            Err(Errno::INVAL | Errno::PERM | Errno::TXTBSY) => {}
            Err(error) => return Err(error),
        }
    }
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, size)? {
        copy(ways, from, to, start, end)?;
        at = end;
    }
    rustix::fs::ftruncate(to, size)?;
    Ok(0)
}

fn is_no_way(error: Errno) -> bool {
    matches!(
        error,
        Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS | Errno::BADF
    )
}

fn copy(ways: &mut Ways, from: &File, to: &File, start: u64, end: u64) -> Result<(), Errno> {
    let (mut read, mut written) = (start, start);
    while ways.in_kernel && read < end {
        let want = usize::try_from(end - read)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), want) {
            // The file became shorter meanwhile.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::INVAL) => break,
            Err(error) if is_no_way(error) => ways.in_kernel = false,
            Err(error) => return Err(error),
        }
    }
    by_hand(from, to, read, end).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

fn by_hand(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    if at >= end {
        return Ok(());
    }
    let mut buffer = vec![0; CHUNK];
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        match from.read_at(&mut buffer[..want], at) {
            Ok(0) => break,
            Ok(n) => {
                to.write_all_at(&buffer[..n], at)?;
                at += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Every way gives the same bytes, and a hole stays one.
    #[test]
    fn all_ways_lead_to_the_same_file() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("from");
        let from = File::create_new(&path).expect("from");
        from.set_len(40 << 20).expect("size");
        from.write_all_at(b"start", 0).expect("start");
        from.write_all_at(&[7; 300_000], (20 << 20) + 77)
            .expect("middle");
        let from = File::open(&path).expect("from");
        let want = std::fs::read(&path).expect("read");
        for (reflink, in_kernel) in [(true, true), (false, true), (false, false)] {
            let mut ways = Ways { reflink, in_kernel };
            let copy = temp.path().join(format!("{reflink}{in_kernel}"));
            let to = File::create_new(&copy).expect("to");
            take_over(&mut ways, &from, &to).expect("take over");
            assert!(std::fs::read(&copy).expect("read") == want);
            let blocks = to.metadata().expect("stat").blocks();
            assert!(
                blocks * 512 < 4 << 20,
                "{blocks} blocks of a file that is mostly hole"
            );
        }
        let empty = File::create_new(temp.path().join("e1")).expect("empty");
        let to = File::create_new(temp.path().join("e2")).expect("empty");
        assert_eq!(
            take_over(&mut Ways::default(), &empty, &to).expect("empty"),
            0
        );
    }
}
