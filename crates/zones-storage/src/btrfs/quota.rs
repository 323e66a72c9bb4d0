//! What subvolumes take, and limits by groups of them.
//!
//! A zone with a limit has a group of level 1 that all its subvolumes are in; its number stands in
//! an attribute of the zonepath. Nothing is counted until the first limit is asked for. Source:
//! btrfs-qgroup(8); kernel documentation, ABI/testing/sysfs-fs-btrfs.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use zones_sys::{
    allocated, btrfs_enable_quotas, btrfs_join_group, btrfs_leave_group, btrfs_limit_group,
    btrfs_make_group, btrfs_recount, btrfs_remove_group, btrfs_subvolume_id, btrfs_uuid,
};

use super::open;
use crate::driver::{roots, zonepath_of};
use crate::survey::walk;
use crate::usage::{Usage, walked};

/// Name of the attribute; its value is the number of the group, without its level.
const ATTRIBUTE: &str = "trusted.zones.group";
/// The level stands in the upper 16 bits.
const LEVEL: u64 = 1 << 48;

/// The group of a zone.
fn group_of(zonepath: &Path) -> Option<u64> {
    let mut value = [0; 24];
    let len = rustix::fs::lgetxattr(zonepath, ATTRIBUTE, &mut value).ok()?;
    let text = std::str::from_utf8(value.get(..len)?).ok()?;
    text.parse().ok()
}

/// The group that a new root is counted with.
pub(super) fn group_for(root: &Path) -> Option<u64> {
    zonepath_of(root).and_then(group_of).map(|it| LEVEL | it)
}

/// Where the kernel tells of groups; there is nothing when nothing is counted.
fn groups(folder: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let uuid = btrfs_uuid(folder)?;
    Ok(Path::new("/sys/fs/btrfs").join(uuid).join("qgroups"))
}

fn number(place: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(place.join(name)).ok()?;
    text.trim().parse().ok()
}

fn is_consistent(groups: &Path) -> bool {
    number(groups, "inconsistent").unwrap_or_default() == 0
}

/// Has everything counted anew, in the background, when a snapshot made the figures wrong. It only
/// makes figures better: a refusal is none of the caller's business.
pub(super) fn recount_if_needed(folder: BorrowedFd<'_>) {
    if groups(folder).is_ok_and(|it| !is_consistent(&it)) {
        let _ = btrfs_recount(folder, false);
    }
}

/// By what the file system counts, else by looking at every file.
pub(super) fn usage(root: &Path) -> Result<Usage, Errno> {
    let usage = match counted(root)? {
        Some(counted) => counted,
        None => surveyed(root)?,
    };
    let groups = groups(open(root)?.as_fd())?;
    let limit = zonepath_of(root).and_then(|it| limit_of(&groups, it));
    Ok(Usage { limit, ..usage })
}

/// By what the file system counts; nothing where it counts nothing, or wrongly.
pub(super) fn counted(root: &Path) -> Result<Option<Usage>, Errno> {
    let folder = open(root)?;
    let groups = groups(folder.as_fd())?;
    let place = groups.join(format!("0_{}", btrfs_subvolume_id(&folder)?));
    let known = is_consistent(&groups)
        .then(|| Some((number(&place, "referenced")?, number(&place, "exclusive")?)));
    Ok(known.flatten().map(|(refers, own)| Usage {
        own,
        refers,
        is_exact: true,
        ..Usage::default()
    }))
}

fn limit_of(groups: &Path, zonepath: &Path) -> Option<u64> {
    let place = groups.join(format!("1_{}", group_of(zonepath)?));
    let limit = number(&place, "max_exclusive")?;
    (limit != 0 && limit != u64::MAX).then_some(limit)
}

/// Extents that nothing else has are the root's own.
fn surveyed(root: &Path) -> Result<Usage, Errno> {
    let mut usage = Usage::default();
    let mut known = std::collections::HashSet::new();
    walk(root, &mut |seen| {
        if seen.stat.st_nlink > 1 && !known.insert(seen.stat.st_ino) {
            return Ok(());
        }
        if let Some(file) = seen.open_file()? {
            let (all, shared) = allocated(&file)?;
            usage.refers += all;
            usage.own += all - shared;
        }
        Ok(())
    })?;
    Ok(usage)
}

/// All roots of a zone. Without a group, blocks that only they share are told as nobody's own.
pub(super) fn usage_of_zone(zonepath: &Path) -> Result<Usage, Errno> {
    let root = zonepath.join("root");
    let folder = open(&root)?;
    let mut all = match zones_sys::btrfs_is_subvolume(&folder)? {
        true => usage(&root)?,
        false => walked(&root)?,
    };
    let groups = groups(folder.as_fd())?;
    if let Some(group) = group_of(zonepath)
        && let Some(own) = number(&groups.join(format!("1_{group}")), "exclusive")
    {
        all.own = own;
        return Ok(all);
    }
    for other in roots(zonepath).iter().filter(|it| **it != root) {
        all.own += usage(other)?.own;
        all.is_exact = false;
    }
    Ok(all)
}

/// Limits a zone; see `Driver::set_limit`.
pub(super) fn limit(zonepath: &Path, limit: Option<u64>) -> Result<(), Errno> {
    // What is asked of the folder of the zonepath is not billed to a zone that is full.
    let folder = open(zonepath)?;
    let folder = folder.as_fd();
    if let Some(number) = group_of(zonepath) {
        match btrfs_limit_group(folder, LEVEL | number, limit) {
            // Somebody has stopped the counting, or taken the group away.
            Err(Errno::NOTCONN | Errno::NOENT) => {}
            other => return other,
        }
    }
    if limit.is_none() {
        return Ok(());
    }
    if !groups(folder)?.exists() {
        btrfs_enable_quotas(folder)?;
    }
    let number = btrfs_subvolume_id(open(&zonepath.join("root"))?)?;
    let group = LEVEL | number;
    btrfs_make_group(folder, group)?;
    for root in roots(zonepath) {
        let root = open(&root)?;
        if zones_sys::btrfs_is_subvolume(&root)? {
            btrfs_join_group(folder, btrfs_subvolume_id(&root)?, group)?;
        }
    }
    let text = number.to_string();
    rustix::fs::lsetxattr(zonepath, ATTRIBUTE, text.as_bytes(), XattrFlags::empty())?;
    btrfs_limit_group(folder, group, limit)?;
    btrfs_recount(folder, true)
}

/// Removes the group of a zone whose roots are about to go. The groups of the roots themselves go
/// with them: kernels before 6.10 leave these, and they cost nothing.
pub(super) fn release(zonepath: &Path) -> Result<(), Errno> {
    let Some(number) = group_of(zonepath) else {
        return Ok(());
    };
    let group = LEVEL | number;
    let folder = open(zonepath)?;
    let folder = folder.as_fd();
    for root in roots(zonepath) {
        let root = open(&root)?;
        if zones_sys::btrfs_is_subvolume(&root)? {
            btrfs_leave_group(folder, btrfs_subvolume_id(&root)?, group)?;
        }
    }
    btrfs_remove_group(folder, group)?;
    rustix::fs::lremovexattr(zonepath, ATTRIBUTE)?;
    recount_if_needed(folder);
    Ok(())
}
