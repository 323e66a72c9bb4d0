//! Locks on the key of an image. Whoever dies lets go.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ImageError;

/// A lock that is held; dropping it lets go.
#[derive(Debug)]
pub(super) struct Hold {
    _file: File,
}

impl Hold {
    /// Waits until nobody makes or removes the image.
    pub(super) fn shared(path: &Path) -> Result<Self, ImageError> {
        Self::take(path, FlockOperation::LockShared).map(|held| Self { _file: held })
    }

    /// Waits until nobody else has to do with the image.
    pub(super) fn exclusive(path: &Path) -> Result<Self, ImageError> {
        Self::take(path, FlockOperation::LockExclusive).map(|held| Self { _file: held })
    }

    /// The same, or nothing when somebody has.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, ImageError> {
        match Self::take(path, FlockOperation::NonBlockingLockExclusive) {
            Ok(file) => Ok(Some(Self { _file: file })),
            Err(ImageError::File { source, .. })
                if source.kind() == std::io::ErrorKind::WouldBlock =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn take(path: &Path, how: FlockOperation) -> Result<File, ImageError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(ImageError::file("open", path))?;
        loop {
            match flock(&file, how) {
                Ok(()) => return Ok(file),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(ImageError::file("lock", path)(errno.into())),
            }
        }
    }
}
