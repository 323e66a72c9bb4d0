//! Which controllers the host has, and in which mounted hierarchy each of them is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::CgroupError;
use crate::dir::Dir;

/// A controller that zones use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Controller {
    /// CPU time: cap and shares.
    Cpu,
    /// CPU accounting, v1 only; on v2 every group accounts.
    Cpuacct,
    /// CPUs and memory nodes to run on.
    Cpuset,
    /// Memory and swap.
    Memory,
    /// Number of tasks.
    Pids,
    /// Device access, v1 only; on v2 a BPF program does it.
    Devices,
    /// Stopping all tasks, v1 only; on v2 every group can.
    Freezer,
    /// Block device weight (`blkio` on v1, `io` on v2).
    Io,
    /// The named v1 hierarchy that systemd tracks its units in.
    Systemd,
}

const V1_NAMES: [(&str, Controller); 9] = [
    ("cpu", Controller::Cpu),
    ("cpuacct", Controller::Cpuacct),
    ("cpuset", Controller::Cpuset),
    ("memory", Controller::Memory),
    ("pids", Controller::Pids),
    ("devices", Controller::Devices),
    ("freezer", Controller::Freezer),
    ("blkio", Controller::Io),
    ("name=systemd", Controller::Systemd),
];

pub(crate) const V2_NAMES: [(&str, Controller); 5] = [
    ("cpu", Controller::Cpu),
    ("cpuset", Controller::Cpuset),
    ("memory", Controller::Memory),
    ("pids", Controller::Pids),
    ("io", Controller::Io),
];

impl Controller {
    /// The name for messages, as on v2 where both have one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Io => "io",
            Self::Systemd => "name=systemd",
        }
    }
}

/// How the host is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only v1 hierarchies.
    V1,
    /// v1 controllers, and a v2 hierarchy beside them for tracking.
    Hybrid,
    /// The one v2 hierarchy.
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

#[derive(Debug)]
pub(crate) struct Hierarchy {
    pub(crate) root: Dir,
    pub(crate) version: Version,
    pub(crate) controllers: Vec<Controller>,
}

/// The mounted hierarchies that zones use.
#[derive(Debug)]
pub struct Hierarchies {
    pub(crate) all: Vec<Hierarchy>,
}

impl Hierarchies {
    /// Finds the hierarchies in the text of `/proc/self/mountinfo` and opens their roots.
    ///
    /// A hierarchy that is mounted twice counts once, at its first mount point; one with no
    /// controller of ours is left alone. Errors: none mounted, or a root cannot be opened.
    pub fn probe(mountinfo: &str) -> Result<Self, CgroupError> {
        let mut seen = Vec::new();
        let mut all = Vec::new();
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            if seen.contains(&mount.device) {
                continue;
            }
            let version = match mount.kind {
                "cgroup2" => Version::V2,
                "cgroup" => Version::V1,
                _ => continue,
            };
            let mut controllers = Vec::new();
            if version == Version::V1 {
                controllers = named(&V1_NAMES, mount.options.split(','));
                if controllers.is_empty() {
                    continue;
                }
            }
            let root = Dir::open(&mount.point)?;
            if version == Version::V2 {
                let text = root.read("cgroup.controllers").unwrap_or_default();
                controllers = named(&V2_NAMES, text.split_whitespace());
            }
            seen.push(mount.device);
            all.push(Hierarchy {
                root,
                version,
                controllers,
            });
        }
        // The v2 group first: a process is born in it, and it tells when a zone is empty.
        all.sort_by_key(|hierarchy| hierarchy.version == Version::V1);
        if all.is_empty() {
            return Err(CgroupError::NoHierarchy);
        }
        Ok(Self { all })
    }

    /// Leaves out the v1 hierarchies that have none of these controllers: each one costs a zone a
    /// group to make, to join and to remove.
    #[must_use]
    pub fn only(mut self, wanted: &[Controller]) -> Self {
        let useful = |hierarchy: &Hierarchy| {
            let has = |controller| wanted.contains(controller);
            hierarchy.version == Version::V2 || hierarchy.controllers.iter().any(has)
        };
        self.all.retain(useful);
        self
    }

    /// Has the kernel get ready for joins: on v1 the first one after a quiet moment waits 7 to 12
    /// ms for readers of a lock, those after it do not. Joining the group that the caller is in
    /// already changes nothing but waits that out. `own` is the text of `/proc/self/cgroup`.
    pub fn anticipate_join(&self, own: &str) {
        let Some(hierarchy) = self
            .all
            .iter()
            .find(|hierarchy| hierarchy.version == Version::V1)
        else {
            return;
        };
        let names: Vec<&str> = V1_NAMES
            .iter()
            .filter(|(_, controller)| hierarchy.controllers.contains(controller))
            .map(|(name, _)| *name)
            .collect();
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            controllers
                .split(',')
                .any(|name| names.contains(&name))
                .then_some(path)
        });
        let file = format!("{}/cgroup.procs", path.unwrap_or("").trim_matches('/'));
        let _ = hierarchy.root.write(file.trim_start_matches('/'), "0");
    }

    /// The CPUs of a group of the host, `a/b` below the top; `None` when there is no such group.
    #[must_use]
    pub fn cpus_of(&self, group: &str) -> Option<String> {
        let cpuset = Controller::Cpuset;
        let hierarchy = self.all.iter().find(|h| h.controllers.contains(&cpuset))?;
        let mut parts = crate::group::parts(group).ok()?.into_iter();
        let mut dir = hierarchy.root.child(parts.next()?).ok()??;
        for part in parts {
            dir = dir.child(part).ok()??;
        }
        let files = ["cpuset.cpus", "cpuset.cpus.effective"];
        let texts = files.iter().filter_map(|file| dir.read(file).ok());
        let mut lists = texts.map(|text| text.trim().to_owned());
        lists.find(|list| !list.is_empty())
    }

    /// How the host is set up.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let count = |version| self.all.iter().filter(|h| h.version == version).count();
        match (count(Version::V1), count(Version::V2)) {
            (0, _) => Kind::V2,
            (_, 0) => Kind::V1,
            _ => Kind::Hybrid,
        }
    }

    /// Whether the host has the controller, in whichever hierarchy.
    #[must_use]
    pub fn has(&self, controller: Controller) -> bool {
        self.all.iter().any(|h| h.controllers.contains(&controller))
    }

    /// Removes the parent group where it is empty; a parent with groups in it stays.
    pub fn remove_parent(&self, parent: &str) {
        let Ok(parts) = crate::group::parts(parent) else {
            return;
        };
        for hierarchy in &self.all {
            for end in (1..=parts.len()).rev() {
                let path = parts[..end].join("/");
                let flags = rustix::fs::AtFlags::REMOVEDIR;
                if rustix::fs::unlinkat(hierarchy.root.fd(), path.as_str(), flags).is_err() {
                    break;
                }
            }
        }
    }
}

fn named<'a>(
    table: &[(&str, Controller)],
    names: impl Iterator<Item = &'a str>,
) -> Vec<Controller> {
    names
        .filter_map(|name| table.iter().find(|(known, _)| *known == name))
        .map(|(_, controller)| *controller)
        .collect()
}

/// The fields of a mountinfo line that matter here. Source: proc_pid_mountinfo(5).
struct Mount<'a> {
    device: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let device = left.next()?;
        let point = unescape(left.nth(1)?);
        let mut right = right.split(' ');
        let kind = right.next()?;
        let options = right.nth(1).unwrap_or_default();
        Some(Self {
            device,
            point,
            kind,
            options,
        })
    }
}

/// Blanks and backslashes are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 4 } else { 1 };
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines_are_read() {
        let line = "38 31 0:35 / /a\\040b rw,relatime shared:9 - cgroup none rw,xattr,name=systemd";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.point, PathBuf::from("/a b"));
        assert_eq!((mount.device, mount.kind), ("0:35", "cgroup"));
        let found = named(&V1_NAMES, mount.options.split(','));
        assert_eq!(found, [Controller::Systemd]);
    }

    #[test]
    fn a_host_without_cgroups_is_refused() {
        let found = Hierarchies::probe("1 1 0:1 / / rw - ext4 /dev/vda rw\n");
        assert!(matches!(found, Err(CgroupError::NoHierarchy)));
    }
}
