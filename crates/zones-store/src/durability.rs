//! Whether what is written must outlive a power failure.
//!
//! It must, unless a process says that what it makes is disposable: nobody would look for it after
//! one. Then nothing waits for the disk. That a process is killed changes nothing: what it wrote is
//! the kernel's, in its order (docs/adr/0027).

mod order;

pub use order::is_kept as is_order_kept;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Set to `1` for the commands of which a caller says that what they make is disposable.
pub const DISPOSABLE: &str = "_ZONES_DISPOSABLE";

static IS_DISPOSABLE: AtomicBool = AtomicBool::new(false);
static INSISTING: AtomicUsize = AtomicUsize::new(0);

/// From now on this process makes what need not outlive a power failure.
pub fn dispose() {
    IS_DISPOSABLE.store(true, Ordering::Relaxed);
}

/// Whether this process waits for no disk now.
#[must_use]
pub fn is_disposable() -> bool {
    IS_DISPOSABLE.load(Ordering::Relaxed) && INSISTING.load(Ordering::Relaxed) == 0
}

/// As long as this lives, what is written outlives a power failure: it is not the process' own.
#[derive(Debug)]
pub struct Insist(());

/// For a change of what others go on using.
#[must_use]
pub fn insist() -> Insist {
    INSISTING.fetch_add(1, Ordering::Relaxed);
    Insist(())
}

impl Drop for Insist {
    fn drop(&mut self) {
        INSISTING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Brings a file or folder to disk, unless it is disposable. Source: fsync(2).
///
/// # Errors
/// What the system says.
pub fn sync(file: &File) -> io::Result<()> {
    match is_disposable() {
        true => Ok(()),
        false => file.sync_all(),
    }
}

/// Brings the names in a folder to disk, unless they are disposable.
///
/// # Errors
/// What the system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    sync(&File::open(folder)?)
}

/// Has the disk know what was done in a folder no later than what comes next on the same file
/// system. It may know neither after a power failure: whoever says that something is done syncs.
///
/// # Errors
/// What the system says.
pub fn keep_order(folder: &Path) -> io::Result<()> {
    match is_disposable() || is_order_kept(folder) {
        true => Ok(()),
        false => sync_folder(folder),
    }
}

/// Brings a rename to disk, unless it is disposable.
///
/// # Errors
/// What the system says.
pub fn sync_rename(from: &Path, to: &Path) -> io::Result<()> {
    let parent = |path: &Path| path.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    let (from, to) = (parent(from), parent(to));
    if from != to {
        keep_order(&from)?;
    }
    sync_folder(&to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_disposes_of_its_own_only() {
        assert!(!is_disposable());
        dispose();
        assert!(is_disposable());
        let others = (insist(), insist());
        assert!(!is_disposable());
        drop(others.0);
        assert!(!is_disposable());
        drop(others.1);
        assert!(is_disposable());
        // Not left for other tests of the same process.
        IS_DISPOSABLE.store(false, Ordering::Relaxed);
    }
}
