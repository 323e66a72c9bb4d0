//! Whether a file system writes changes of names down in the order in which they were made.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const XFS: i64 = 0x5846_5342;

/// Where it does, syncing the last of many changes brings all of them to the disk; else each has
/// to be synced by itself, which takes milliseconds for each layer of a stack.
///
/// xfs has one log, ext4 one journal, unless it was made without. Source: kernel documentation,
/// filesystems/xfs/xfs-delayed-logging-design and filesystems/ext4/journal; `/proc/fs/jbd2` has a
/// folder for each journal that is in use.
pub fn is_kept(folder: &Path) -> bool {
    match rustix::fs::statfs(folder) {
        Ok(it) if it.f_type == XFS => true,
        Ok(_) => has_journal(folder).unwrap_or_default(),
        Err(_) => false,
    }
}

fn has_journal(folder: &Path) -> Option<bool> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let device = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let name = format!("{}-", device.file_name()?.to_str()?);
    let mut journals = fs::read_dir("/proc/fs/jbd2").ok()?.flatten();
    Some(journals.any(|it| it.file_name().to_string_lossy().starts_with(&name)))
}
