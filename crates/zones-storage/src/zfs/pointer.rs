//! What lies at the path of a root: an empty folder with an attribute that names the dataset,
//! relative to the one that the folder itself lies in. So whoever renames or sends the whole of it
//! takes the roots along.
//!
//! A pointer is made under a name of its own before its dataset is, and gets the name of the root
//! when that is there. One that is left over from a crash tells what else is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{CWD, FlockOperation, Mode, RenameFlags, XattrFlags};
use rustix::io::Errno;

use super::command;
use super::dataset::{CONTAINERS, OURS, Place};
use crate::dir::{NEW, remove_tree};
use crate::driver::Cause;
use crate::overlay::stack::sync_folder;

/// Nobody in a zone can set it.
const DATASET: &str = "trusted.zones.dataset";
/// The snapshot that a clone is being made of, until that is done.
const ORIGIN: &str = "trusted.zones.origin";
/// What the names of datasets begin with: of roots to write to, and of frozen ones.
const BASES: [&str; 2] = ["zbe", "snap"];
/// Longest name of a dataset. Source: zfs(8), `ZFS_MAX_DATASET_NAME_LEN`.
const LEN_MAX: usize = 256;

/// The dataset of a root; `None` for one that is none.
pub(super) fn resolve(root: &Path) -> Result<Option<String>, Errno> {
    let Some(name) = attribute(root, DATASET) else {
        return Ok(None);
    };
    if !is_root(&name) {
        return Err(Errno::BADMSG);
    }
    Ok(Some(format!("{}/{name}", Place::of(root)?.holder)))
}

/// Whether a folder is one.
pub(super) fn is_one(root: &Path) -> bool {
    attribute(root, DATASET).is_some()
}

/// Whether something has the form of the names that [`Pointer::begin`] gives.
fn is_root(name: &str) -> bool {
    let Some((container, leaf)) = name.split_once('/') else {
        return false;
    };
    let id = BASES.iter().find_map(|base| leaf.strip_prefix(base));
    let id = id.and_then(|it| it.strip_prefix('-'));
    CONTAINERS.contains(&container)
        && id.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_hexdigit()))
}

fn attribute(path: &Path, name: &str) -> Option<String> {
    let mut value = [0; LEN_MAX];
    let len = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    let bytes = value.get(..len)?;
    std::str::from_utf8(bytes).map(str::to_owned).ok()
}

/// One that is being made.
#[derive(Debug)]
pub(super) struct Pointer {
    path: PathBuf,
    dataset: String,
    origin: Option<String>,
    /// Tells others that somebody is at it: this process, or a command that it started.
    lock: File,
}

impl Pointer {
    /// In `parent`, for a dataset that is to be made in `place`, a clone of `source` if there is
    /// one.
    pub(super) fn begin(
        parent: &Path,
        place: &Place,
        base: &str,
        source: Option<&str>,
    ) -> Result<Self, Errno> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let id = format!("{:016x}", u64::from_ne_bytes(random));
        let path = parent.join(format!("{NEW}{id}"));
        rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755))?;
        let prepare = || {
            rustix::fs::chmod(&path, Mode::from_raw_mode(0o755))?;
            let lock = File::open(&path)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            let name = format!("{}/{base}-{id}", place.container);
            let origin = source.map(|it| format!("{it}@{OURS}{id}"));
            let set = |key, value: &str| {
                rustix::fs::lsetxattr(&path, key, value.as_bytes(), XattrFlags::CREATE)
            };
            if let Some(origin) = &origin {
                set(ORIGIN, origin)?;
            }
            set(DATASET, &name)?;
            sync_folder(&path)?;
            sync_folder(parent)?;
            let dataset = format!("{}/{name}", place.holder);
            Ok((dataset, origin, lock))
        };
        let prepared = prepare().inspect_err(|_| {
            let _ = remove_tree(&path);
        });
        let (dataset, origin, lock) = prepared?;
        Ok(Self {
            path: path.clone(),
            dataset,
            origin,
            lock,
        })
    }

    pub(super) fn dataset(&self) -> String {
        self.dataset.clone()
    }

    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    pub(super) fn lock(&self) -> &File {
        &self.lock
    }

    /// Takes the snapshot that a clone is made of.
    pub(super) fn take_snapshot(&self) -> Result<(), Cause> {
        let origin = self.origin().ok_or(Errno::INVAL)?;
        command::run_locked::<&str>(&self.lock, "snapshot", &[], &[origin])?;
        Ok(())
    }

    /// Removes it, and what was made with it.
    pub(super) fn abandon(self) -> Result<(), Cause> {
        undo(&self.path)
    }

    /// Gives it the place of the root when all is made, else removes what was.
    pub(super) fn settle(self, root: &Path, made: Result<(), Cause>) -> Result<(), Cause> {
        let parent = root.parent().ok_or(Errno::INVAL)?;
        let settled = made.and_then(|()| {
            if self.origin.is_some() {
                rustix::fs::lremovexattr(&self.path, ORIGIN)?;
            }
            rustix::fs::renameat_with(CWD, &self.path, CWD, root, RenameFlags::NOREPLACE)?;
            Ok(sync_folder(parent)?)
        });
        settled.inspect_err(|_| {
            let _ = undo(&self.path);
        })
    }
}

/// Removes what killed processes left in a folder. What cannot be removed yet is tried again by
/// whoever comes next.
pub(super) fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_new = entry.file_name().to_string_lossy().starts_with(NEW);
        let path = entry.path();
        if !is_new || !is_one(&path) {
            continue;
        }
        let lock = File::open(&path)
            .ok()
            .filter(|it| rustix::fs::flock(it, FlockOperation::NonBlockingLockExclusive).is_ok());
        // Whoever had it may have given it its place meanwhile.
        if lock.is_some() && path.exists() {
            let _ = undo(&path);
        }
    }
}

/// Waits for a command that goes on making what a killed process began, and keeps others away.
pub(super) fn wait_for(path: &Path) -> Result<Option<File>, Errno> {
    let is_new = |it: &std::ffi::OsStr| it.to_string_lossy().starts_with(NEW);
    if !path.file_name().is_some_and(is_new) {
        return Ok(None);
    }
    let lock = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?,
    };
    let begun = Instant::now();
    loop {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if begun.elapsed() < command::PATIENCE => {
                std::thread::sleep(super::MOMENT);
            }
            other => return other.map(|()| Some(lock)),
        }
    }
}

/// Removes a pointer with its dataset, and the snapshot that this was being made of.
pub(super) fn undo(path: &Path) -> Result<(), Cause> {
    if let Some(dataset) = resolve(path)? {
        super::remove(&dataset, None)?;
    }
    if let Some(origin) = attribute(path, ORIGIN) {
        match command::run("destroy", &["-d"], &origin) {
            Err(error) if !error.is_missing() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(remove_tree(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_nothing_but_a_root() {
        for (name, is_fine) in [
            ("ROOT/zbe-0123456789abcdef", true),
            ("zones-roots/snap-0f", true),
            ("ROOT/zbe-", false),
            ("ROOT/zbe", false),
            ("ROOT/zbe-0f/x", false),
            ("ROOT/zbe-0f@x", false),
            ("data/zbe-0f", false),
            ("ROOT/../zbe-0f", false),
            ("zbe-0f", false),
        ] {
            assert_eq!(is_root(name), is_fine, "{name}");
        }
    }

    #[test]
    fn a_folder_without_the_attribute_is_a_root_of_another_driver() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(resolve(folder.path()), Ok(None));
        assert_eq!(resolve(&folder.path().join("none")), Ok(None));
        fs::create_dir(folder.path().join(".root-1")).unwrap();
        sweep(folder.path());
        assert!(folder.path().join(".root-1").exists());
    }
}
