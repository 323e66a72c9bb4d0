//! A layered root: a folder with `upper`, `work` and `stack`, known by an attribute that nobody in
//! a zone can set.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zones_store::durability;

use super::kernel;
use crate::view::{UPPER, WORK};

/// Name of the attribute; its value is the id of the stack.
const ATTRIBUTE: &str = "trusted.zones.layers";
const STACK: &str = "stack";

/// Layers, the topmost first, under a name of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Its name in the references.
    pub(crate) id: String,
    /// Where the layers are.
    pub(crate) store: PathBuf,
    /// Their ids.
    pub(crate) layers: Vec<String>,
}

/// The id of the stack when the folder is a layered root.
pub(crate) fn mark_of(root: &Path) -> Option<String> {
    let mut value = [0; 64];
    let len = rustix::fs::lgetxattr(root, ATTRIBUTE, &mut value).ok()?;
    let bytes = value.get(..len)?;
    std::str::from_utf8(bytes).map(str::to_owned).ok()
}

impl Stack {
    /// That of a root; `None` for a plain one.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, Errno> {
        let Some(mark) = mark_of(root) else {
            return Ok(None);
        };
        let text = fs::read(root.join(STACK)).map_err(|error| kernel(&error))?;
        let stack: Self = serde_json::from_slice(&text).map_err(|_| Errno::BADMSG)?;
        match stack.id == mark {
            true => Ok(Some(stack)),
            false => Err(Errno::BADMSG),
        }
    }

    /// Makes a layered root of it. With `like`, whose attributes it takes, it gets an upper folder.
    /// The file of the stack is a second name of `note` where that is possible.
    pub(crate) fn build(&self, root: &Path, like: Option<&Path>, note: &Path) -> Result<(), Errno> {
        make_folder(root)?;
        if let Some(like) = like {
            for name in [UPPER, WORK] {
                make_folder(&root.join(name))?;
            }
            take_attributes(like, &root.join(UPPER))?;
        }
        let place = root.join(STACK);
        if rustix::fs::link(note, &place).is_err() {
            self.write(&place)?;
        }
        let id = self.id.as_bytes();
        rustix::fs::lsetxattr(root, ATTRIBUTE, id, XattrFlags::CREATE)?;
        keep_order(root)
    }

    /// Writes it to a new file, and to the disk.
    pub(crate) fn write(&self, place: &Path) -> Result<(), Errno> {
        let text = serde_json::to_vec(self).map_err(|_| Errno::BADMSG)?;
        write_new(place, &text)
    }
}

/// A new file that is on the disk afterwards, unless it is disposable.
pub(crate) fn write_new(place: &Path, text: &[u8]) -> Result<(), Errno> {
    let write = || {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(place)?;
        file.write_all(text)?;
        durability::sync(&file)
    };
    write().map_err(|error| kernel(&error))
}

/// A new folder for root alone.
pub(crate) fn make_folder(path: &Path) -> Result<(), Errno> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| kernel(&error))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), Errno> {
    durability::sync_folder(path).map_err(|error| kernel(&error))
}

/// See [`durability::keep_order`].
pub(crate) fn keep_order(path: &Path) -> Result<(), Errno> {
    durability::keep_order(path).map_err(|error| kernel(&error))
}

/// Owner, mode, times and attributes of a folder: those of the root as the zone sees it.
pub(crate) fn take_attributes(from: &Path, to: &Path) -> Result<(), Errno> {
    let meta = fs::symlink_metadata(from).map_err(|error| kernel(&error))?;
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    rustix::fs::chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    for (name, value) in attributes(from)? {
        rustix::fs::lsetxattr(to, name.as_str(), &value, XattrFlags::empty())?;
    }
    rustix::fs::chmod(to, Mode::from_raw_mode(meta.mode() & 0o7777))?;
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(meta.atime(), meta.atime_nsec()),
        last_modification: time(meta.mtime(), meta.mtime_nsec()),
    };
    rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Attributes that belong to the zone.
pub(crate) fn attributes(path: &Path) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let kept = |name: &str| zones_archive::is_kept_xattr(name);
    all_attributes(path, &kept)
}

/// Those of which `is_wanted` says so, sorted by name.
pub(crate) fn all_attributes(
    path: &Path,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    const MOST: usize = 64 << 10;
    let mut names = vec![0; MOST];
    let len = match rustix::fs::llistxattr(path, &mut names) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let names = names.get(..len).unwrap_or_default().split(|it| *it == 0);
    let mut found = Vec::new();
    for name in names.filter_map(|it| std::str::from_utf8(it).ok()) {
        if name.is_empty() || !is_wanted(name) {
            continue;
        }
        let mut value = vec![0; MOST];
        let len = rustix::fs::lgetxattr(path, name, &mut value)?;
        value.truncate(len);
        found.push((name.to_owned(), value));
    }
    found.sort();
    Ok(found)
}

/// Whether two folders look the same from outside, but for their times.
pub(crate) fn are_alike(one: &Path, other: &Path) -> Result<bool, Errno> {
    let of = |path: &Path| {
        let meta = fs::symlink_metadata(path).map_err(|error| kernel(&error))?;
        Ok::<_, Errno>((meta.mode(), meta.uid(), meta.gid(), attributes(path)?))
    };
    Ok(of(one)? == of(other)?)
}

/// Whether nothing is in a folder.
pub(crate) fn is_empty(path: &Path) -> Result<bool, Errno> {
    let mut entries = fs::read_dir(path).map_err(|error| kernel(&error))?;
    Ok(entries.next().is_none())
}
