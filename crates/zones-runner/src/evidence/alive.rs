//! What runs in a zone, read from the host's `/proc`.
//!
//! Nothing is started in the zone. Two things are told only to a thread that is inside of a
//! namespace - objects of interprocess communication and the packet filter - so a thread of its
//! own enters that one namespace, reads, and ends; it never comes near the zone's files. Source:
//! namespaces(7), setns(2).

mod ipc;
mod net;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;
use zones_matrix::leftovers::{Inventory, named, shown};

use super::EvidenceError;

/// What runs in a zone at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Living {
    processes: BTreeMap<(String, u32), u32>,
    sockets: BTreeSet<String>,
    ipc: BTreeSet<String>,
    mounts: BTreeSet<String>,
    rules: BTreeSet<String>,
    keys: BTreeSet<String>,
    units: BTreeSet<String>,
    /// What could not be seen, for people.
    pub notes: Vec<String>,
}

/// Looks at what runs in the zone whose process 1 the host knows as `pid`.
///
/// # Errors
/// There is no such process, or it shares the host's processes.
pub fn alive(pid: i32) -> Result<Living, EvidenceError> {
    let failed = |source| EvidenceError::Process { pid, source };
    let started = zones_sys::start_time(pid).ok_or_else(|| failed(Errno::SRCH))?;
    let mut living = Living::default();
    let range = process::range(pid).map_err(failed)?;
    process::read(pid, range, &mut living).map_err(failed)?;
    net::sockets(pid, &mut living);
    living.mounts = mounts(pid).map_err(failed)?;
    ipc::read(pid, range, &mut living);
    net::rules(pid, &mut living);
    // What was read is that zone's only if it still lives.
    match zones_sys::start_time(pid) {
        Some(now) if now == started => Ok(living),
        _ => Err(failed(Errno::SRCH)),
    }
}

impl Living {
    /// Puts what runs into an inventory, in place of what ran before.
    pub fn put(&self, inventory: &mut Inventory) {
        let names: BTreeMap<u32, &String> = inventory
            .users
            .iter()
            .map(|(name, user)| (user.id, name))
            .collect();
        let processes = self.processes.iter().map(|((command, user), count)| {
            let user = match names.get(user) {
                Some(name) => (*name).clone(),
                None => user.to_string(),
            };
            (format!("{command} {user}"), *count)
        });
        inventory.processes = processes.collect();
        inventory.sockets = self.sockets.clone();
        inventory.ipc = self.ipc.clone();
        inventory.mounts = self.mounts.clone();
        inventory.rules = self.rules.clone();
        inventory.keys = self.keys.clone();
        inventory.units = self.units.clone();
    }
}

/// Mount points as the zone sees them. Source: proc_pid_mountinfo(5).
fn mounts(pid: i32) -> Result<BTreeSet<String>, Errno> {
    let text = proc(pid, "mountinfo")?;
    let points = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    // Blanks and the like are written `\040`.
    let points = points.map(|point| {
        let text = shown(point).replace("\\\\", "\\");
        shown(&octal(&text))
    });
    Ok(points.filter(|point| point != "/").collect())
}

fn octal(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&named(&rest[..at]));
        let digits = rest.get(at + 1..at + 4);
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                out.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// A file of a process, up to a limit that no honest one has.
fn proc(pid: i32, name: &str) -> Result<Vec<u8>, Errno> {
    use std::io::Read;
    const LIMIT: u64 = 16 << 20;
    let fail = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let file = std::fs::File::open(format!("/proc/{pid}/{name}")).map_err(fail)?;
    let mut data = Vec::new();
    file.take(LIMIT).read_to_end(&mut data).map_err(fail)?;
    Ok(data)
}

/// Does something with a thread inside of one namespace of the zone.
fn inside<T: Send + 'static>(
    pid: i32,
    name: &str,
    kind: LinkNameSpaceType,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Errno> {
    let path = format!("/proc/{pid}/ns/{name}");
    let space: OwnedFd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let thread = std::thread::spawn(move || {
        use std::os::fd::AsFd;
        rustix::thread::move_into_link_name_space(space.as_fd(), Some(kind))?;
        Ok(work())
    });
    thread.join().unwrap_or(Err(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(octal("/a\\040b"), b"/a b");
        assert_eq!(octal("/a\\134b\\"), b"/a\\b\\");
    }

    #[test]
    fn this_process_is_no_zone() {
        let pid = std::process::id().cast_signed();
        assert!(matches!(alive(pid), Err(EvidenceError::Process { .. })));
    }
}
