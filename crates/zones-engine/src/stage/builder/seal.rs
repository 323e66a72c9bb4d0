//! The root of an immutable zone: read-only, with folders that may be written mounted into it.
//!
//! The zone gets these mounts as a copy in its own user namespace, so that its root can neither
//! remount nor unmount one of them. Source: mount_namespaces(7), "Restrictions".

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_sys::{MountAttr, RootFd, mount_setattr};

use super::{Result, clone_of, failed, make_mount_point, move_to, open_target, tmpfs};
use crate::plan::{BootPlan, Immutable};

/// What is written there is gone with the zone, as on Solaris.
const SCRATCH: &str = "/tmp";

/// Makes the root read-only. Comes before the file systems of the zone are mounted into it.
pub(super) fn seal(
    plan: &BootPlan,
    root: &RootFd,
    immutable: &Immutable,
    owner: u32,
) -> Result<()> {
    mount_points(plan, root)?;
    let mut trees = Vec::new();
    for path in immutable.writable {
        if let Some(folder) = folder(root, path)? {
            trees.push((*path, clone_of(&folder, path)?));
        }
    }
    let attr = MountAttr {
        set: MountAttr::RDONLY,
        ..MountAttr::default()
    };
    mount_setattr(root.as_fd(), attr).map_err(failed("make read-only", "/"))?;
    for (path, tree) in trees {
        attach(root, path, &tree)?;
    }
    pin(root, immutable)?;
    for path in immutable.fixed {
        if let Some(folder) = folder(root, path)? {
            let tree = clone_of(&folder, path)?;
            mount_setattr(tree.as_fd(), attr).map_err(failed("make read-only", *path))?;
            move_to(&tree, &folder).map_err(failed("mount on", *path))?;
        }
    }
    let is_mounted = plan.filesystems.iter().any(|fs| fs.dir == SCRATCH);
    if !is_mounted && folder(root, SCRATCH)?.is_some() {
        let scratch = tmpfs(plan, 0o1777, owner, MountAttr::NOSUID | MountAttr::NODEV)?;
        attach(root, SCRATCH, &scratch)?;
    }
    Ok(())
}

/// What is mounted later finds its place: now it can still be made.
fn mount_points(plan: &BootPlan, root: &RootFd) -> Result<()> {
    let mut before: Vec<&Path> = Vec::new();
    for fs in plan.inherited.iter().chain(&plan.filesystems) {
        let dir = Path::new(&fs.dir);
        // One that lies in another file system is made there.
        if !before.iter().any(|it| dir.starts_with(it)) {
            let is_file = fs.kind == "lofs" && Path::new(&fs.special).is_file();
            make_mount_point(plan, root, dir, !is_file)?;
        }
        before.push(dir);
    }
    if plan.hostid.is_some() {
        make_mount_point(plan, root, Path::new("/etc/hostid"), false)?;
    }
    Ok(())
}

/// The folder at `path`; nothing when there is none, or a link.
fn folder(root: &RootFd, path: &str) -> Result<Option<OwnedFd>> {
    let found = match open_target(root.as_fd(), Path::new(path)) {
        Ok(found) => found,
        Err(error) if matches!(error.source, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&found).map_err(failed("look at", path))?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(is_folder.then_some(found))
}

fn attach(root: &RootFd, path: &str, tree: &OwnedFd) -> Result<()> {
    let target = open_target(root.as_fd(), Path::new(path))?;
    move_to(tree, &target).map_err(failed("mount on", path))
}

/// Mounts the folders between a writable one and a fixed one over themselves: what is a mount point
/// cannot be renamed, and so nobody can put another folder in the place of a fixed one.
fn pin(root: &RootFd, immutable: &Immutable) -> Result<()> {
    let mut between: BTreeSet<PathBuf> = BTreeSet::new();
    for path in immutable.fixed {
        let above = Path::new(path).ancestors().skip(1);
        let is_inner = |it: &&Path| !immutable.writable.iter().any(|top| Path::new(top) == *it);
        between.extend(above.take_while(is_inner).map(Path::to_owned));
    }
    for path in &between {
        let path = path.to_string_lossy();
        if let Some(folder) = folder(root, &path)? {
            let tree = clone_of(&folder, &path)?;
            move_to(&tree, &folder).map_err(failed("mount on", path))?;
        }
    }
    Ok(())
}
