//! Whose the files of a zone are on disk.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use support::{Host, err};

fn attr(name: &str, value: &str) -> String {
    format!("add attr; set name={name}; set type=string; set value={value}; end")
}

/// Owner and mode of a file of the zone, as the host sees them.
fn seen(host: &Host, path: &str) -> (u32, u32) {
    let file = host.zonepath("z").join("root").join(path);
    let file = std::fs::symlink_metadata(file).unwrap();
    (file.uid(), file.mode() & 0o7777)
}

fn base(host: &Host) -> u32 {
    let table = std::fs::read_to_string(host.path().join("var/lib/zones/idranges")).unwrap();
    let line = table.lines().find_map(|line| line.strip_prefix("z "));
    line.unwrap().parse().unwrap()
}

#[test]
fn where_nothing_maps_owners_they_are_shifted() {
    let host = host_or_skip!("where_nothing_maps_owners_they_are_shifted");
    let zones = host.path().join("zones");
    let result = support::away(UnshareFlags::NEWNS, move || {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        std::fs::create_dir(&zones).unwrap();
        let none = None::<&std::ffi::CStr>;
        rustix::mount::mount("ramfs", &zones, "ramfs", MountFlags::empty(), none).unwrap();
        std::fs::set_permissions(&zones, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(zones_sys::can_map_owners(&zones), Ok(false));
        host.install("z", "");
        let base = base(&host);
        assert_eq!(seen(&host, "bin/busybox").0, base);
        assert_eq!(seen(&host, ".").0, base);
        host.ok("zoneadm", &["-z", "z", "boot"]);
        assert_eq!(
            host.inside("z", "stat -c %u /bin/busybox /etc /run /etc/hosts"),
            "0\n0\n0\n0\n"
        );
        host.inside(
            "z",
            "echo x > /root/mine; mkdir /root/d; chmod 4711 /root/mine",
        );
        assert_eq!(seen(&host, "root/mine"), (base, 0o4711));
        host.ok("zoneadm", &["-z", "z", "reboot"]);
        assert_eq!(host.inside("z", "cat /root/mine"), "x\n");
        // What cannot be is said, and nothing is left.
        host.ok("zoneadm", &["-z", "z", "halt"]);
        host.ok("zonecfg", &["-z", "z", &attr("idmap", "mount")]);
        let refused = host.zoneadm(&["-z", "z", "boot"]);
        support::refused(&refused, 1, "idmap=shift");
        assert_eq!(seen(&host, "bin/busybox").0, 0);
        host.ok("zonecfg", &["-z", "z", "remove -F attr name=idmap"]);
        host.ok("zoneadm", &["-z", "z", "boot"]);
        assert_eq!(host.inside("z", "stat -c %u:%a /root/mine"), "0:4711\n");
        host.ok("zoneadm", &["-z", "z", "halt"]);
        host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
        assert!(!host.zonepath("z").exists());
        assert!(!notes(&host));
    });
    result.unwrap();
}

fn notes(host: &Host) -> bool {
    let folder = host.path().join("var/lib/zones/owners");
    std::fs::read_dir(folder).is_ok_and(|notes| notes.count() > 0)
}

#[test]
fn owners_are_shifted_and_back_on_demand() {
    let host = host_or_skip!("owners_are_shifted_and_back_on_demand");
    host.install("z", &attr("idmap", "shift"));
    let base = base(&host);
    assert_eq!(seen(&host, "bin/busybox").0, base);
    assert_eq!(seen(&host, "home/jo").0, base);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let made = "cp /bin/busybox /root/su; chmod 4755 /root/su; echo j > /home/jo/f; \
                busybox chown 1000:1000 /home/jo/f";
    host.inside("z", made);
    assert_eq!(seen(&host, "root/su"), (base, 0o4755));
    assert_eq!(seen(&host, "home/jo/f").0, base + 1000);
    for (change, expected) in [
        ("remove -F attr name=idmap", base),
        (attr("idmap", "mount").as_str(), 0),
        ("select attr name=idmap; set value=shift; end", base),
        (attr("privileged", "true").as_str(), 0),
        ("remove -F attr name=privileged", base),
    ] {
        host.ok("zonecfg", &["-z", "z", change]);
        host.ok("zoneadm", &["-z", "z", "halt"]);
        host.ok("zoneadm", &["-z", "z", "boot"]);
        assert_eq!(seen(&host, "root/su"), (expected, 0o4755), "{change}");
        assert_eq!(seen(&host, "home/jo/f").0, expected + 1000, "{change}");
        let inside = "stat -c %u:%a /root/su /home/jo/f";
        assert_eq!(host.inside("z", inside), "0:4755\n1000:644\n", "{change}");
        assert!(!notes(&host), "{change}");
    }
}

#[test]
fn a_shift_that_was_killed_is_gone_on_with() {
    let host = host_or_skip!("a_shift_that_was_killed_is_gone_on_with");
    host.install("z", &attr("idmap", "shift"));
    let base = base(&host);
    // As a walk back leaves it that died half-way: some files done, the root folder not, the note
    // there; and then the administrator changed their mind.
    let root = host.zonepath("z").join("root");
    std::os::unix::fs::chown(root.join("bin/busybox"), Some(0), Some(0)).unwrap();
    let folder = host.path().join("var/lib/zones/owners");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("z"), "").unwrap();
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(seen(&host, "bin/busybox").0, base);
    assert!(!notes(&host));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    // Words that mean nothing are refused before anything is touched.
    let change = "select attr name=idmap; set value=shfit; end";
    host.ok("zonecfg", &["-z", "z", change]);
    let refused = host.zoneadm(&["-z", "z", "boot"]);
    assert!(
        err(&refused).contains("use mount or shift"),
        "{}",
        err(&refused)
    );
    assert!(Path::new(&root).exists());
    assert_eq!(host.leftovers(), Vec::<String>::new());
}
