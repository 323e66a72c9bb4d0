//! Locks on the index and on a zone: `flock` on files below `/run/zones`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zones_types::ZoneName;

use crate::{Layout, StoreError, atomic};

/// A lock that is held; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(StoreError::io("lock", &path)(errno.into())),
        }
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

fn wait(path: &Path) -> Result<Lock, StoreError> {
    let file = open(path)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(StoreError::io("lock", path)(errno.into())),
        }
    }
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
}
