//! Zones that cannot change their own system: `file-mac-profile`, `zoneadm boot -w`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use support::{Host, err};

/// A zone with this profile and the folders that profiles speak of.
fn zone(host: &Host, profile: &str) {
    host.install("z", &format!("set file-mac-profile={profile}"));
    let root = host.zonepath("z").join("root");
    for folder in [
        "tmp",
        "root",
        "usr",
        "etc/systemd/system",
        "var/lib/dpkg",
        "var/lib/app",
        "var/spool/cron",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
}

/// Whether the shell command succeeds in the zone.
fn can(host: &Host, command: &str) -> bool {
    host.run("zlogin", &["z", command]).status.success()
}

#[test]
fn profiles_say_what_may_be_written() {
    let host = host_or_skip!("profiles_say_what_may_be_written");
    zone(&host, "strict");
    // Path, and the profiles that allow it: strict, fixed-configuration, flexible-configuration.
    let table = [
        ("/", [false, false, false]),
        ("/usr", [false, false, false]),
        ("/etc", [false, false, true]),
        ("/etc/systemd/system", [false, false, false]),
        ("/root", [false, false, true]),
        ("/var", [false, true, true]),
        ("/var/lib/app", [false, true, true]),
        ("/var/lib/dpkg", [false, false, false]),
        ("/var/spool/cron", [false, false, true]),
        ("/tmp", [true, true, true]),
        ("/run", [true, true, true]),
    ];
    let profiles = ["strict", "fixed-configuration", "flexible-configuration"];
    for (column, profile) in profiles.into_iter().enumerate() {
        let set = format!("set file-mac-profile={profile}");
        host.ok("zonecfg", &["-z", "z", &set]);
        host.ok("zoneadm", &["-z", "z", "boot"]);
        for (path, allowed) in &table {
            let written = can(&host, &format!("touch {path}/new && rm {path}/new"));
            assert_eq!(written, allowed[column], "{profile}: {path}");
        }
        for attempt in [
            "mount -o remount,rw /",
            "mount -o remount,bind,rw /",
            "umount /var/lib/dpkg",
            "busybox mv /var/lib/dpkg /var/lib/other",
            "busybox mv /var/lib /var/other",
            "busybox rmdir /var/lib/dpkg",
            "busybox mv /etc/systemd /etc/other",
            "chmod 700 /",
        ] {
            assert!(!can(&host, attempt), "{profile}: {attempt}");
        }
        assert!(!can(&host, "touch /usr/later"), "{profile}");
        host.ok("zoneadm", &["-z", "z", "halt"]);
    }
}

#[test]
fn maintenance_may_write_once() {
    let host = host_or_skip!("maintenance_may_write_once");
    zone(&host, "strict");
    host.ok("zoneadm", &["-z", "z", "boot", "-w"]);
    assert!(can(&host, "touch /usr/new"));
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert!(!can(&host, "touch /usr/newer"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    // Also when the zone is ready already, with its mounts made.
    host.ok("zoneadm", &["-z", "z", "ready"]);
    host.ok("zoneadm", &["-z", "z", "boot", "-w"]);
    assert!(can(&host, "rm /usr/new"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
}

/// File systems of the zone are mounted, and are what they are.
#[test]
fn file_systems_of_the_zone_are_none_of_the_profile() {
    let host = host_or_skip!("file_systems_of_the_zone_are_none_of_the_profile");
    let shared = host.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(0), Some(0)).unwrap();
    zone(&host, "strict");
    let add = format!(
        "add fs; set dir=/data/here; set special={}; set type=lofs; end; set hostid=12345678",
        shared.display()
    );
    host.ok("zonecfg", &["-z", "z", &add]);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert!(can(&host, "touch /data/here/new"));
    assert!(!can(&host, "touch /data/new"));
    assert!(shared.join("new").exists());
    host.ok("zoneadm", &["-z", "z", "halt"]);
}

/// Root of such a zone is root of the host; what the profile keeps it from, it is kept from by
/// mounts that it may not undo.
#[test]
fn a_privileged_zone_keeps_its_profile() {
    let host = host_or_skip!("a_privileged_zone_keeps_its_profile");
    zone(&host, "flexible-configuration");
    let privileged = "add attr; set name=privileged; set type=boolean; set value=true; end";
    host.ok("zonecfg", &["-z", "z", privileged]);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    for (path, allowed) in [
        ("/", false),
        ("/usr", false),
        ("/etc", true),
        ("/etc/systemd/system", false),
        ("/var/lib/app", true),
        ("/var/lib/dpkg", false),
        ("/tmp", true),
    ] {
        let written = can(&host, &format!("touch {path}/new && rm {path}/new"));
        assert_eq!(written, allowed, "{path}");
    }
    for attempt in [
        "mount -o remount,rw /",
        "mount -o remount,bind,rw /",
        "umount /var/lib/dpkg",
        "busybox mv /var/lib/dpkg /var/lib/other",
        "busybox mv /etc/systemd /etc/other",
        "chmod 700 /",
    ] {
        assert!(!can(&host, attempt), "{attempt}");
    }
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "boot", "-w"]);
    assert!(can(&host, "touch /usr/new"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
}

#[test]
fn a_profile_that_is_none_is_refused() {
    let host = host_or_skip!("a_profile_that_is_none_is_refused");
    host.configure("z", "");
    let refused = host.run("zonecfg", &["-z", "z", "set file-mac-profile=lax"]);
    assert!(err(&refused).contains("file-mac-profile value must be one of none, strict"));
}
