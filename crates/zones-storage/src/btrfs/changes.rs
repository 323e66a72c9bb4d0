//! What btrfs tells a receiver of the difference between two subvolumes, read for its names.
//!
//! Source: btrfs documentation, dev-send-stream. Names of the stream are those of before, of after,
//! or of some moment between; whatever moved, came or went is named as a whole, so nothing is lost
//! by a name of between.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_archive::Candidates;
use zones_sys::{
    btrfs_is_read_only, btrfs_is_subvolume, btrfs_send_names, btrfs_snapshot,
    btrfs_subvolume_delete,
};

use super::{open, split};
use crate::driver::zonepath_of;

const MAGIC: &[u8] = b"btrfs-stream\0";
/// Commands after which all below their paths may differ: what makes, moves and removes names.
const WHOLE: std::ops::RangeInclusive<u16> = 3..=12;
/// Commands that are not about a path of the tree: the names of the subvolumes, the end.
const APART: [u16; 3] = [1, 2, 21];
/// Attributes that hold a path.
const PATHS: std::ops::RangeInclusive<u16> = 15..=17;
/// What begins the names of snapshots that are taken to compare; see `Snapshots`.
const TEMPORARY: &str = ".new-diff-";

/// Candidates between two roots, of which each may be written to: then it is held still by a
/// snapshot meanwhile. `None` when one of them is no subvolume.
pub(super) fn between(from: &Path, to: &Path) -> Result<Option<Candidates>, Errno> {
    let (Some(from), Some(to)) = (Still::of(from)?, Still::of(to)?) else {
        return Ok(None);
    };
    let stream = match btrfs_send_names(to.fd.as_fd(), from.fd.as_fd()) {
        // Of different file systems, or a kernel that will not.
        Err(Errno::XDEV | Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT) => {
            return Ok(None);
        }
        other => File::from(other?),
    };
    let read = || {
        (&stream).seek(SeekFrom::Start(0))?;
        names(BufReader::new(&stream))
    };
    read()
        .map(Some)
        .map_err(|error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::BADMSG))
}

/// A subvolume that nobody writes to.
struct Still {
    fd: std::os::fd::OwnedFd,
    /// The snapshot that was taken for it.
    taken: Option<PathBuf>,
}

impl Still {
    fn of(root: &Path) -> Result<Option<Self>, Errno> {
        let fd = open(root)?;
        if !btrfs_is_subvolume(&fd)? {
            return Ok(None);
        }
        if btrfs_is_read_only(fd.as_fd())? {
            return Ok(Some(Self { fd, taken: None }));
        }
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random));
        let folder = zonepath_of(root).ok_or(Errno::INVAL)?.join("snap");
        let place = match folder.is_dir() {
            true => folder.join(name),
            false => root.with_file_name(name),
        };
        let (parent, name) = split(&place)?;
        btrfs_snapshot(parent.as_fd(), name, fd.as_fd(), true, None)?;
        let taken = Some(place.clone());
        let fd = open(&place)?;
        Ok(Some(Self { fd, taken }))
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(place) = &self.taken
            && let Ok((parent, name)) = split(place)
        {
            // Whoever works on the snapshots next sweeps what is left.
            let _ = btrfs_subvolume_delete(parent.as_fd(), name);
        }
    }
}

/// The names of a stream. Source: Linux `fs/btrfs/send.h`: a head, then commands, each with its
/// length, number and checksum and then attributes, each with number and length.
fn names(mut stream: impl Read) -> io::Result<Candidates> {
    let mut head = [0; 17];
    stream.read_exact(&mut head)?;
    if !head.starts_with(MAGIC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut found = Candidates::default();
    let mut head = [0; 10];
    while fill(&mut stream, &mut head)? {
        let [a, b, c, d, kind, kind_high, ..] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let kind = u16::from_le_bytes([kind, kind_high]);
        let mut body = vec![0; len];
        stream.read_exact(&mut body)?;
        if !APART.contains(&kind) {
            paths(&body, WHOLE.contains(&kind), &mut found)?;
        }
    }
    Ok(found)
}

/// Whether there is one more; half a head is an error.
fn fill(stream: &mut impl Read, head: &mut [u8]) -> io::Result<bool> {
    let (first, rest) = head.split_at_mut(1);
    if stream.read(first)? == 0 {
        return Ok(false);
    }
    stream.read_exact(rest)?;
    Ok(true)
}

fn paths(mut body: &[u8], is_whole: bool, found: &mut Candidates) -> io::Result<()> {
    while !body.is_empty() {
        let Some((&[kind, kind_high, len, len_high], rest)) = body.split_first_chunk() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let len = usize::from(u16::from_le_bytes([len, len_high]));
        let Some((value, rest)) = rest.split_at_checked(len) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        body = rest;
        // The empty path is the root, which is compared anyway.
        if PATHS.contains(&u16::from_le_bytes([kind, kind_high])) && len > 0 {
            found.add(PathBuf::from(OsStr::from_bytes(value)), is_whole);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(kind: u16, attributes: &[(u16, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, text) in attributes {
            body.extend(kind.to_le_bytes());
            body.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
            body.extend(text.as_bytes());
        }
        let mut all = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        all.extend(kind.to_le_bytes());
        all.extend([0; 4]);
        all.extend(body);
        all
    }

    #[test]
    fn names_of_a_stream_are_found() {
        let mut stream = b"btrfs-stream\0\x01\0\0\0".to_vec();
        for (kind, attributes) in [
            (2, &[(15, "snapshot"), (1, "uuid")][..]),
            (22, &[(15, "etc/changed"), (18, "12345678")]),
            (9, &[(15, "o257-7-0"), (16, "moved/to")]),
            (10, &[(15, "link"), (17, "file")]),
            (20, &[(15, "")]),
            (21, &[]),
        ] {
            stream.extend(command(kind, attributes));
        }
        let mut want = Candidates::default();
        want.extend([
            ("etc/changed".into(), false),
            ("o257-7-0".into(), true),
            ("moved/to".into(), true),
            ("link".into(), true),
            ("file".into(), true),
        ]);
        assert_eq!(names(stream.as_slice()).unwrap(), want);
        for cut in [5, 20, 40, stream.len() - 5] {
            assert!(names(&stream[..cut]).is_err(), "{cut}");
        }
    }
}
