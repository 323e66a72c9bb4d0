//! Processes of a zone. Source: proc_pid_status(5), proc_pid_cmdline(5), cgroups(7).

use std::path::PathBuf;

use rustix::io::Errno;
use zones_matrix::leftovers::shown;

use super::{Living, proc};

/// More than any zone may have.
const MOST: usize = 65_536;
/// Programs whose first word says which program it is.
const INTERPRETERS: [&str; 9] = [
    "sh", "bash", "dash", "ash", "ksh", "perl", "ruby", "node", "java",
];
/// What a program of another processor is run by, as process lists show it. Behind it stands the
/// path of the program, then the words that it was started with. Source: the kernel's
/// admin-guide/binfmt-misc, flag P; docs/adr/0022.
const EMULATOR: &[u8] = b"/run/zone/qemu-";
/// Longer names are cut, in bytes.
const LONGEST: usize = 200;

/// The first user number of a zone as the host counts, and how many there are.
pub(super) type Range = (u32, u32);

/// Which users are the zone's. Source: user_namespaces(7).
pub(super) fn range(pid: i32) -> Result<Range, Errno> {
    let text = proc(pid, "uid_map")?;
    let text = String::from_utf8_lossy(&text);
    let numbers = text.lines().next().map(|line| {
        let words = line
            .split_whitespace()
            .map(|word| word.parse::<u32>().unwrap_or(0));
        words.collect::<Vec<u32>>()
    });
    match numbers.as_deref() {
        Some([_, base, count]) => Ok((*base, *count)),
        _ => Err(Errno::INVAL),
    }
}

pub(super) fn read(init: i32, range: Range, living: &mut Living) -> Result<(), Errno> {
    let space = |pid: i32| namespace(pid, "pid");
    let zone = space(init).ok_or(Errno::SRCH)?;
    if Some(&zone) == space(std::process::id().cast_signed()).as_ref() {
        return Err(Errno::INVAL);
    }
    let top = group(init).map(|group| match group.strip_suffix("/init.scope") {
        Some(top) => top.to_owned(),
        None => group,
    });
    let top = top.filter(|top| top.len() > 1);
    let folder = std::fs::read_dir("/proc").map_err(|_| Errno::NOENT)?;
    let pids = folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids.take(MOST) {
        // One that ended meanwhile is not there.
        let Some(own) = space(pid) else { continue };
        let group = group(pid);
        let is_in_group = || {
            let (Some(group), Some(top)) = (&group, &top) else {
                return false;
            };
            let rest = group.strip_prefix(top.as_str());
            let is_nested = || namespace(pid, "user") == namespace(init, "user");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && is_nested()
        };
        if own != zone && !is_in_group() {
            continue;
        }
        // Every zone has one, and its name is the zone's.
        let is_own = |command: &str| command.starts_with("zsched [");
        if let Some((command, user)) = describe(pid, range).filter(|(it, _)| !is_own(it)) {
            *living.processes.entry((command, user)).or_default() += 1;
        }
        let parts = group.as_deref().unwrap_or_default().split('/');
        let units = parts.filter(|part| part.ends_with(".service"));
        living.units.extend(units.map(str::to_owned));
    }
    Ok(())
}

fn namespace(pid: i32, name: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()
}

/// The control group of a process: the unified one, else that of systemd, else that of pids.
fn group(pid: i32) -> Option<String> {
    let text = proc(pid, "cgroup").ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut best: Option<(u8, &str)> = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let rank = match names {
            "name=systemd" => 2,
            "" => 3,
            "pids" => 1,
            _ => continue,
        };
        // On a hybrid host the unified hierarchy may have nobody in it.
        let rank = if path == "/" { 0 } else { rank };
        if best.is_none_or(|(known, _)| known < rank) {
            best = Some((rank, path));
        }
    }
    best.map(|(_, path)| path.to_owned())
}

/// Command and user; a process without a command line is a kernel's or a zombie.
fn describe(pid: i32, (base, count): Range) -> Option<(String, u32)> {
    let status = proc(pid, "status").ok()?;
    let status = String::from_utf8_lossy(&status);
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next())
            .map(str::to_owned)
    };
    if field("State:").is_some_and(|state| state == "Z" || state == "X") {
        return None;
    }
    let user: u32 = field("Uid:")?.parse().ok()?;
    let user = match user.checked_sub(base) {
        Some(inside) if inside < count => inside,
        _ => user,
    };
    let words = proc(pid, "cmdline").ok()?;
    let command = command(&words).unwrap_or_else(|| {
        let name = field("Name:").unwrap_or_default();
        format!("[{name}]")
    });
    Some((command, user))
}

/// What a command line is called; `None` for an empty one.
fn command(words: &[u8]) -> Option<String> {
    let mut words: Vec<&[u8]> = words
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > 2 && words[0].starts_with(EMULATOR) {
        words.drain(..2);
    }
    let first = shown(words.first()?);
    let base_name = first.rsplit('/').next().unwrap_or(&first);
    let mut command = first.clone();
    if INTERPRETERS.contains(&base_name) || base_name.starts_with("python") {
        let program = words[1..].iter().find(|word| !word.starts_with(b"-"));
        if let Some(program) = program {
            command = format!("{first} {}", shown(program));
        }
    }
    let end = command
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= LONGEST);
    command.truncate(end.unwrap_or(command.len()));
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_process_is_called_by_what_it_runs() {
        let long = "x".repeat(300);
        for (words, wanted) in [
            ("/usr/sbin/cron\0-f\0", "/usr/sbin/cron"),
            ("acmed\0", "acmed"),
            (
                "/usr/bin/perl\0-w\0/usr/sbin/acmed\0",
                "/usr/bin/perl /usr/sbin/acmed",
            ),
            ("python3.11\0/a.py\0", "python3.11 /a.py"),
            (
                "/run/zone/qemu-arm\0/sbin/agetty\0/sbin/agetty\0console\0",
                "/sbin/agetty",
            ),
            (
                "/run/zone/qemu-aarch64\0/usr/bin/perl\0perl\0/usr/sbin/acmed\0",
                "perl /usr/sbin/acmed",
            ),
            ("/run/zone/qemu-arm\0", "/run/zone/qemu-arm"),
            (long.as_str(), &long[..200]),
        ] {
            assert_eq!(command(words.as_bytes()).as_deref(), Some(wanted));
        }
        assert_eq!(command(b""), None);
    }
}
