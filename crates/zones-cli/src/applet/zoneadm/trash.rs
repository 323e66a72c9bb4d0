//! Trees that are no zone's any more: put aside by a rename, removed by a process of its own.
//!
//! A note in `/var/lib/zones/trash` names each folder of such trees. It is written before the first
//! rename and goes after the last file, so whatever dies, the next uninstallation or start of the
//! host goes on where it was.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use zones_store::{Layout, atomic, durability};
use zones_sys::{CloneFlags, Fork};

/// How long a command waits for the removal, in nanoseconds: a small tree is gone by then.
const PATIENCE_NS: i64 = 30_000_000;

/// What folders of removed trees are called; they stand beside the zonepath.
const PREFIX: &str = ".zones-removed-";

/// One folder of removed trees; it is there once something is put in.
pub(super) struct Trash {
    note: PathBuf,
    folder: Option<PathBuf>,
    taken: usize,
    /// Keeps others from following the note before all is in.
    lock: Option<File>,
}

impl Trash {
    /// For trees of a zonepath: beside it, so that a rename is enough.
    pub(super) fn new(layout: &Layout, zonepath: &Path) -> Self {
        let id = zones_store::random_uuid().unwrap_or_else(|_| std::process::id().to_string());
        Self {
            note: notes(layout).join(&id),
            folder: zonepath
                .parent()
                .map(|parent| parent.join(format!("{PREFIX}{id}"))),
            taken: 0,
            lock: None,
        }
    }

    /// Puts a tree aside; false when that is not possible and it must be removed where it is.
    pub(super) fn take(&mut self, tree: &Path) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        if self.lock.is_none() {
            self.lock = prepare(&self.note, folder);
            if self.lock.is_none() {
                self.folder = None;
                return false;
            }
        }
        let moved = fs::rename(tree, folder.join(self.taken.to_string())).is_ok();
        self.taken += 1;
        // The zone may be called `configured` only when the disk knows that its root is gone.
        let parent = tree.parent().map(File::open).and_then(Result::ok);
        parent.map(|parent| durability::sync(&parent));
        moved
    }
}

/// The note first, then the folder, which nobody but root may look into: the trees hold programs
/// with set-id bits.
fn prepare(note: &Path, folder: &Path) -> Option<File> {
    atomic::write(note, folder.as_os_str().as_encoded_bytes(), 0o600).ok()?;
    let lock = File::open(note).ok()?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).ok()?;
    // Somebody who swept just then may have seen a note of nothing.
    let made = note.exists() && fs::DirBuilder::new().mode(0o700).create(folder).is_ok();
    made.then_some(lock)
}

fn notes(layout: &Layout) -> PathBuf {
    layout.lib().join("trash")
}

/// Has everything removed that was put aside, now or earlier. Returns when that is done or after a
/// moment; the rest goes on by itself.
pub(super) fn sweep(layout: &Layout) {
    let notes = notes(layout);
    let mut entries = fs::read_dir(&notes).into_iter().flatten().flatten();
    if !entries.any(|entry| take(&entry.path()).is_some()) {
        return;
    }
    match zones_sys::clone_process(CloneFlags::NONE, None) {
        Ok(Fork::Child) => {
            detach();
            empty(&notes);
            zones_sys::exit_now(0)
        }
        Ok(Fork::Parent { pidfd, .. }) => {
            // Who disposes of zones has others to make.
            if durability::is_disposable() {
                return;
            }
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            let patience = Timespec {
                tv_sec: 0,
                tv_nsec: PATIENCE_NS,
            };
            let _ = rustix::event::poll(&mut fds, Some(&patience));
        }
        // A process with threads cannot fork safely: then here and now.
        Err(_) => empty(&notes),
    }
}

/// Leaves terminal, streams and name of the command behind.
fn detach() {
    let _ = rustix::process::setsid();
    zones_sys::close_all_except(&[]);
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    if let Ok(null) = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    let _ = rustix::process::chdir("/");
    zones_sys::reset_signals();
    zones_sys::set_title("zoneadm: removing files");
    let _ = rustix::process::nice(10);
}

fn empty(notes: &Path) {
    for entry in fs::read_dir(notes).into_iter().flatten().flatten() {
        let Some(_note) = take(&entry.path()) else {
            continue;
        };
        if one(&entry.path()).is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A note that nobody else is at.
fn take(note: &Path) -> Option<File> {
    let note = File::open(note).ok()?;
    let locked = rustix::fs::flock(&note, FlockOperation::NonBlockingLockExclusive);
    locked.is_ok().then_some(note)
}

fn one(note: &Path) -> Result<(), zones_storage::StorageError> {
    use std::os::unix::ffi::OsStringExt;

    let Ok(bytes) = fs::read(note) else {
        return Ok(());
    };
    let folder = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    // A note can only speak of folders that were made here.
    let Some(parent) = folder.parent().filter(|_| name.starts_with(PREFIX)) else {
        return Ok(());
    };
    match zones_storage::choose(parent) {
        // Each by itself: layers must be told.
        Ok(driver) => {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    driver.destroy(&entry.path())?;
                }
            }
            driver.destroy(&folder)
        }
        Err(_) => Ok(()),
    }
}
