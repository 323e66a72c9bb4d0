//! Zones that cannot change their own system: what of the root may be written, by profile.
//!
//! Source: zonecfg(8) and "Configuring and Administering Immutable Zones" of Solaris 11; the folders
//! of packages, services and scheduled programs are those of Linux.

use zones_config::ZoneConfig;

/// A root that is read-only but for some folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Immutable {
    /// Value of `file-mac-profile`.
    pub profile: &'static str,
    /// Folders that may be written, with all below them.
    pub writable: &'static [&'static str],
    /// Folders below those that may not: what is installed, and what runs by itself.
    pub fixed: &'static [&'static str],
}

const PROFILES: [Immutable; 3] = [
    Immutable {
        profile: "strict",
        writable: &[],
        fixed: &[],
    },
    Immutable {
        profile: "fixed-configuration",
        writable: &["/var"],
        fixed: &[
            "/var/lib/apk",
            "/var/lib/apt",
            "/var/lib/dpkg",
            "/var/lib/pacman",
            "/var/lib/rpm",
            "/var/pkg",
            "/var/spool/cron",
        ],
    },
    Immutable {
        profile: "flexible-configuration",
        writable: &["/etc", "/root", "/var"],
        fixed: &[
            "/etc/apt",
            "/etc/init.d",
            "/etc/rc0.d",
            "/etc/rc1.d",
            "/etc/rc2.d",
            "/etc/rc3.d",
            "/etc/rc4.d",
            "/etc/rc5.d",
            "/etc/rc6.d",
            "/etc/rcS.d",
            "/etc/runlevels",
            "/etc/systemd/system",
            "/var/lib/apk",
            "/var/lib/apt",
            "/var/lib/dpkg",
            "/var/lib/pacman",
            "/var/lib/rpm",
            "/var/pkg",
        ],
    },
];

/// What the configuration asks for; nothing: all may be written.
pub(super) fn profile(config: &ZoneConfig) -> Option<Immutable> {
    let mut known = PROFILES.into_iter();
    known.find(|it| it.profile == config.file_mac_profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_folders_lie_in_writable_ones() {
        for profile in PROFILES {
            for fixed in profile.fixed {
                let inside = |it: &&str| fixed.strip_prefix(*it).is_some_and(|it| it.len() > 1);
                assert!(profile.writable.iter().any(inside), "{fixed}");
            }
        }
    }
}
