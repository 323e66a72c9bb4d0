//! A run of another process, as its journal grows.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use zones_matrix::journal::Journal;
use zones_runner::{FolderError, RunFolder, Site};

/// Reads of a journal are at least this far apart: whoever looks sees no more.
const FRAME: Duration = Duration::from_millis(100);

/// Follows one run.
pub(super) struct Following<'a> {
    folder: &'a RunFolder,
    site: &'a Site,
    tag: String,
    changes: OwnedFd,
}

impl<'a> Following<'a> {
    /// Begins with the run as it is; `run` is its id.
    ///
    /// # Errors
    /// The journal cannot be watched.
    pub(super) fn new(folder: &'a RunFolder, site: &'a Site, run: &str) -> io::Result<Self> {
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // The journal is closed when its runner ends, also when it is killed.
        let flags = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&changes, folder.journal(), flags)?;
        Ok(Self {
            folder,
            site,
            tag: Site::tag(run),
            changes,
        })
    }

    /// Has a folder count, too; whether it is there.
    pub(super) fn add(&self, folder: &Path) -> bool {
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        inotify::add_watch(&self.changes, folder, flags).is_ok()
    }

    /// What the journal says now, and whether its runner was alive just before.
    pub(super) fn read(&self) -> (Result<Journal, FolderError>, bool) {
        let alive = self.site.alive().unwrap_or_default().contains(&self.tag);
        (self.folder.read(), alive)
    }

    /// Returns when something was written, or after a time.
    pub(super) fn wait(&self, limit: Duration) {
        std::thread::sleep(FRAME.min(limit));
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.changes, PollFlags::IN)];
        // A signal is a reason to look again, like any other.
        let _ = rustix::event::poll(&mut fds, Some(&limit));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.changes, &mut buffer);
        while reader.next().is_ok() {}
    }
}
