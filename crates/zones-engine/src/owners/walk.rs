//! Shifts every owner of a tree, by descriptors and never through a link or into a mount.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zones_sys::{Dir, RootFd};
use zones_types::Shift;

const CAPABILITY: &str = Shift::CAPABILITY;
const ACLS: [&str; 2] = Shift::ACLS;

/// What chown(2) takes from a file, noted down before: a killed walk must not lose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Special {
    path: Vec<u8>,
    inode: (u64, u64),
    mode: u32,
    capability: Option<Vec<u8>>,
}

/// Where a [`Special`] is kept while its file is worked on.
pub(super) trait Keeper {
    /// On disk before this returns.
    fn keep(&self, special: &Special) -> std::io::Result<()>;
}

/// A file that could not be done, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot shift the owner of `{}`", path.display())]
pub struct WalkError {
    path: PathBuf,
    source: std::io::Error,
}

/// A folder on the way down.
struct Level {
    identity: (u64, u64),
    name: OsString,
    /// Folders in it that are still to be done.
    folders: Vec<OsString>,
}

struct Walk<'a> {
    shift: &'a Shift,
    keeper: &'a dyn Keeper,
    device: u64,
    levels: Vec<Level>,
    changed: u64,
}

/// Gives back what a killed walk took from its last file.
pub(super) fn restore(root: &RootFd, special: &Special) -> Result<(), WalkError> {
    let path = Path::new(OsStr::from_bytes(&special.path));
    let step = || {
        let (folder, name) = root.parent(path)?;
        let stat = match folder.lstat(name) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        if (stat.st_dev, stat.st_ino) == special.inode && is_file(&stat) {
            give_back(&folder, name, special.mode, special.capability.as_deref())?;
        }
        Ok(())
    };
    step().map_err(|source: Errno| WalkError {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// Shifts the tree; the root folder is the last, so that its owner tells whether all is done.
/// Returns how many owners changed.
pub(super) fn run(root: &RootFd, shift: &Shift, keeper: &dyn Keeper) -> Result<u64, WalkError> {
    let failed = |source: Errno| WalkError {
        path: PathBuf::from("/"),
        source: source.into(),
    };
    let top = root.dir(Path::new("/")).map_err(failed)?;
    let stat = rustix::fs::fstat(&top).map_err(failed)?;
    let mut walk = Walk {
        shift,
        keeper,
        device: stat.st_dev,
        levels: Vec::new(),
        changed: 0,
    };
    walk.tree(top).map_err(|source| WalkError {
        path: walk.path(),
        source,
    })?;
    // Everything else is on disk before the owner that vouches for it.
    root.sync().map_err(failed)?;
    walk.folder_itself(root, &stat).map_err(failed)?;
    root.sync().map_err(failed)?;
    Ok(walk.changed)
}

impl Walk<'_> {
    fn path(&self) -> PathBuf {
        let names = self.levels.iter().map(|level| &level.name);
        Path::new("/").join(names.collect::<PathBuf>())
    }

    /// A zone may nest folders deeper than a process has descriptors: only the one at hand is open.
    fn tree(&mut self, top: Dir) -> std::io::Result<()> {
        let mut here = top;
        let level = self.entries(&here, OsString::new())?;
        self.levels.push(level);
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.folders.pop() {
                let below = here.dir(&name)?;
                // Entered before its entries are worked on, so that an error names it.
                self.levels.push(Level {
                    identity: (0, 0),
                    name: name.clone(),
                    folders: Vec::new(),
                });
                let level = self.entries(&below, name)?;
                self.levels.pop();
                self.levels.push(level);
                here = below;
                continue;
            }
            self.levels.pop();
            if let Some(parent) = self.levels.last() {
                here = here.up()?;
                let stat = rustix::fs::fstat(&here)?;
                if (stat.st_dev, stat.st_ino) != parent.identity {
                    return Err(Errno::STALE.into());
                }
            }
        }
        Ok(())
    }

    /// Does all entries of a folder; folders among them are returned for their own content.
    fn entries(&mut self, dir: &Dir, name: OsString) -> std::io::Result<Level> {
        let stat = rustix::fs::fstat(dir)?;
        let mut folders = Vec::new();
        for item in dir.items()? {
            let entry = dir.lstat(&item.name)?;
            if entry.st_dev != self.device {
                continue;
            }
            self.one(dir, &item.name, &entry)?;
            if FileType::from_raw_mode(entry.st_mode) == FileType::Directory {
                folders.push(item.name);
            }
        }
        Ok(Level {
            identity: (stat.st_dev, stat.st_ino),
            name,
            folders,
        })
    }

    fn one(&mut self, dir: &Dir, name: &OsStr, stat: &Stat) -> std::io::Result<()> {
        let (uid, gid) = (self.shift.id(stat.st_uid), self.shift.id(stat.st_gid));
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let attributes = if link { Vec::new() } else { dir.xattrs(name)? };
        let attribute = |wanted: &str| {
            let found = attributes.iter().find(|(key, _)| key == wanted);
            found.map(|(_, value)| value.clone())
        };
        let capability = attribute(CAPABILITY);
        if (uid, gid) != (stat.st_uid, stat.st_gid) {
            let mode = stat.st_mode & 0o7777;
            let special = is_file(stat) && (mode & 0o6000 != 0 || capability.is_some());
            if special {
                self.keeper.keep(&Special {
                    path: self.path().join(name).into_os_string().into_vec(),
                    inode: (stat.st_dev, stat.st_ino),
                    mode,
                    capability: capability.clone(),
                })?;
            }
            dir.chown(name, uid, gid)?;
            self.changed += 1;
            if special {
                give_back(dir, name, mode, None)?;
            }
        }
        if let Some(old) = capability {
            let new = self.shift.capability(&old).unwrap_or(old);
            dir.set_xattr(name, OsStr::new(CAPABILITY), &new)?;
        }
        for key in ACLS {
            if let Some(old) = attribute(key)
                && let Some(new) = self.shift.acl(&old).filter(|new| *new != old)
            {
                dir.set_xattr(name, OsStr::new(key), &new)?;
            }
        }
        Ok(())
    }

    fn folder_itself(&mut self, root: &RootFd, stat: &Stat) -> Result<(), Errno> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let top = root.open_beneath(Path::new("/"), flags, rustix::fs::Mode::empty())?;
        for key in ACLS {
            let mut old = vec![0; 65_536];
            let Ok(length) = rustix::fs::fgetxattr(&top, key, &mut old) else {
                continue;
            };
            if let Some(new) = self.shift.acl(&old[..length]) {
                rustix::fs::fsetxattr(&top, key, &new, rustix::fs::XattrFlags::empty())?;
            }
        }
        let uid = rustix::fs::Uid::from_raw(self.shift.id(stat.st_uid));
        let gid = rustix::fs::Gid::from_raw(self.shift.id(stat.st_gid));
        rustix::fs::fchown(&top, Some(uid), Some(gid))?;
        self.changed += u64::from(uid.as_raw() != stat.st_uid);
        Ok(())
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn give_back(dir: &Dir, name: &OsStr, mode: u32, capability: Option<&[u8]>) -> Result<(), Errno> {
    dir.chmod(name, mode)?;
    match capability {
        Some(value) => dir.set_xattr(name, OsStr::new(CAPABILITY), value),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
