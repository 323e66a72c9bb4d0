//! Objects of interprocess communication, and keys. Source: sysvipc(7), shm_overview(7),
//! mq_overview(7), keyrings(7).

use std::path::Path;

use rustix::thread::LinkNameSpaceType;
use zones_matrix::leftovers::shown;
use zones_sys::RootFd;

use super::process::Range;
use super::{Living, inside};

/// File, its word, and the columns of key and owner.
const TABLES: [(&str, &str, usize, usize); 3] = [
    ("shm", "shared memory", 0, 7),
    ("sem", "semaphores", 0, 4),
    ("msg", "queue", 0, 7),
];
/// Folders of the zone that show such objects as files.
const FOLDERS: [(&str, &str); 2] = [("/dev/shm", "posix memory"), ("/dev/mqueue", "posix queue")];
/// Kinds of keys that programs make.
const KEYS: [&str; 4] = ["user", "logon", "big_key", "asymmetri"];

pub(super) fn read(pid: i32, range: Range, living: &mut Living) {
    let read = || TABLES.map(|(name, ..)| std::fs::read_to_string(format!("/proc/sysvipc/{name}")));
    match inside(
        pid,
        "ipc",
        LinkNameSpaceType::InterProcessCommunication,
        read,
    ) {
        Ok(texts) => {
            for ((_, word, key, owner), text) in TABLES.into_iter().zip(texts) {
                for line in text.unwrap_or_default().lines().skip(1) {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let number = |at: usize| words.get(at).and_then(|it| it.parse::<i64>().ok());
                    let key = number(key).unwrap_or(0) as u32;
                    let owner = number(owner).and_then(|it| u32::try_from(it).ok());
                    let owner = owner.map_or(0, |owner| own(owner, range));
                    living.ipc.insert(format!("{word} {key:#x} uid {owner}"));
                }
            }
        }
        Err(error) => living
            .notes
            .push(format!("ipc objects could not be read: {error}")),
    }
    // The link in /proc is the root that the zone has; paths below it are resolved inside of it.
    if let Ok(root) = RootFd::open(Path::new(&format!("/proc/{pid}/root"))) {
        for (folder, word) in FOLDERS {
            for item in root.read_dir(Path::new(folder)).unwrap_or_default() {
                use std::os::unix::ffi::OsStrExt;
                living
                    .ipc
                    .insert(format!("{word} /{}", shown(item.name.as_bytes())));
            }
        }
    }
    keys(range, living);
}

/// The thread may not be in the zone's user namespace: the kernel then shows its own numbers.
fn own(id: u32, (base, count): Range) -> u32 {
    match id.checked_sub(base) {
        Some(inside) if inside < count => inside,
        _ => id,
    }
}

fn keys((base, count): Range, living: &mut Living) {
    // A zone on the host's users has no keys that could be told from the host's.
    if base == 0 {
        return;
    }
    let text = std::fs::read("/proc/keys").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, _, _, user, _, kind, rest @ ..] = words.as_slice() else {
            continue;
        };
        let user = user
            .parse::<u32>()
            .ok()
            .and_then(|user| user.checked_sub(base));
        if let Some(user) = user.filter(|user| *user < count && KEYS.contains(kind)) {
            let name = rest.first().map_or("", |name| name.trim_end_matches(':'));
            living.keys.insert(format!("{kind} {name} uid {user}"));
        }
    }
}
