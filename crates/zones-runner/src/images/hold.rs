//! Locks on the key of an image. Whoever dies lets go.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ImageError;

/// Between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(5);

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

    /// Waits until nobody makes or removes the image, and holds nothing. Who waits for an image
    /// must not ask for the exclusive lock: another platform of the same run may have made it and
    /// use it by now, until the run ends.
    pub(super) fn wait(path: &Path) -> Result<(), ImageError> {
        drop(Self::shared(path)?);
        // Whoever has the lock without making the image lets go soon: no need to ask at full speed.
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// The exclusive lock, or nothing when somebody has one.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn who_waits_for_an_image_does_not_wait_for_its_users() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let maker = Hold::try_exclusive(&path).unwrap().unwrap();
        let (told, waited) = mpsc::channel();
        let waits = path.clone();
        let waiter = thread::spawn(move || {
            assert!(Hold::try_exclusive(&waits).unwrap().is_none());
            told.send(()).unwrap();
            Hold::wait(&waits).unwrap();
            told.send(()).unwrap();
        });
        waited.recv_timeout(SOON).unwrap();
        assert!(waited.recv_timeout(Duration::from_millis(50)).is_err());
        // The maker becomes a user before the waiter is told, and stays one.
        flock(&maker._file, FlockOperation::LockShared).unwrap();
        waited.recv_timeout(SOON).unwrap();
        waiter.join().unwrap();
        assert!(Hold::try_exclusive(&path).unwrap().is_none());
    }
}
