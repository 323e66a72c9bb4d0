//! The group of one zone: the directory `PARENT/ZONE` in every hierarchy.
//!
//! On v2 a group whose controllers are handed down may hold no process itself ("no internal process
//! constraint" in the kernel's cgroup-v2 document). So that an init can hand them down in the zone,
//! limits, zone and helpers have a group each there:
//!
//! ```text
//! PARENT/ZONE              the limits; out of the zone's sight
//!  `- zone                 what the zone sees as the top, and owns: process 1
//!      `- zlogin           the host's: the helper, and what it starts
//! ```

use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Gid, Uid};
use rustix::io::Errno;
use rustix::process::Pid;
use zones_types::ZoneName;

use crate::CgroupError;
use crate::dir::Dir;
use crate::hierarchy::{Controller, Hierarchies, Hierarchy, V2_NAMES, Version};

/// Deeper trees than this are left to an administrator; the kernel's own default has no limit.
const DEPTH_MAX: u32 = 64;

/// The group of one zone in all hierarchies. Dropping it changes nothing.
#[derive(Debug)]
pub struct ZoneGroup {
    pub(crate) zone: ZoneName,
    pub(crate) members: Vec<Member>,
    /// Made by us just now and no limit set yet, so that everything has its default.
    pub(crate) fresh: Cell<bool>,
}

/// The zone's directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) parent: Dir,
    pub(crate) dir: Dir,
    pub(crate) version: Version,
    pub(crate) controllers: Vec<Controller>,
    /// On v2 with controllers.
    split: Option<Split>,
}

/// The groups below the one with the limits.
#[derive(Debug)]
struct Split {
    zone: Dir,
    /// The zone may remove it while it is empty.
    helpers: Option<Dir>,
}

const ZONE: &str = "zone";
const HELPERS: &str = "zlogin";

impl Member {
    /// Where process 1 is.
    fn zone(&self) -> &Dir {
        self.split.as_ref().map_or(&self.dir, |split| &split.zone)
    }

    /// Where the helper is. Inside of what the zone owns: the kernel lets the zone move processes
    /// between groups below one that it owns, and a login may want to become a service.
    fn helpers(&self) -> &Dir {
        let split = self.split.as_ref();
        let helpers = split.and_then(|split| split.helpers.as_ref());
        helpers.unwrap_or_else(|| self.zone())
    }
}

/// Splits `a/b` into names that cannot lead anywhere else.
pub(crate) fn parts(parent: &str) -> Result<Vec<&str>, CgroupError> {
    let parts: Vec<_> = parent.split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-@:".contains(&b))
    };
    if parts.iter().all(plain) {
        Ok(parts)
    } else {
        Err(CgroupError::BadParent(parent.into()))
    }
}

impl ZoneGroup {
    /// Makes `PARENT/ZONE` in every hierarchy, and `PARENT` where it is missing.
    ///
    /// An empty group that a crashed run left is replaced. Errors: processes are in it, or the
    /// kernel refuses; then the groups made so far are gone again.
    pub fn create(
        hierarchies: &Hierarchies,
        parent: &str,
        zone: &ZoneName,
    ) -> Result<Self, CgroupError> {
        let parts = parts(parent)?;
        let mut group = Self {
            zone: zone.clone(),
            members: Vec::new(),
            fresh: Cell::new(true),
        };
        for hierarchy in &hierarchies.all {
            let made = match make_again(hierarchy, &parts, zone) {
                Err(CgroupError::Refused {
                    source: Errno::EXIST,
                    ..
                }) => replace_leftover(hierarchies, parent, zone)
                    .and_then(|()| make_again(hierarchy, &parts, zone)),
                other => other,
            };
            match made {
                Ok(member) => group.members.push(member),
                Err(error) => {
                    // The first error is the one to tell; a rest is found by the next create.
                    drop(group.remove(Duration::ZERO));
                    return Err(error);
                }
            }
        }
        Ok(group)
    }

    /// Opens the group of a running zone, or what a crashed run left of it.
    ///
    /// Errors: no hierarchy has it.
    pub fn open(
        hierarchies: &Hierarchies,
        parent: &str,
        zone: &ZoneName,
    ) -> Result<Self, CgroupError> {
        let parts = parts(parent)?;
        let mut members = Vec::new();
        for hierarchy in &hierarchies.all {
            let mut dir = hierarchy.root.child(parts[0])?;
            for part in &parts[1..] {
                dir = match dir {
                    Some(dir) => dir.child(part)?,
                    None => None,
                };
            }
            let Some(parent) = dir else { continue };
            if let Some(dir) = parent.child(zone.as_str())? {
                let zone = match is_split(hierarchy) {
                    true => dir.child(ZONE)?,
                    false => None,
                };
                let split = zone.map(|zone| {
                    let helpers = zone.child(HELPERS)?;
                    Ok(Split { zone, helpers })
                });
                members.push(Member {
                    parent,
                    dir,
                    version: hierarchy.version,
                    controllers: hierarchy.controllers.clone(),
                    split: split.transpose()?,
                });
            }
        }
        if members.is_empty() {
            return Err(CgroupError::NotThere(format!("{parent}/{zone}")));
        }
        Ok(Self {
            zone: zone.clone(),
            members,
            fresh: Cell::new(false),
        })
    }

    /// The zone's directory that has this controller.
    pub(crate) fn member(&self, controller: Controller) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| m.controllers.contains(&controller))
    }

    pub(crate) fn unified(&self) -> Option<&Dir> {
        let member = self.members.iter().find(|m| m.version == Version::V2);
        member.map(|member| &member.dir)
    }

    fn v2(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.version == Version::V2)
    }

    /// Where helpers are born on v2, for `CLONE_INTO_CGROUP`; `None` on a v1 host.
    #[must_use]
    pub fn helper_dir(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|member| member.helpers().fd())
    }

    /// Where process 1 is born on v2, and the top of all that the zone sees.
    #[must_use]
    pub fn init_dir(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|member| member.zone().fd())
    }

    /// Makes the place of helpers again, if the zone removed it meanwhile.
    pub fn renew_helpers(&mut self) -> Result<(), CgroupError> {
        for member in &mut self.members {
            if let Some(split) = &mut member.split {
                split.helpers = Some(split.zone.child_or_make(HELPERS)?);
            }
        }
        Ok(())
    }

    /// Moves a helper into the group in every hierarchy.
    ///
    /// On v1 the first move on a quiet host waits 7 to 12 ms for the kernel; those right after it
    /// do not.
    pub fn join(&self, pid: Pid) -> Result<(), CgroupError> {
        let mut dirs = self.members.iter().map(Member::helpers);
        dirs.try_for_each(|dir| move_to(dir, pid))
    }

    /// Moves process 1 into the group in every hierarchy.
    pub fn join_init(&self, pid: Pid) -> Result<(), CgroupError> {
        let mut dirs = self.members.iter().map(Member::zone);
        dirs.try_for_each(|dir| move_to(dir, pid))
    }

    /// Moves a process that was born in the v2 group into the v1 groups.
    pub fn join_v1(&self, pid: Pid) -> Result<(), CgroupError> {
        let v1 = self.members.iter().filter(|m| m.version == Version::V1);
        v1.map(|member| &member.dir)
            .try_for_each(|dir| move_to(dir, pid))
    }

    /// Gives the tracking groups (v2, and `name=systemd` on v1) to the root of the zone.
    ///
    /// The limits stay out of reach: only the directory and the files that the kernel's delegation
    /// rules name change hands, and on v1 no controller does.
    pub fn delegate(&self, uid: Uid, gid: Gid) -> Result<(), CgroupError> {
        const FILES: [&str; 4] = [
            "cgroup.procs",
            "cgroup.threads",
            "cgroup.subtree_control",
            "tasks",
        ];
        for member in &self.members {
            if member.version == Version::V1 && member.controllers != [Controller::Systemd] {
                continue;
            }
            let dir = member.zone();
            rustix::fs::fchown(dir.fd(), Some(uid), Some(gid))
                .map_err(dir.refused("change the owner of", ""))?;
            for file in FILES {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                match rustix::fs::chownat(dir.fd(), file, Some(uid), Some(gid), flags) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(dir.refused("change the owner of", file)(errno)),
                }
            }
        }
        Ok(())
    }

    /// Keeps everybody else off the CPUs that [`crate::Limits::cpus`] gave the group.
    ///
    /// Errors: the kernel cannot (v1 does not bind the processes of other groups to it, v2 does
    /// since Linux 6.7); with the reason for the user.
    pub fn exclude_others(&self, cpus: &str) -> Result<(), String> {
        const EXCLUSIVE: &str = "cpuset.cpus.exclusive";
        const PARTITION: &str = "cpuset.cpus.partition";
        let shared = |why: &str| format!("{why}; other processes may run on CPUs {cpus}, too");
        let member = self.member(Controller::Cpuset);
        let member = member.ok_or_else(|| shared("this host has no `cpuset` controller"))?;
        if member.version == Version::V1 {
            return Err(shared("cgroup v1 binds the zone and nobody else"));
        }
        let parent = member.parent.read(EXCLUSIVE);
        let parent = parent.map_err(|_| shared("exclusive CPUs need Linux 6.7"))?;
        let union = match parent.trim() {
            "" => cpus.to_owned(),
            others => format!("{others},{cpus}"),
        };
        let written = member
            .parent
            .write(EXCLUSIVE, &union)
            .and_then(|()| member.dir.write(EXCLUSIVE, cpus))
            .and_then(|()| member.dir.write(PARTITION, "root"))
            .and_then(|()| member.dir.read(PARTITION));
        match written {
            Ok(text) if text.trim() == "root" => Ok(()),
            Ok(text) => Err(shared(text.trim())),
            Err(error) => Err(shared(&format!("the kernel refuses: {error}"))),
        }
    }

    /// Removes the group and all groups below it, after waiting up to `patience` for the last
    /// process.
    ///
    /// Errors: processes are still in it, or the kernel refuses; the rest can be opened and
    /// removed again.
    pub fn remove(self, patience: Duration) -> Result<(), CgroupError> {
        let end = Instant::now() + patience;
        let name = CString::new(self.zone.as_str()).expect("zone names hold no NUL");
        // Most groups are empty by now, and the attempt is the cheapest way to know.
        let mut pause = Duration::from_micros(100);
        loop {
            let mut busy = None;
            let mut first = Ok(());
            for member in &self.members {
                match member.parent.remove_tree(&name, DEPTH_MAX) {
                    Ok(()) => {}
                    Err(Errno::BUSY) => busy = Some(member.dir.path().to_owned()),
                    Err(errno) => {
                        let error = member.parent.refused("remove", self.zone.as_str())(errno);
                        first = first.and(Err(error));
                    }
                }
            }
            let Some(path) = busy else { return first };
            if Instant::now() >= end {
                return Err(CgroupError::Busy(path));
            }
            // The kernel tells when the last process is gone; the directory may be held a moment
            // longer than that.
            let left = end.saturating_duration_since(Instant::now());
            self.wait_empty(left)?;
            std::thread::sleep(pause.min(left));
            pause *= 2;
        }
    }
}

/// As [`make`]; again when the parent was removed meanwhile, because the last other zone in it
/// ended.
pub(crate) fn make_again(
    hierarchy: &Hierarchy,
    parts: &[&str],
    zone: &ZoneName,
) -> Result<Member, CgroupError> {
    const TRIES: u32 = 100;
    let mut made = make(hierarchy, parts, zone);
    for _ in 1..TRIES {
        let gone = Errno::NOENT;
        match made {
            Err(CgroupError::Refused { source, .. })
                if source == gone || source == Errno::NODEV =>
            {
                made = make(hierarchy, parts, zone);
            }
            other => return other,
        }
    }
    made
}

/// Removes the empty groups of a crashed run, in all hierarchies.
fn replace_leftover(
    hierarchies: &Hierarchies,
    parent: &str,
    zone: &ZoneName,
) -> Result<(), CgroupError> {
    let old = ZoneGroup::open(hierarchies, parent, zone)?;
    if let (false, Some(member)) = (old.is_empty()?, old.members.first()) {
        return Err(CgroupError::Busy(member.dir.path().to_owned()));
    }
    old.remove(Duration::from_millis(100))
}

pub(crate) fn move_to(dir: &Dir, pid: Pid) -> Result<(), CgroupError> {
    let text = pid.as_raw_nonzero().to_string();
    dir.write("cgroup.procs", &text)
        .map_err(dir.refused("move a process into", "cgroup.procs"))
}

fn make(hierarchy: &Hierarchy, parts: &[&str], zone: &ZoneName) -> Result<Member, CgroupError> {
    let controllers = &hierarchy.controllers;
    prepare(&hierarchy.root, hierarchy);
    let mut parent = hierarchy.root.child_or_make(parts[0])?;
    for part in &parts[1..] {
        inherit(&parent, hierarchy)?;
        parent = parent.child_or_make(part)?;
    }
    inherit(&parent, hierarchy)?;
    let dir = parent.make_child(zone.as_str())?;
    if hierarchy.version == Version::V1 && controllers.contains(&Controller::Cpuset) {
        copy_cpuset(&parent, &dir)?;
    }
    let split = match is_split(hierarchy) {
        true => Some(split(&dir, hierarchy)?),
        false => None,
    };
    Ok(Member {
        parent,
        dir,
        version: hierarchy.version,
        controllers: controllers.clone(),
        split,
    })
}

/// Whether limits and processes are kept apart there: only where there are limits.
fn is_split(hierarchy: &Hierarchy) -> bool {
    hierarchy.version == Version::V2 && !hierarchy.controllers.is_empty()
}

fn split(dir: &Dir, hierarchy: &Hierarchy) -> Result<Split, CgroupError> {
    prepare(dir, hierarchy);
    let zone = dir.make_child(ZONE)?;
    let helpers = Some(zone.make_child(HELPERS)?);
    Ok(Split { zone, helpers })
}

/// Makes the controllers of the hierarchy available below `dir`.
fn inherit(dir: &Dir, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
    if hierarchy.version == Version::V1 && hierarchy.controllers.contains(&Controller::Cpuset) {
        copy_cpuset(&hierarchy.root, dir)?;
    }
    prepare(dir, hierarchy);
    Ok(())
}

/// On v2, hands the controllers down. One that cannot be is missed later by the limit that needs
/// it.
fn prepare(dir: &Dir, hierarchy: &Hierarchy) {
    if hierarchy.version == Version::V1 {
        return;
    }
    let on = dir.read("cgroup.subtree_control").unwrap_or_default();
    for (name, controller) in V2_NAMES {
        let wanted = hierarchy.controllers.contains(&controller);
        if wanted && !on.split_whitespace().any(|word| word == name) {
            let _ = dir.write("cgroup.subtree_control", &format!("+{name}"));
        }
    }
}

/// A v1 cpuset starts without CPUs and takes no process before it has some.
fn copy_cpuset(from: &Dir, to: &Dir) -> Result<(), CgroupError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let now = to.read(file).unwrap_or_default();
        if now.trim().is_empty() {
            let value = from.read(file).map_err(from.refused("read", file))?;
            to.write(file, value.trim())
                .map_err(to.refused("write", file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
