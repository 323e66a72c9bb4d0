//! The files of an image, for planning.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

use rustix::io::Errno;
use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest, ImagePathRef};
use zones_sys::RootFd;

use crate::apply::Folders;
use crate::plan::Disk;

/// Bytes of a file that are looked at when nobody says how many it should have: a file of holes
/// costs its owner nothing, and who reads it hours.
pub(super) const LOOKED_AT_MAX: u64 = 4 << 30;

/// Bytes read at once.
pub(super) const CHUNK: usize = 128 << 10;

/// The files below a root. A link anywhere in a path means that no file is there.
#[derive(Debug)]
pub struct ImageDisk<'a> {
    folders: RefCell<Folders<'a>>,
    buffer: RefCell<Vec<u8>>,
}

impl<'a> ImageDisk<'a> {
    /// The files below this root.
    #[must_use]
    pub fn new(root: &'a RootFd) -> Self {
        Self {
            folders: RefCell::new(Folders::new(root)),
            buffer: RefCell::new(Vec::new()),
        }
    }
}

/// What says that no file is at a path.
fn is_absence(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Disk for ImageDisk<'_> {
    fn is_file(&self, path: ImagePathRef<'_>) -> io::Result<bool> {
        let mut folders = self.folders.borrow_mut();
        match folders.lstat(path) {
            Ok(stat) => Ok(crate::apply::is_regular(&stat)),
            Err(error) if is_absence(error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn size(&self, path: ImagePathRef<'_>) -> io::Result<Option<u64>> {
        match self.folders.borrow_mut().lstat(path) {
            Ok(stat) if crate::apply::is_regular(&stat) => Ok(u64::try_from(stat.st_size).ok()),
            Ok(_) => Ok(None),
            Err(error) if is_absence(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn digest(&self, path: ImagePathRef<'_>, algorithm: Algorithm) -> io::Result<Option<Digest>> {
        if !self.is_file(path)? {
            return Ok(None);
        }
        let mut folders = self.folders.borrow_mut();
        let file = folders
            .folder(path.parent())
            .and_then(|folder| folder.open_file(std::ffi::OsStr::new(path.name())));
        match file {
            Ok(file) => {
                let mut buffer = self.buffer.borrow_mut();
                digest(file, algorithm, LOOKED_AT_MAX, &mut buffer).map(Some)
            }
            Err(error) if is_absence(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The digest of a file of at most `limit` bytes.
pub(super) fn digest(
    from: File,
    algorithm: Algorithm,
    limit: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<Digest> {
    let large = || io::Error::other(format!("more than {limit} bytes, which are not looked at"));
    if from.metadata()?.len() > limit {
        return Err(large());
    }
    // It may grow meanwhile.
    let mut from = from.take(limit.saturating_add(1));
    buffer.resize(CHUNK, 0);
    let mut hasher = Hasher::new(algorithm);
    let mut size = 0;
    loop {
        match from.read(buffer) {
            Ok(0) if size > limit => return Err(large()),
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => {
                size += read as u64;
                hasher.update(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
