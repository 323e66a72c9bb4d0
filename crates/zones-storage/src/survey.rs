//! Looks at everything below a folder, by descriptors and never through a link or a mount point.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir as Entries, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// Something that was come across.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    /// Below the folder; empty for the folder itself.
    pub(crate) path: &'a Path,
    pub(crate) stat: &'a Stat,
    /// The open folder, if it is one.
    pub(crate) folder: Option<BorrowedFd<'a>>,
    /// Where it is, if it is none.
    within: Option<(BorrowedFd<'a>, &'a CStr)>,
}

impl Seen<'_> {
    /// Opens it for reading if it is a file; `None` for what is none, or is gone.
    pub(crate) fn open_file(&self) -> Result<Option<File>, Errno> {
        let Some((folder, name)) = self.within else {
            return Ok(None);
        };
        if !FileType::from_raw_mode(self.stat.st_mode).is_file() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            other => other.map(|it| Some(File::from(it))),
        }
    }
}

/// A folder on the way down.
struct Level {
    /// Device and number, to know it again on the way up.
    identity: (u64, u64),
    /// Folders in it that are still to be entered; the last is the next.
    folders: Vec<CString>,
}

/// Has `visit` see a folder and all below it, a folder before what is in it. What vanishes
/// meanwhile is passed over.
///
/// A zone may make a tree deeper than the stack and the descriptors of a process reach, so the way
/// down is a list and only the folder at hand is open.
pub(crate) fn walk(
    root: &Path,
    visit: &mut dyn FnMut(&Seen<'_>) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    let mut path = PathBuf::new();
    let mut levels = vec![look(&here, &mut path, visit)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.pop() {
            match enter(here.as_fd(), &name) {
                // Gone, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
                Err(error) => return Err(error),
                Ok(folder) => {
                    path.push(OsStr::from_bytes(name.as_bytes()));
                    levels.push(look(&folder, &mut path, visit)?);
                    here = folder;
                }
            }
            continue;
        }
        levels.pop();
        path.pop();
        let Some(parent) = levels.last() else {
            break;
        };
        here = enter(here.as_fd(), c"..")?;
        let stat = rustix::fs::fstat(&here)?;
        if (stat.st_dev, stat.st_ino) != parent.identity {
            // Somebody moved the folder away meanwhile: what is above it is none of ours.
            return Err(Errno::STALE);
        }
    }
    Ok(())
}

/// Opens a folder of the same mount.
fn enter(from: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stay = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(from, name, flags, Mode::empty(), stay)
}

/// Shows a folder, and what in it is none.
fn look(
    folder: &OwnedFd,
    path: &mut PathBuf,
    visit: &mut dyn FnMut(&Seen<'_>) -> Result<(), Errno>,
) -> Result<Level, Errno> {
    let own = rustix::fs::fstat(folder)?;
    visit(&Seen {
        path,
        stat: &own,
        folder: Some(folder.as_fd()),
        within: None,
    })?;
    let mut folders = Vec::new();
    for entry in Entries::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            folders.push(name.to_owned());
            continue;
        }
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            folders.push(name.to_owned());
            continue;
        }
        path.push(OsStr::from_bytes(name.to_bytes()));
        let shown = visit(&Seen {
            path,
            stat: &stat,
            folder: None,
            within: Some((folder.as_fd(), name)),
        });
        path.pop();
        shown?;
    }
    Ok(Level {
        identity: (own.st_dev, own.st_ino),
        folders,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_is_seen_once_and_nothing_beyond_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for name in ["a/b/c", "a/d", "e"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["a/b/c/file", "a/file", "file"] {
            fs::write(root.join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/file"), "x").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
        let mut seen = Vec::new();
        walk(&root, &mut |it| {
            let slash = if it.folder.is_some() { "/" } else { "" };
            seen.push(format!("{}{slash}", it.path.display()));
            Ok(())
        })
        .unwrap();
        seen.sort();
        let all = ["/", "a/", "a/b/", "a/b/c/", "a/b/c/file", "a/d/", "a/file"];
        let all = all.iter().chain(&["e/", "file", "link"]);
        assert_eq!(seen, all.map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn a_tree_may_be_deeper_than_a_path_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut here = rustix::fs::open(&root, OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&here, "folder", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "folder", OFlags::PATH, Mode::empty()).unwrap();
        }
        let mut count = 0;
        walk(&root, &mut |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 3_001);
        crate::dir::remove_tree(&root).unwrap();
    }
}
