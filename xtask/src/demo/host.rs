//! The host before and after: what a zone may not leave behind.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, capture, run};

/// Names of everything that could be left.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
    links: BTreeSet<String>,
    loops: BTreeSet<String>,
    processes: BTreeSet<String>,
}

impl Snapshot {
    /// Looks at the host. `folder` is that of the session: a process that names it is ours.
    pub(super) fn take(folder: &Path) -> Self {
        Self {
            mounts: mounts().into_iter().collect(),
            groups: groups(Path::new("/sys/fs/cgroup"), 0),
            links: names(Path::new("/sys/class/net")),
            loops: loops(),
            processes: processes(folder),
        }
    }

    /// What is new since `before` and bears our names; others may work on this host meanwhile.
    pub(super) fn left_since(&self, before: &Self, zone: &str, bridge: &str) -> Vec<String> {
        let kinds = [
            ("mount", &self.mounts, &before.mounts),
            ("control group", &self.groups, &before.groups),
            ("link", &self.links, &before.links),
            ("loop device", &self.loops, &before.loops),
            ("process", &self.processes, &before.processes),
        ];
        let ours = |name: &str| {
            let marks = [zone, bridge, "zones-demo."];
            marks.iter().any(|mark| name.contains(mark))
        };
        let mut left = Vec::new();
        for (kind, now, then) in kinds {
            for name in now.difference(then) {
                if ours(name) {
                    left.push(format!("{kind} {name}"));
                } else if kind != "control group" {
                    println!("new since the start, but not by its name ours: {kind} {name}");
                }
            }
        }
        left
    }
}

/// Whether only root can change what leads to `path`.
pub(crate) fn is_safe(path: &Path) -> bool {
    let safe = |part: &Path| {
        std::fs::metadata(part).is_ok_and(|meta| meta.uid() == 0 && meta.mode() & 0o022 == 0)
    };
    path.ancestors().all(safe)
}

/// A bridge with an address, up.
pub(super) fn add_bridge(name: &str, address: &str) -> Outcome {
    let ip = |args: &[&str]| run(Command::new("ip").args(args));
    delete_link(name);
    ip(&["link", "add", name, "type", "bridge"])?;
    ip(&["address", "add", address, "dev", name])?;
    ip(&["link", "set", name, "up"])
}

/// Deletes a link, if it is there.
pub(super) fn delete_link(name: &str) {
    if Path::new("/sys/class/net").join(name).exists() {
        let _ = capture(Command::new("ip").args(["link", "delete", name]));
    }
}

/// Mount points below a folder.
pub(crate) fn mounts_below(folder: &Path) -> Vec<String> {
    let mut found = mounts();
    found.retain(|point| Path::new(point).starts_with(folder));
    found
}

fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(str::to_owned).collect()
}

fn groups(folder: &Path, depth: u32) -> BTreeSet<String> {
    const DEEPEST: u32 = 4;
    let mut found = BTreeSet::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.insert(entry.path().to_string_lossy().into_owned());
        if depth < DEEPEST {
            found.extend(groups(&entry.path(), depth + 1));
        }
    }
    found
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn loops() -> BTreeSet<String> {
    let mut found = names(Path::new("/sys/block"));
    let bound = |name: &String| Path::new("/sys/block").join(name).join("loop").exists();
    found.retain(bound);
    found
}

fn processes(folder: &Path) -> BTreeSet<String> {
    let mark = folder.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let mut found = BTreeSet::new();
    for pid in names(Path::new("/proc")) {
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let place = PathBuf::from("/proc").join(&pid);
        let line = std::fs::read(place.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let root = std::fs::read_link(place.join("root")).unwrap_or_default();
        if line.contains(&mark) || line.contains("[donutshop]") || root.starts_with(folder) {
            found.insert(format!("{pid} {line} (zones-demo.)"));
        }
    }
    found
}
