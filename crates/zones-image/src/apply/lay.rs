//! Files: in several threads, each step for itself.

use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FileType, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use zones_ips::ImagePathRef;
use zones_ips::preserve::Outcome;
use zones_sys::{Dir, Stamp};

use super::folder::{is_free, kind, temp_name};
use super::hand::{Hand, beside, failed, time};
use super::job::{Job, Meter};
use super::write::Temp;
use super::{ApplyError, extra};
use crate::plan::decide::coming;
use crate::plan::{Disk, Item, Step};

/// Steps that a thread takes at once: neighbours lie in one folder.
const BATCH: usize = 16;

/// Fewer steps than this are not worth a thread.
const WORTH: usize = 16;

/// Lays all files of a list, the others untouched. `number` is that of the first step, for names.
pub(super) fn files(
    job: &Job<'_>,
    steps: &[&Step],
    number: usize,
    meter: &Meter<'_>,
) -> Result<(), ApplyError> {
    let threads = job.threads().min(steps.len().div_ceil(WORTH)).max(1);
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<(usize, ApplyError)>> = Mutex::new(None);
    let limit = AtomicUsize::new(usize::MAX);
    let work = || {
        let mut hand = Hand::new(job);
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let end = (start + BATCH).min(steps.len());
            for (at, step) in steps.iter().enumerate().take(end).skip(start) {
                // All steps before the first that failed are done, so it is always the same one.
                if at > limit.load(Ordering::Acquire) {
                    return;
                }
                let done = hand.file(step, number + at);
                if let Err(error) = done.and_then(|()| hand.flush()) {
                    let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if first.as_ref().is_none_or(|(known, _)| at < *known) {
                        limit.store(at, Ordering::Release);
                        *first = Some((at, error));
                    }
                    return;
                }
                meter.add(1);
            }
            if end == steps.len() || start >= steps.len() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

impl Hand<'_, '_> {
    fn flush(&self) -> Result<(), ApplyError> {
        let top = self.job.options.salvage.as_ref();
        let flushed = self.job.flush();
        flushed.map_err(failed("sync the file system of", top))
    }

    /// Carries out what was decided about one file.
    pub(super) fn file(&mut self, step: &Step, number: usize) -> Result<(), ApplyError> {
        let Some(item) = step.to else { return Ok(()) };
        let path = self.job.path(item)?;
        let outcome = self.outcome(step, item)?;
        match outcome {
            Outcome::Leave => return Ok(()),
            Outcome::Salvage => return self.salvage(path),
            Outcome::Keep => return self.keep(item, path),
            Outcome::SalvageThenWrite => self.salvage(path)?,
            Outcome::Write | Outcome::RenameThenWrite(_) | Outcome::WriteBeside(_) => {}
        }
        let folder = self.parent_made(path)?;
        if extra::node(self.job.plan.action(item)).is_some() {
            return self.node(&folder, item, path, number);
        }
        let stamp = self.job.stamp(item)?;
        // With its mode at once where that gives nobody a right too early: most files.
        let is_plain = stamp.mode & 0o7000 == 0 && self.job.is_own(stamp);
        let mode = if is_plain { stamp.mode } else { 0o600 };
        let temp = Temp::create(&folder, temp_name(number), mode);
        let mut temp = temp.map_err(failed("create", path))?;
        self.fill(item, &mut temp.file)?;
        self.stamp_open(&temp, path, item, stamp)?;
        match outcome {
            Outcome::RenameThenWrite(suffix) => self.put_aside(&folder, path, suffix, number)?,
            Outcome::WriteBeside(suffix) => {
                let beside = beside(path, suffix);
                let beside = beside.ok_or(Errno::NAMETOOLONG);
                let beside = beside.map_err(failed("write beside", path))?;
                self.place(&folder, beside.as_ref(), |name| temp.rename(name))?;
                return self.keep(item, path);
            }
            _ => {}
        }
        self.place(&folder, path, |name| temp.rename(name))
    }

    /// What to do now: the administrator may have been busy since the plan was made. What was not
    /// to be fetched then is kept still.
    fn outcome(&self, step: &Step, item: Item) -> Result<Outcome, ApplyError> {
        let planned = step.outcome.unwrap_or(Outcome::Write);
        let action = self.job.plan.action(item);
        let is_fixed = !action.attributes().contains("preserve") && planned != Outcome::Keep;
        if is_fixed {
            return Ok(planned);
        }
        let path = self.job.path(item)?;
        let from = step.from.map(|item| self.job.plan.action(item));
        let from = from.filter(|from| from.kind() == action.kind());
        let now = coming(step.way, from, action, &self.disk).map_err(|cause| match cause {
            crate::plan::decide::Cause::Action(source) => ApplyError::Action {
                fmri: Box::new(self.job.plan.fmri(item).clone()),
                source,
            },
            crate::plan::decide::Cause::Disk(source) => failed("read", path)(source),
        })?;
        let is_late = now.needs_content() && !planned.needs_content();
        let is_there = || self.disk.is_file(path).map_err(failed("look at", path));
        Ok(if is_late && is_there()? { planned } else { now })
    }

    /// Leaves the content, sets the rest.
    pub(super) fn keep(&mut self, item: Item, path: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let stamp = self.job.stamp(item)?;
        let Some(folder) = self.parent_found(path)? else {
            return Ok(());
        };
        if is_free(&folder, OsStr::new(path.name())) {
            return Ok(());
        }
        let action = self.job.plan.action(item);
        self.restamp(&folder, path, stamp, time(action))?;
        for (key, value) in extra::extras(action) {
            let set = folder.set_xattr(OsStr::new(path.name()), OsStr::new(&key), &value);
            self.judge_xattr(path, &key, set)?;
        }
        Ok(())
    }

    /// Owner, attributes, time and at last the mode: a change of owner takes set-id bits and
    /// capabilities away. What is right already is not touched.
    fn stamp_open(
        &self,
        temp: &Temp<'_>,
        path: ImagePathRef<'_>,
        item: Item,
        stamp: Stamp,
    ) -> Result<(), ApplyError> {
        let action = self.job.plan.action(item);
        let file = &temp.file;
        let stat = rustix::fs::fstat(file).map_err(failed("look at", path))?;
        if self.job.is_root && (stat.st_uid, stat.st_gid) != (stamp.uid, stamp.gid) {
            let owner = (Uid::from_raw(stamp.uid), Gid::from_raw(stamp.gid));
            rustix::fs::fchown(file, Some(owner.0), Some(owner.1))
                .map_err(failed("set the owner of", path))?;
        }
        for (key, value) in extra::extras(action) {
            let set = rustix::fs::fsetxattr(file, &*key, &value, XattrFlags::empty());
            self.judge_xattr(path, &key, set)?;
        }
        if let Some(time) = time(action) {
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::futimens(file, &times).map_err(failed("set the time of", path))?;
        }
        if stat.st_mode & 0o7777 == stamp.mode {
            return Ok(());
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(stamp.mode))
            .map_err(failed("set the mode of", path))
    }

    /// A file system or user without the right to an extended attribute is worth a warning.
    fn judge_xattr(
        &self,
        path: ImagePathRef<'_>,
        key: &str,
        set: rustix::io::Result<()>,
    ) -> Result<(), ApplyError> {
        match set {
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {
                let text = format!("{path}: the attribute {key} cannot be set here");
                self.job.warn(text);
                Ok(())
            }
            other => other.map_err(failed("set an attribute of", path)),
        }
    }

    /// Gives the file of the administrator its other name. Both names are there until the new
    /// file takes the first.
    fn put_aside(
        &mut self,
        folder: &Dir,
        path: ImagePathRef<'_>,
        suffix: &str,
        number: usize,
    ) -> Result<(), ApplyError> {
        let name = OsStr::new(path.name());
        let aside = OsString::from(format!("{}{suffix}", path.name()));
        let mut second = temp_name(number);
        second.push(".aside");
        let _ = folder.unlink(&second);
        let linked = folder.link_from(folder, name, &second);
        let renamed = match linked {
            Ok(()) => folder.rename_to(&second, folder, &aside),
            Err(Errno::NOENT) => return Ok(()),
            // No second name on this file system.
            Err(_) => folder.rename_to(name, folder, &aside),
        };
        // Both may have been one file, which rename(2) leaves alone.
        let _ = folder.unlink(&second);
        renamed.map_err(failed("rename", path))
    }

    /// Makes a device node or pipe.
    fn node(
        &mut self,
        folder: &Dir,
        item: Item,
        path: ImagePathRef<'_>,
        number: usize,
    ) -> Result<(), ApplyError> {
        let stamp = self.job.stamp(item)?;
        let Some((kind, device)) = extra::node(self.job.plan.action(item)) else {
            return Ok(());
        };
        let temp = temp_name(number);
        let _ = folder.remove_all(&temp);
        match folder.mknod(&temp, kind, 0o600, device) {
            Err(Errno::PERM) => {
                self.job.warn(format!("{path}: no right to make a device"));
                return Ok(());
            }
            made => made.map_err(failed("make the device", path))?,
        }
        self.set_owner(folder, &temp, stamp)
            .and_then(|()| folder.chmod(&temp, stamp.mode))
            .map_err(failed("set the owner of", path))?;
        self.place(folder, path, |name| folder.rename_to(&temp, folder, name))
    }

    /// Renames something to `path`; a folder in its place goes, to lost+found if it is not empty.
    pub(super) fn place(
        &mut self,
        folder: &Dir,
        path: ImagePathRef<'_>,
        mut rename: impl FnMut(&OsStr) -> rustix::io::Result<()>,
    ) -> Result<(), ApplyError> {
        let name = OsStr::new(path.name());
        match rename(name) {
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {}
            other => return other.map_err(failed("rename to", path)),
        }
        let stat = folder.lstat(name).map_err(failed("look at", path))?;
        if kind(&stat) == FileType::Directory && folder.rmdir(name).is_err() {
            self.salvage(path)?;
        }
        rename(name).map_err(failed("rename to", path))
    }
}
