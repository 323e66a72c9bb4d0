//! What all threads of one operation share.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use zones_ips::{Action, ImagePath, ImagePathRef};
use zones_sys::{RootFd, Stamp};

use super::{ApplyError, Content, Options, Phase, Progress, Report};
use crate::account::Accounts;
use crate::plan::{Item, Plan};

/// Bytes that are laid before they are sent to disk.
const FLUSHED: u64 = 48 << 20;

/// One operation.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) root: &'a RootFd,
    pub(super) content: &'a dyn Content,
    pub(super) options: &'a Options,
    /// Names of owners; set once the image's users are up to date.
    pub(super) accounts: Accounts,
    /// Whether owners can be set at all.
    pub(super) is_root: bool,
    /// Whether the file system may share blocks between files; false once it said no.
    pub(super) can_clone: AtomicBool,
    pub(super) bytes: AtomicU64,
    flushed: AtomicU64,
    salvaged: Mutex<Vec<(ImagePath, ImagePath)>>,
    warnings: Mutex<Vec<String>>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        root: &'a RootFd,
        content: &'a dyn Content,
        options: &'a Options,
    ) -> Self {
        Self {
            plan,
            root,
            content,
            options,
            accounts: Accounts::default(),
            is_root: rustix::process::geteuid().is_root(),
            can_clone: AtomicBool::new(true),
            bytes: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
            salvaged: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Whether what this process makes belongs to this owner at once.
    pub(super) fn is_own(&self, stamp: Stamp) -> bool {
        stamp.uid == rustix::process::geteuid().as_raw()
            && stamp.gid == rustix::process::getegid().as_raw()
    }

    pub(super) fn threads(&self) -> usize {
        match self.options.threads {
            // One of them may wait for the disk.
            0 => {
                let own = std::thread::available_parallelism().map_or(1, NonZero::get);
                own + usize::from(self.options.is_flushed)
            }
            count => count,
        }
    }

    /// Sends what was laid to disk, whenever enough of it has come together.
    pub(super) fn flush(&self) -> rustix::io::Result<()> {
        let (laid, old) = (
            self.bytes.load(Ordering::Relaxed),
            self.flushed.load(Ordering::Relaxed),
        );
        if !self.options.is_flushed || laid < old + FLUSHED {
            return Ok(());
        }
        let order = Ordering::Relaxed;
        match self.flushed.compare_exchange(old, laid, order, order) {
            Ok(_) => self.root.sync(),
            // Another thread is faster.
            Err(_) => Ok(()),
        }
    }

    pub(super) fn warn(&self, text: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(text);
    }

    pub(super) fn note_salvage(&self, from: &ImagePath, to: ImagePath) {
        let mut list = self.salvaged.lock().unwrap_or_else(PoisonError::into_inner);
        list.push((from.clone(), to));
    }

    pub(super) fn salvaged(&self) -> Vec<(ImagePath, ImagePath)> {
        let list = self.salvaged.lock().unwrap_or_else(PoisonError::into_inner);
        list.clone()
    }

    pub(super) fn report(self) -> Report {
        let inner = |list: Mutex<Vec<_>>| list.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut salvaged = inner(self.salvaged);
        let warnings = self.warnings.into_inner();
        let mut warnings = warnings.unwrap_or_else(PoisonError::into_inner);
        salvaged.sort();
        warnings.sort();
        Report {
            salvaged,
            bytes: self.bytes.into_inner(),
            warnings,
        }
    }

    /// The path of an action.
    pub(super) fn path(&self, item: Item) -> Result<ImagePathRef<'a>, ApplyError> {
        let path = self.plan.action(item).path();
        path.map_err(|source| ApplyError::Action {
            fmri: Box::new(self.plan.fmri(item).clone()),
            source,
        })
    }

    /// Mode and owner that an action asks for.
    pub(super) fn stamp(&self, item: Item) -> Result<Stamp, ApplyError> {
        let action = self.plan.action(item);
        let mode = action.mode().map_err(|source| ApplyError::Action {
            fmri: Box::new(self.plan.fmri(item).clone()),
            source,
        })?;
        let (uid, gid) = self.owner(self.path(item)?, action)?;
        Ok(Stamp { mode, uid, gid })
    }

    /// The numbers of owner and group.
    pub(super) fn owner(
        &self,
        path: ImagePathRef<'_>,
        action: &Action,
    ) -> Result<(u32, u32), ApplyError> {
        let unknown = |what, name: &str, kind, file| ApplyError::Unknown {
            path: path.to_owned(),
            what,
            name: name.to_owned(),
            kind,
            file,
        };
        let (owner, group) = (
            action.owner().unwrap_or("root"),
            action.group().unwrap_or("root"),
        );
        let uid = self.accounts.uid(owner);
        let uid = uid.ok_or_else(|| unknown("owner", owner, "user", "passwd"))?;
        let gid = self.accounts.gid(group);
        let gid = gid.ok_or_else(|| unknown("group", group, "group", "group"))?;
        Ok((uid, gid))
    }

    /// Mode and owner of folders that nobody delivers.
    pub(super) fn implied(&self) -> Stamp {
        Stamp {
            mode: 0o755,
            uid: 0,
            gid: self.accounts.gid("sys").unwrap_or(0),
        }
    }
}

/// Counts the actions of a phase.
pub(super) struct Meter<'a> {
    phase: Phase,
    total: usize,
    done: Mutex<usize>,
    call: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Meter<'a> {
    /// A phase of this many actions, some of which are done as soon as it begins.
    pub(super) fn new(
        phase: Phase,
        total: usize,
        silent: usize,
        call: &'a (dyn Fn(Progress) + Sync),
    ) -> Self {
        let meter = Self {
            phase,
            total,
            done: Mutex::new(0),
            call,
        };
        meter.add(silent);
        meter
    }

    pub(super) fn add(&self, count: usize) {
        if count == 0 {
            return;
        }
        // Called with the lock held, so that the count never falls.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += count;
        (self.call)(Progress {
            phase: self.phase,
            done: *done,
            total: self.total,
        });
    }
}
