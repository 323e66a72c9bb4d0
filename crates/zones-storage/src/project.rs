//! Limits of zones by project quotas, on file systems that have them.
//!
//! The folder of the zonepath bears the number of the zone's project, and does not hand it on: what
//! may be renamed into a folder that does is for files of the same project alone. The roots do.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use zones_sys::{limit_project, project_of, project_usage, set_project};

use crate::driver::{DriverKind, LAYERED, roots, zonepath_of};
use crate::survey::walk;
use crate::view::{UPPER, WORK};

/// The least number that is given to a zone; those below are an administrator's, in
/// `/etc/projects`.
const FIRST: u32 = 0x5a00_0000;
const COUNT: u32 = 0x0100_0000;

fn open(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty())
}

/// The project of a zone, if it has one.
fn of_zone(zonepath: &Path) -> Option<u32> {
    let project = project_of(open(zonepath).ok()?).ok()?;
    (project != 0).then_some(project)
}

/// Gives a new root at `place`, with its upper folder, to the project of the zone of `root`.
pub(crate) fn inherit(place: &Path, root: &Path) -> Result<(), Errno> {
    let Some(project) = zonepath_of(root).and_then(of_zone) else {
        return Ok(());
    };
    set_project(open(place)?, project, true)?;
    for name in [UPPER, WORK] {
        match open(&place.join(name)) {
            Err(Errno::NOENT) => {}
            other => set_project(other?, project, true)?,
        }
    }
    Ok(())
}

/// Gives everything below a folder to a project.
pub(crate) fn assign(folder: &Path, project: u32) -> Result<(), Errno> {
    walk(folder, &mut |seen| match seen.folder {
        Some(folder) => set_project(folder, project, true),
        // Links and the like take next to nothing, and cannot be opened.
        None => match seen.open_file()? {
            Some(file) => set_project(file, project, false),
            None => Ok(()),
        },
    })
}

/// Limits a zone. `assign` is called for each root when the zone gets a project.
pub(crate) fn limit(
    zonepath: &Path,
    assign: &dyn Fn(&Path, u32) -> Result<(), Errno>,
    limit: Option<u64>,
) -> Result<(), Errno> {
    let folder = open(zonepath)?;
    let known = of_zone(zonepath);
    let project = match (known, limit) {
        (Some(project), _) => project,
        (None, None) => return Ok(()),
        // Says, too, whether quotas are kept at all, before anything is marked.
        (None, Some(_)) => free(&folder)?,
    };
    limit_project(&folder, project, limit)?;
    if known.is_none() {
        // The folder last: it says that all of the rest is done.
        roots(zonepath)
            .iter()
            .try_for_each(|root| assign(root, project))?;
        set_project(&folder, project, false)?;
    }
    Ok(())
}

/// A number that no files have.
fn free(folder: &OwnedFd) -> Result<u32, Errno> {
    let inode = std::fs::File::from(folder.try_clone().map_err(|_| Errno::MFILE)?);
    let inode = inode.metadata().map_or(0, |it| it.ino());
    let first = u32::try_from(inode % u64::from(COUNT)).unwrap_or_default();
    for more in 0..COUNT {
        let project = FIRST + (first + more) % COUNT;
        if project_usage(folder, project)? == (0, None) {
            return Ok(project);
        }
    }
    Err(Errno::NOSPC)
}

/// What the zone of a root may take.
pub(crate) fn limit_of(root: &Path) -> Option<u64> {
    let zonepath = zonepath_of(root)?;
    let project = of_zone(zonepath)?;
    project_usage(open(zonepath).ok()?, project).ok()?.1
}

/// Room in a project that is full, until it is dropped. overlayfs makes folders for itself when it
/// is mounted, and shows everything read-only where it cannot; then nothing could be removed.
#[derive(Debug)]
pub(crate) struct Room {
    folder: OwnedFd,
    project: u32,
    limit: u64,
}

impl Room {
    /// For the zone of a root; nothing where there is no limit, or room enough.
    pub(crate) fn of(root: &Path) -> Option<Self> {
        const ENOUGH: u64 = 1 << 20;
        let folder = open(zonepath_of(root)?).ok()?;
        let project = project_of(&folder).ok().filter(|it| *it != 0)?;
        project_usage(&folder, project).ok()?.1?;
        // Who else mounts the zone has its room, and gives back the true limit, before this one
        // looks.
        rustix::fs::flock(&folder, FlockOperation::LockExclusive).ok()?;
        let (used, limit) = project_usage(&folder, project).ok()?;
        let limit = limit.filter(|it| used.saturating_add(ENOUGH) > *it)?;
        limit_project(&folder, project, used.checked_add(ENOUGH)).ok()?;
        Some(Self {
            folder,
            project,
            limit,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Who is killed before leaves a limit that is a little higher, until the next boot sets it.
        let _ = limit_project(&self.folder, self.project, Some(self.limit));
    }
}

/// Whether what zones in a folder take can be limited, as the file system there says.
///
/// # Errors
/// It cannot: the text says why, and what would help.
pub fn can_limit(folder: &Path) -> Result<(), String> {
    let kind = crate::choose_as(folder, None).map(|choice| choice.driver.kind());
    match kind {
        Ok(DriverKind::Btrfs | DriverKind::Zfs) => Ok(()),
        // Nothing is limited, and nothing is changed, by asking.
        Ok(_) => open(folder)
            .and_then(|folder| project_usage(folder, FIRST))
            .map(drop)
            .map_err(|_| why_no_limit(folder)),
        Err(error) => Err(error.to_string()),
    }
}

/// Why the space of a zone cannot be limited, and what would help: one sentence for a person.
#[must_use]
pub fn why_no_limit(zonepath: &Path) -> String {
    let magic = rustix::fs::statfs(zonepath).map_or(0, |it| it.f_type);
    let name = LAYERED.iter().find(|(it, _)| *it == magic);
    let path = zonepath.display();
    match name {
        Some((_, name @ ("ext4" | "xfs"))) => {
            let first = match *name {
                "ext4" => " (after `tune2fs -O project,quota` on the device)",
                _ => "",
            };
            format!(
                "`{path}` is on {name} without project quotas, so its space cannot be limited: \
                 mount it with `-o prjquota`{first}, or keep the zone on btrfs or ZFS"
            )
        }
        Some((_, name)) => format!(
            "`{path}` is on {name}, which has no quotas for folders: keep the zone on ext4 or xfs \
             with project quotas, on btrfs or on ZFS"
        ),
        None => format!(
            "the file system of `{path}` cannot limit the space of a folder: keep the zone on ext4 \
             or xfs with project quotas, on btrfs or on ZFS"
        ),
    }
}
