//! Owner, mode and time of folders, once all files are in them.

use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use zones_sys::RootFd;

use super::{LayError, Meta};

/// A folder of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Below the root.
    pub path: PathBuf,
    /// What it shall get.
    pub meta: Meta,
}

/// Gives folders their owner, mode and time. Of one path the first entry counts. A path that
/// is a link now is left alone: its target has an entry of its own or came from elsewhere.
///
/// # Errors
/// When the kernel refuses.
pub fn apply_folders(root: &RootFd, mut folders: Vec<Folder>) -> Result<(), LayError> {
    folders.sort_by(|a, b| a.path.cmp(&b.path));
    folders.dedup_by(|later, first| later.path == first.path);
    // Children first: changing one changes nothing above, but a folder that loses its `x` bit
    // would hide what is below it from a caller without privileges.
    for folder in folders.iter().rev() {
        apply(root, folder).map_err(|e| LayError::new("set the mode of", &folder.path, e))?;
    }
    Ok(())
}

fn apply(root: &RootFd, folder: &Folder) -> Result<(), Errno> {
    use std::os::fd::AsRawFd as _;

    let (parent, name) = root.parent(&folder.path)?;
    let dir = match parent.dir(name) {
        Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let meta = &folder.meta;
    // The descriptor is O_PATH, which fchown(2) refuses; /proc names the same folder.
    let via = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsFd::as_fd(&dir).as_raw_fd()
    );
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    rustix::fs::chownat(CWD, &via, Some(uid), Some(gid), AtFlags::empty())?;
    rustix::fs::chmodat(
        CWD,
        &via,
        Mode::from_raw_mode(meta.mode & 0o7777),
        AtFlags::empty(),
    )?;
    for (key, value) in &meta.xattrs {
        rustix::fs::setxattr(&via, key, value, XattrFlags::empty())?;
    }
    let time = meta.time();
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, &via, &times, AtFlags::empty())
}
