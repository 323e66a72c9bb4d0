//! One thread at work in the image.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use rustix::fs::Timespec;
use rustix::io::Errno;
use zones_ips::{Action, ImagePath, ImagePathRef};
use zones_sys::{Dir, Stamp};

use super::ApplyError;
use super::folder::{Folders, first_link};
use super::job::Job;
use crate::check::ImageDisk;

pub(super) struct Hand<'j, 'a> {
    pub(super) job: &'j Job<'a>,
    pub(super) folders: Folders<'a>,
    pub(super) disk: ImageDisk<'a>,
    pub(super) buffer: Vec<u8>,
}

/// Wraps an error of the system, for `map_err`.
pub(super) fn failed<E: Into<io::Error>>(
    what: &'static str,
    path: ImagePathRef<'_>,
) -> impl FnOnce(E) -> ApplyError {
    move |source| ApplyError::Io {
        what,
        path: path.to_owned(),
        source: source.into(),
    }
}

impl<'j, 'a> Hand<'j, 'a> {
    pub(super) fn new(job: &'j Job<'a>) -> Self {
        Self {
            job,
            folders: Folders::new(job.root),
            disk: ImageDisk::new(job.root),
            buffer: Vec::new(),
        }
    }

    /// The folder in which `path` is laid; made if it is missing.
    pub(super) fn parent_made(&mut self, path: ImagePathRef<'_>) -> Result<Arc<Dir>, ApplyError> {
        match self.folders.folder(path.parent()) {
            Err(Errno::NOENT) => {
                self.make_parents(path)?;
                let opened = self.folders.folder(path.parent());
                opened.map_err(|error| self.no_folder(path, error))
            }
            other => other.map_err(|error| self.no_folder(path, error)),
        }
    }

    /// The folder that holds `path`; None when it is not there.
    pub(super) fn parent_found(
        &mut self,
        path: ImagePathRef<'_>,
    ) -> Result<Option<Arc<Dir>>, ApplyError> {
        match self.folders.folder(path.parent()) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(self.no_folder(path, error)),
        }
    }

    /// Makes the missing folders above `path`.
    pub(super) fn make_parents(&mut self, path: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let mut above: Vec<_> = path.parents().collect();
        above.reverse();
        for folder in above {
            self.make_folder(folder)?;
        }
        Ok(())
    }

    /// Makes one folder that nobody delivers, unless it is there.
    pub(super) fn make_folder(&mut self, path: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let parent = self.folders.folder(path.parent());
        let parent = parent.map_err(|error| self.no_folder(path, error))?;
        let name = OsStr::new(path.name());
        match parent.lstat(name) {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(failed("look at", path)(error)),
        }
        let stamp = self.job.implied();
        match parent.mkdir(name, stamp.mode) {
            // Another thread was faster.
            Err(Errno::EXIST) => Ok(()),
            made => made
                .and_then(|()| self.set_owner(&parent, name, stamp))
                .and_then(|()| parent.chmod(name, stamp.mode))
                .map_err(failed("make directory", path)),
        }
    }

    /// Why the folder of `path` cannot be opened.
    pub(super) fn no_folder(&self, path: ImagePathRef<'_>, error: Errno) -> ApplyError {
        let path = path.to_owned();
        match error {
            Errno::LOOP => {
                let link = path.as_ref().parent();
                let link = link.and_then(|parent| first_link(self.job.root, parent));
                match link {
                    Some((parent, target)) => ApplyError::Link {
                        path,
                        parent,
                        target,
                    },
                    None => ApplyError::Parent { path },
                }
            }
            Errno::NOTDIR => ApplyError::Parent { path },
            error => failed("open the directory of", path.as_ref())(error),
        }
    }

    /// Sets the owner, if this process may.
    pub(super) fn set_owner(
        &self,
        folder: &Dir,
        name: &OsStr,
        stamp: Stamp,
    ) -> rustix::io::Result<()> {
        if !self.job.is_root {
            return Ok(());
        }
        folder.chown(name, stamp.uid, stamp.gid)
    }

    /// Gives what is there owner, times and mode, in this order: a change of owner takes set-id
    /// bits away. What is right already is not touched.
    pub(super) fn restamp(
        &self,
        folder: &Dir,
        path: ImagePathRef<'_>,
        stamp: Stamp,
        time: Option<Timespec>,
    ) -> Result<(), ApplyError> {
        let name = OsStr::new(path.name());
        let stat = folder.lstat(name).map_err(failed("look at", path))?;
        let is_owned = !self.job.is_root || (stat.st_uid, stat.st_gid) == (stamp.uid, stamp.gid);
        if !is_owned {
            self.set_owner(folder, name, stamp)
                .map_err(failed("set the owner of", path))?;
        }
        if let Some(time) = time.filter(|time| time.tv_sec != stat.st_mtime) {
            folder
                .utimens(name, time)
                .map_err(failed("set the time of", path))?;
        }
        if !is_owned || stat.st_mode & 0o7777 != stamp.mode {
            folder
                .chmod(name, stamp.mode)
                .map_err(failed("set the mode of", path))?;
        }
        Ok(())
    }
}

/// The time that an action asks for.
pub(super) fn time(action: &Action) -> Option<Timespec> {
    let time = action.timestamp().ok().flatten()?;
    Some(Timespec {
        tv_sec: time.unix_seconds(),
        tv_nsec: 0,
    })
}

/// `path` with more behind its last name.
pub(super) fn beside(path: ImagePathRef<'_>, suffix: &str) -> Option<ImagePath> {
    format!("{path}{suffix}").parse().ok()
}
