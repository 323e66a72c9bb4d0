//! `/etc/resolv.conf` and `/etc/hosts` of a zone that has a network.

use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use zones_sys::RootFd;

use crate::plan::BootPlan;

/// First line of a file that is ours to write; without it, the file is the zone's.
const OURS: &str = "# Written by zones at boot; remove this line to keep changes.\n";

/// Writes both files where the zone has none of its own. The zone's root is hostile: files are
/// found by descriptor inside of it, and only plain ones are written.
pub(crate) fn write(plan: &BootPlan, resolvers: Option<&str>) {
    let Ok(root) = zones_storage::open(&plan.root) else {
        return;
    };
    let name = &plan.zone;
    let hosts = format!(
        "{OURS}127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{name}\n"
    );
    let owner = plan.range.filter(|_| plan.shifted);
    let owner = owner.map_or(0, |range| range.base);
    replace(&root, "etc/hosts", &hosts, owner);
    if plan.interfaces.is_empty() {
        return;
    }
    let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if let Some(text) = resolv_conf(resolvers, &host) {
        replace(&root, "etc/resolv.conf", &text, owner);
    }
}

/// The attribute `resolvers` (comma or blank between), else what the host uses, but for servers
/// that only the host itself can reach.
fn resolv_conf(resolvers: Option<&str>, host: &str) -> Option<String> {
    let mut text = OURS.to_owned();
    if let Some(list) = resolvers {
        for server in list.split([',', ' ']).filter(|server| !server.is_empty()) {
            text += &format!("nameserver {server}\n");
        }
        return Some(text);
    }
    let local = |line: &&str| {
        let server = line.strip_prefix("nameserver").map(str::trim);
        server.is_some_and(|server| server.starts_with("127.") || server == "::1")
    };
    let lines: Vec<&str> = host
        .lines()
        .filter(|line| !line.starts_with(['#', ';']) && !local(line))
        .collect();
    if !lines.iter().any(|line| line.starts_with("nameserver")) {
        return None;
    }
    for line in lines {
        text += line;
        text.push('\n');
    }
    Some(text)
}

/// Writes a file that is missing, empty or ours.
fn replace(root: &RootFd, path: &str, text: &str, owner: u32) {
    let path = Path::new(path);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(file) = root.open_beneath(path, flags, Mode::from_raw_mode(0o644)) else {
        return;
    };
    let Ok(stat) = rustix::fs::fstat(&file) else {
        return;
    };
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return;
    }
    let mut head = vec![0; OURS.len()];
    let count = rustix::io::pread(&file, &mut head, 0).unwrap_or(0);
    if count == 0 || &head[..count] == OURS.as_bytes() {
        let (uid, gid) = (Uid::from_raw(owner), Gid::from_raw(owner));
        let _ = rustix::fs::fchown(&file, Some(uid), Some(gid));
        let _ = rustix::fs::ftruncate(&file, 0);
        let _ = rustix::io::pwrite(&file, text.as_bytes(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_come_from_the_attribute_or_the_host() {
        let text = resolv_conf(Some("192.0.2.1,192.0.2.2"), "").unwrap();
        assert!(text.ends_with("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"));
        let text = resolv_conf(
            None,
            "# x\nsearch example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.9\n",
        )
        .unwrap();
        assert_eq!(
            text,
            format!("{OURS}search example.org\nnameserver 192.0.2.9\n")
        );
        assert_eq!(resolv_conf(None, "nameserver 127.0.0.1\n"), None);
    }
}
