//! The files of an image, for planning.

use std::cell::RefCell;
use std::io::{self, Read};

use rustix::io::Errno;
use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest, ImagePathRef};
use zones_sys::RootFd;

use crate::apply::Folders;
use crate::plan::Disk;

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
                digest(file, algorithm, &mut buffer).map(Some)
            }
            Err(error) if is_absence(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The digest of all that can be read from `from`.
pub(super) fn digest(
    mut from: impl Read,
    algorithm: Algorithm,
    buffer: &mut Vec<u8>,
) -> io::Result<Digest> {
    buffer.resize(CHUNK, 0);
    let mut hasher = Hasher::new(algorithm);
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
