//! What files mean: accounts, services, jobs, packages. Each reader says which files it reads; its
//! part of an earlier inventory is taken where none of them was touched.

use zones_matrix::leftovers::{Inventory, Path, shown};
use zones_sys::RootFd;

use super::walk::Touched;
use super::{Scene, cron, dpkg, ips, libraries, passwd, services};

/// One reader.
struct Reader {
    /// Beginnings of the paths that it reads.
    reads: &'static [&'static [u8]],
    /// Reads its part into the scene.
    read: fn(&mut Page<'_>),
    /// Takes its part from an earlier inventory.
    take: fn(&Inventory, &mut Inventory),
}

/// A scene that is being filled in, and the tree that it is of.
pub(super) struct Page<'a> {
    root: &'a RootFd,
    pub(super) scene: &'a mut Scene,
}

const READERS: [Reader; 6] = [
    Reader {
        reads: &[
            b"/etc/passwd",
            b"/etc/shadow",
            b"/etc/group",
            b"/etc/gshadow",
            b"/etc/sub",
        ],
        read: passwd::read,
        take: |from, to| {
            to.users = from.users.clone();
            to.groups = from.groups.clone();
        },
    },
    Reader {
        reads: &[
            b"/etc/systemd/",
            b"/lib",
            b"/usr/lib/systemd/",
            b"/usr/local/lib/systemd/",
            b"/etc/init",
            b"/etc/rc",
            b"/etc/runlevels/",
            b"/etc/sv/",
            b"/etc/service/",
            b"/var/service/",
            b"/etc/xinetd.d/",
        ],
        read: services::read,
        take: |from, to| to.services = from.services.clone(),
    },
    Reader {
        reads: &[
            b"/etc/cron",
            b"/etc/anacrontab",
            b"/var/spool/",
            b"/etc/systemd/",
            b"/lib",
            b"/usr/lib/systemd/",
            b"/usr/local/lib/systemd/",
        ],
        read: cron::read,
        take: |from, to| to.cron = from.cron.clone(),
    },
    Reader {
        reads: &[
            b"/var/lib/dpkg/",
            b"/etc/alternatives/",
            b"/var/lib/alternatives/",
        ],
        read: dpkg::read,
        take: |from, to| {
            to.alternatives = from.alternatives.clone();
            to.diversions = from.diversions.clone();
        },
    },
    Reader {
        reads: &[b"/etc/ld.so.conf", b"/etc/ld-musl"],
        read: libraries::read,
        take: |from, to| to.library_dirs = from.library_dirs.clone(),
    },
    // Last, and with dpkg's: both say who owns what.
    Reader {
        reads: &[b"/var/lib/dpkg/", b"/var/pkg/", b"/bin", b"/sbin", b"/lib"],
        read: |page| {
            dpkg::read_packages(page);
            ips::read(page);
        },
        take: |from, to| {
            to.packages = from.packages.clone();
            to.owners = from.owners.clone();
            to.config = from.config.clone();
        },
    },
];

pub(super) fn read(root: &RootFd, before: Option<&Scene>, touched: &Touched, scene: &mut Scene) {
    for reader in READERS {
        let is_touched = |start: &&[u8]| {
            let first = touched.range(start.to_vec()..).next();
            first.is_some_and(|path| path.starts_with(start))
        };
        match before {
            Some(before) if !reader.reads.iter().any(is_touched) => {
                (reader.take)(&before.inventory, &mut scene.inventory);
            }
            _ => (reader.read)(&mut Page { root, scene }),
        }
    }
}

impl Page<'_> {
    /// A file up to a limit in bytes, as text where it is none byte by byte; `None` when it is not
    /// there. What is longer or no file is noted and taken as empty.
    pub(super) fn text(&mut self, path: &str, limit: u64) -> Option<String> {
        match self.root.read(std::path::Path::new(path), limit) {
            Ok(data) => Some(match String::from_utf8(data) {
                Ok(text) => text,
                Err(error) => shown_lines(error.as_bytes()),
            }),
            Err(rustix::io::Errno::NOENT) => None,
            Err(error) => {
                let why = match error {
                    rustix::io::Errno::FBIG => format!("is longer than {limit} bytes"),
                    rustix::io::Errno::INVAL => "is no file".to_owned(),
                    error => format!("cannot be read: {error}"),
                };
                self.scene
                    .notes
                    .push(format!("{path} {why}; it was taken as empty"));
                Some(String::new())
            }
        }
    }

    /// Names right in a folder, sorted; the whole path of each.
    pub(super) fn names(&self, folder: &str) -> Vec<(String, Path)> {
        let start = format!("{folder}/").into_bytes();
        let end = format!("{folder}0").into_bytes();
        let below = self.scene.inventory.files.range(start.clone()..end);
        let mut found = Vec::new();
        for (path, _) in below {
            let name = &path[start.len()..];
            if !name.contains(&b'/') {
                found.push((shown(name), path.clone()));
            }
        }
        found
    }

    /// Where a link leads, as it is written.
    pub(super) fn target(&self, path: &[u8]) -> Option<&Path> {
        self.scene
            .inventory
            .files
            .get(path)
            .and_then(|entry| entry.target.as_ref())
    }
}

/// As [`shown`], line breaks kept.
fn shown_lines(data: &[u8]) -> String {
    let lines: Vec<String> = data.split(|byte| *byte == b'\n').map(shown).collect();
    lines.join("\n")
}
