//! A walk of some paths only, and the other names of the files that it came across: what was
//! written by one name is seen by all of them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_sys::Dir;

use super::{Walk, Which, kind, names, read};
use crate::error::ArchiveError;
use crate::progress::{Phase, Progress};

/// Device and inode number.
type Identity = (u64, u64);

/// Files with several names.
#[derive(Debug, Default)]
pub(super) struct Named {
    old: HashSet<Identity>,
    new: HashSet<Identity>,
}

impl Named {
    /// Notes what a name stands for.
    pub(super) fn note(&mut self, was: Option<&Stat>, is: Option<&Stat>) {
        for (stat, known) in [(was, &mut self.old), (is, &mut self.new)] {
            if let Some(stat) = stat.filter(|it| has_names(it)) {
                known.insert(identity(stat));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty()
    }

    fn has(&self, was: &Stat, is: &Stat) -> bool {
        let has = |known: &HashSet<_>, stat| has_names(stat) && known.contains(&identity(stat));
        has(&self.old, was) || has(&self.new, is)
    }
}

fn has_names(stat: &Stat) -> bool {
    kind(stat) != FileType::Directory && stat.st_nlink > 1
}

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

impl Walk<'_> {
    /// Compares the names that were passed over and belong to a file that was not.
    pub(super) fn other_names(&mut self, progress: &dyn Progress) -> Result<(), ArchiveError> {
        if self.named.is_empty() {
            return Ok(());
        }
        let mut folders = vec![PathBuf::new()];
        while let Some(path) = folders.pop() {
            if progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let (Some(old), Some(new)) = self.open(&path, Which::Both)? else {
                continue;
            };
            let names = names(&path, Some(&old), Some(&new))?;
            progress.advance(Phase::Compare, names.len() as u64);
            for name in names {
                let path = path.join(&name);
                if self.other_name(&path, &name, (&old, &new))? {
                    folders.push(path);
                }
            }
        }
        Ok(())
    }

    /// Whether it is a folder to enter.
    fn other_name(
        &mut self,
        path: &Path,
        name: &OsStr,
        dirs: (&Dir, &Dir),
    ) -> Result<bool, ArchiveError> {
        let stat = |dir: &Dir| match dir.lstat(name) {
            Err(Errno::NOENT) => Ok(None),
            other => other.map(Some).map_err(|e| read(path, e)),
        };
        let (Some(was), Some(is)) = (stat(dirs.0)?, stat(dirs.1)?) else {
            return Ok(false);
        };
        if kind(&was) != kind(&is) {
            return Ok(false);
        }
        if kind(&is) == FileType::Directory {
            return Ok((was.st_dev, is.st_dev) == self.devices);
        }
        let is_known = self.options.may_differ.is_none_or(|it| it.may_differ(path));
        if !is_known && self.named.has(&was, &is) {
            let aspects = self.aspects(path, name, dirs, (&was, &is))?;
            self.changed(path, aspects);
        }
        Ok(false)
    }
}
