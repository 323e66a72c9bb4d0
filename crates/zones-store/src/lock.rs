//! Locks on the index and on a zone: `flock` on files below `/run/zones`.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zones_types::ZoneName;

use crate::{Layout, StoreError, atomic};

/// How often a lock is made anew whose folder goes at the same moment.
const TRIES: u32 = 1000;

/// A lock that is held; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl AsFd for Lock {
    /// Who else gets this descriptor holds the lock, too.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Lock {
    /// Waits for the lock on the index.
    pub(crate) fn index(layout: &Layout) -> Result<Self, StoreError> {
        wait(&layout.run().join("index.lock"))
    }

    /// Waits for the lock on what zones share of the network of the host: one lock for all hosts
    /// of zones in this network namespace.
    pub fn network() -> Result<Self, StoreError> {
        wait(&Layout::network().join("lock"))
    }

    /// Lets go of the lock on the network and takes its folder away, unless something is noted
    /// there: a network namespace that is gone leaves nothing.
    pub fn retire_network(self) {
        retire(&Layout::network());
    }

    /// Waits for the lock on a zone, `/run/zones/ZONE/lock`.
    ///
    /// Whoever sets `_ZONEADM_LOCK_HELD` for a child must see to it that the child does not call
    /// this: the lock belongs to the open file, so the child would wait for its parent.
    pub fn zone(layout: &Layout, zone: &ZoneName) -> Result<Self, StoreError> {
        wait(&zone_path(layout, zone))
    }

    /// Takes the lock on a zone if nobody has it; `None` when somebody does.
    pub fn try_zone(layout: &Layout, zone: &ZoneName) -> Result<Option<Self>, StoreError> {
        let path = zone_path(layout, zone);
        let file = open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(StoreError::io("lock", &path)(errno.into())),
        }
    }
}

/// Takes a folder away in which there is nothing but its lock, which the caller has.
fn retire(folder: &Path) {
    let only =
        |mut names: std::fs::ReadDir| names.all(|it| it.is_ok_and(|it| it.file_name() == "lock"));
    if std::fs::read_dir(folder).is_ok_and(only) {
        // The folder of somebody who came meanwhile is not empty.
        let _ = std::fs::remove_file(folder.join("lock"));
        let _ = std::fs::remove_dir(folder);
    }
}

fn zone_path(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.run_zone(zone).join("lock")
}

fn open(path: &Path) -> Result<File, StoreError> {
    if let Some(folder) = path.parent() {
        atomic::make_folder(folder, 0o700)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::io("open", path))
}

/// Waits for a lock. Whoever has one may take its file away, see [`Lock::retire_network`]: then the
/// one that is there by now counts.
fn wait(path: &Path) -> Result<Lock, StoreError> {
    let mut tries = 0..TRIES;
    loop {
        let file = match open(path) {
            Ok(file) => file,
            // Its folder was taken away right now: before it was opened, or while it was made.
            Err(StoreError::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::AlreadyExists
                ) && tries.next().is_some() =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) if is_at(&file, path) => return Ok(Lock { file }),
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(StoreError::io("lock", path)(errno.into())),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_locked_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let zone: ZoneName = "z1".parse().unwrap();
        let held = Lock::zone(&layout, &zone).unwrap();
        assert!(Lock::try_zone(&layout, &zone).unwrap().is_none());
        let other = Lock::try_zone(&layout, &"z2".parse().unwrap()).unwrap();
        assert!(other.is_some());
        drop(held);
        assert!(Lock::try_zone(&layout, &zone).unwrap().is_some());
    }
    #[test]
    fn a_lock_that_is_taken_away_still_keeps_others_out() {
        const ROUNDS: usize = 200;
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("network/1");
        let path = folder.join("lock");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let lock = wait(&path).unwrap();
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0, "two have the lock");
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        retire(&folder);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!folder.exists());
        let lock = wait(&path).unwrap();
        std::fs::write(folder.join("settings"), "noted").unwrap();
        retire(&folder);
        assert!(path.exists(), "what is noted stays, and its lock with it");
        drop(lock);
    }
}
