//! What platforms change by themselves, by name: caches, logs, and copies of earlier states.

/// Of every system.
const COMMON: &[&str] = &[
    "/dev/**",
    "/proc/**",
    "/sys/**",
    "/run/**",
    "/tmp/**",
    "/var/tmp/**",
    "/etc/.pwd.lock",
    // The zone's name stands there.
    "/etc/hosts",
    "/etc/hostname",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/etc/.updated",
    "/etc/machine-id",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/etc/ld.so.cache",
    "/var/.updated",
    "/var/cache/ldconfig/**",
    "/var/lib/systemd/**",
    "/var/log/journal/**",
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/faillog",
    "/root/.bash_history",
];

/// Of systems that dpkg keeps.
const DEBIAN: &[&str] = &[
    "/var/cache/apt/**",
    "/var/cache/debconf/**",
    "/var/cache/man/**",
    "/var/backups/**",
    "/var/lib/apt/**",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/lib/dpkg/triggers/Unincorp",
    "/var/lib/dpkg/available",
    "/var/lib/dpkg/available-old",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
    "/var/lib/dpkg/parts",
    "/var/lib/ucf/**",
    "/var/lib/logrotate/**",
    "/var/log/alternatives.log",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
    "/var/log/apt/**",
];

/// Of systems that rpm keeps.
const RPM: &[&str] = &[
    "/var/lib/rpm/**",
    "/usr/lib/sysimage/rpm/**",
    "/var/lib/dnf/**",
    "/var/lib/yum/**",
    "/var/cache/dnf/**",
    "/var/cache/yum/**",
    "/var/log/dnf*",
    "/var/log/yum.log",
    "/var/log/hawkey.log",
];

/// Of package images, pkg(7).
const IMAGE: &[&str] = &["/var/pkg/**", "/var/cache/pkg/**"];

/// Sets by name, and what each holds beside that of every system.
pub const KNOWN: [(&str, &[&str]); 5] = [
    ("none", &[]),
    ("debian", DEBIAN),
    ("rpm", RPM),
    ("lx", RPM),
    ("ipkg", IMAGE),
];

/// Patterns of a set; `None` when there is none of that name.
#[must_use]
pub fn known(name: &str) -> Option<Vec<&'static str>> {
    if name == "common" {
        return Some(COMMON.to_vec());
    }
    let (_, own) = KNOWN.iter().find(|(known, _)| *known == name)?;
    let common = if name == "none" { &[][..] } else { COMMON };
    Some(common.iter().chain(own.iter()).copied().collect())
}
