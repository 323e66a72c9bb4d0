//! Files with several names of which only some are in the list of changes.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use zones_archive::{Change, ChangeKind, DiffOptions, Silent, differ};
use zones_sys::RootFd;

use super::{is_replaced, parent};
use crate::error::StreamError;

type Identity = (u64, u64);

/// What the list of changes does not say by itself.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Changed names that are folders in the new tree.
    pub(super) folders: HashSet<PathBuf>,
    /// Changed names that are no folders in the new tree, or nothing.
    pub(super) gone: HashSet<PathBuf>,
    /// Names that did not change, of files that got one more.
    unchanged: HashMap<Identity, Vec<PathBuf>>,
}

impl Names {
    pub(super) fn of(changes: &[Change], has_old: bool, new: &RootFd) -> Result<Self, StreamError> {
        let mut names = Self::default();
        let mut seen: HashMap<Identity, u64> = HashMap::new();
        let mut wanted: HashMap<Identity, u64> = HashMap::new();
        for change in changes {
            let path = &change.path;
            if matches!(change.kind, ChangeKind::Removed(_)) {
                names.gone.insert(path.clone());
                continue;
            }
            if path.as_os_str().is_empty() {
                names.folders.insert(path.clone());
                continue;
            }
            let (dir, name) = parent(new, path).map_err(StreamError::read(path))?;
            let stat = dir.lstat(name).map_err(StreamError::read(path))?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                names.folders.insert(path.clone());
                continue;
            }
            if is_replaced(change) {
                names.gone.insert(path.clone());
            }
            if stat.st_nlink > 1 {
                let identity = (stat.st_dev, stat.st_ino);
                *seen.entry(identity).or_default() += 1;
                let is_new = matches!(change.kind, ChangeKind::Added(_)) || is_replaced(change);
                if is_new {
                    wanted.insert(identity, stat.st_nlink);
                }
            }
        }
        let is_short = |(identity, links): (&Identity, &u64)| seen.get(identity) < Some(links);
        if has_old && wanted.iter().any(is_short) {
            let changed: HashSet<&Path> = changes.iter().map(|it| it.path.as_path()).collect();
            names.look(new, &changed, &wanted)?;
        }
        Ok(names)
    }

    /// Looks through the whole tree for the other names.
    fn look(
        &mut self,
        new: &RootFd,
        changed: &HashSet<&Path>,
        wanted: &HashMap<Identity, u64>,
    ) -> Result<(), StreamError> {
        for found in differ(None, new, DiffOptions::default(), &Silent)? {
            let is_folder = found.kind == ChangeKind::Added(FileType::Directory);
            if is_folder || changed.contains(found.path.as_path()) {
                continue;
            }
            let path = found.path;
            let (dir, name) = parent(new, &path).map_err(StreamError::read(&path))?;
            let stat = dir.lstat(name).map_err(StreamError::read(&path))?;
            let identity = (stat.st_dev, stat.st_ino);
            if wanted.contains_key(&identity) {
                self.unchanged.entry(identity).or_default().push(path);
            }
        }
        Ok(())
    }

    /// A name that did not change of the file.
    pub(super) fn anchor(&self, identity: Identity) -> Option<&PathBuf> {
        self.unchanged.get(&identity)?.first()
    }

    /// A name of each of these files, and its others.
    pub(super) fn groups(&self) -> Vec<(&PathBuf, &[PathBuf])> {
        let split = self.unchanged.values().filter_map(|all| all.split_first());
        let mut groups: Vec<_> = split.collect();
        // A stream is the same each time that it is written.
        groups.sort();
        groups
    }

    /// Names that are made anew although they did not change.
    pub(super) fn relinked(&self) -> impl Iterator<Item = &PathBuf> {
        self.unchanged
            .values()
            .filter_map(|all| all.get(1..))
            .flatten()
    }
}
