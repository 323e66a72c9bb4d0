//! Zones whose files lie in layers: nothing that boots, changes or removes them may notice.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use support::{Host, refused};
use zones_archive::Silent;
use zones_storage::{Copied, DriverKind, Snapshots};

fn root(host: &Host, zone: &str) -> PathBuf {
    host.zonepath(zone).join("root")
}

/// Whether zones of this host lie in layers at all.
fn has_layers(host: &Host) -> bool {
    let kind = zones_storage::choose(host.path()).unwrap().kind();
    let is_fit = kind == DriverKind::Overlay;
    if !is_fit {
        println!("SKIP: the {} driver is chosen here", kind.as_str());
    }
    is_fit
}

/// Where a test may look for what is beside the zonepaths.
fn store(host: &Host) -> PathBuf {
    host.path().join("zones/.zones-layers")
}

#[test]
fn a_broken_zone_is_rolled_back() {
    let host = host_or_skip!("a_broken_zone_is_rolled_back");
    if !has_layers(&host) {
        return;
    }
    host.install("z", "");
    let (zonepath, root) = (host.zonepath("z"), root(&host, "z"));
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.inside(
        "z",
        "echo before > /root/mine; chown 7:8 /root/mine; chmod 4755 /root/mine",
    );
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let mut snapshots = Snapshots::open(&zonepath).unwrap();
    let taken = snapshots.create("good", 7, "", &Silent).unwrap();
    assert_eq!(taken, Copied::Snapshot);
    assert!(store(&host).is_dir());
    // Broken from inside, as far as a zone can break itself.
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(host.inside("z", "cat /root/mine"), "before\n");
    assert_eq!(
        host.inside("z", "stat -c '%u:%g %a' /root/mine /"),
        "7:8 4755\n0:0 755\n"
    );
    let _ = host.run(
        "zlogin",
        &["z", "rm -rf /root /etc /bin/ls; mv /sbin /gone"],
    );
    host.inside("z", "mkdir /etc; echo new > /etc/new");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let broken = zones_storage::look(&root).unwrap();
    assert!(broken.lstat(Path::new("root")).is_err());
    assert!(broken.lstat(Path::new("sbin")).is_err());
    assert_eq!(broken.read(Path::new("etc/new"), 9).unwrap(), b"new\n");
    assert_eq!(broken.lstat(Path::new("etc/new")).unwrap().st_uid, 0);
    drop(broken);
    Snapshots::open(&zonepath)
        .unwrap()
        .rollback("good", &Silent)
        .unwrap();
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(
        host.inside("z", "cat /root/mine; ls /etc/new 2>&1 | wc -l"),
        "before\n1\n"
    );
    host.ok("zoneadm", &["-z", "z", "verify"]);
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert_eq!(host.inside("z", "stat -c %u:%g /root/mine"), "7:8\n");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
    assert!(!zonepath.exists());
    support::until("the layers are gone", || !store(&host).exists());
}

#[test]
fn what_killed_commands_left_is_cleaned_up_although_the_zone_runs() {
    let host = host_or_skip!("what_killed_commands_left_is_cleaned_up_although_the_zone_runs");
    if !has_layers(&host) {
        return;
    }
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    host.ok("beadm", &["-z", "z", "create", "half"]);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let zonepath = host.zonepath("z");
    let left = ["snap/.new-two", "be/.gone-b", ".root-1"].map(|it| zonepath.join(it));
    for folder in &left {
        std::fs::create_dir_all(folder.join("deep")).unwrap();
    }
    // As pkg(1) notes the copy that it works in.
    let note = host.path().join("var/lib/zones/journal/z");
    std::fs::create_dir_all(note.parent().unwrap()).unwrap();
    std::fs::write(&note, "verb=pkg\nenvironment=half\n").unwrap();
    let next = host.zoneadm(&["-z", "z", "snapshot", "two"]);
    assert!(next.status.success(), "{}", support::err(&next));
    let said = "zone 'z': `pkg` was interrupted; what it left half done is cleaned up";
    assert!(
        support::err(&next).contains(said),
        "{}",
        support::err(&next)
    );
    for folder in &left {
        assert!(!folder.exists(), "{}", folder.display());
    }
    let environments = host.ok("beadm", &["-z", "z", "list", "-H"]);
    assert!(!environments.contains("half"), "{environments}");
    assert!(!note.exists() && !zonepath.join("be/half").exists());
    assert_eq!(host.inside("z", "echo up"), "up\n");
    // What an environment became that is active, or will be, stays.
    host.ok("beadm", &["-z", "z", "create", "-a", "next"]);
    for name in ["zbe", "next", "none"] {
        std::fs::write(&note, format!("verb=pkg\nenvironment={name}\n")).unwrap();
        host.ok("zoneadm", &["-z", "z", "destroy-snapshot", "two"]);
        host.ok("zoneadm", &["-z", "z", "snapshot", "two"]);
        assert!(!note.exists());
    }
    let environments = host.ok("beadm", &["-z", "z", "list", "-H"]);
    assert_eq!(environments.lines().count(), 2, "{environments}");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
}

#[test]
fn a_copy_runs_beside_its_source() {
    let host = host_or_skip!("a_copy_runs_beside_its_source");
    if !has_layers(&host) {
        return;
    }
    host.install("one", "");
    // A mount point that the files do not have.
    host.configure(
        "two",
        "add fs; set dir=/data/new; set special=tmpfs; set type=tmpfs; end",
    );
    let two = host.zonepath("two");
    std::fs::create_dir(&two).unwrap();
    std::fs::set_permissions(&two, std::fs::Permissions::from_mode(0o700)).unwrap();
    let driver = zones_storage::choose(&two).unwrap();
    let copied = driver
        .copy(&root(&host, "one"), &root(&host, "two"), false, &Silent)
        .unwrap();
    assert_eq!(copied, Copied::Snapshot);
    host.ok("zoneadm", &["-z", "two", "attach", "-F"]);
    for zone in ["one", "two"] {
        host.ok("zoneadm", &["-z", zone, "boot"]);
    }
    let script = "cat /run/zone/name > /root/name; chown 5:6 /root/name; stat -c %u:%g /etc /bin";
    for zone in ["one", "two"] {
        assert_eq!(host.inside(zone, script), "0:0\n0:0\n");
        let text = host.inside(zone, "cat /root/name; stat -c %u:%g /root/name");
        assert_eq!(text, format!("{zone}\n5:6\n"));
    }
    assert_eq!(host.inside("two", "stat -c %u /data"), "0\n");
    // On disk both have the numbers of the zone.
    for zone in ["one", "two"] {
        let tree = zones_storage::look(&root(&host, zone)).unwrap();
        assert_eq!(tree.lstat(Path::new("root/name")).unwrap().st_uid, 5);
    }
    // While it runs nobody else mounts its layers, and a snapshot takes what is new.
    assert!(zones_storage::guard(&root(&host, "one")).unwrap().is_none());
    let mut snapshots = Snapshots::open(&host.zonepath("one"))
        .unwrap()
        .of_running(true);
    snapshots.create("live", 7, "", &Silent).unwrap();
    let frozen = zones_storage::look(&snapshots.path("live")).unwrap();
    assert_eq!(frozen.read(Path::new("root/name"), 9).unwrap(), b"one\n");
    drop(frozen);
    assert_eq!(host.inside("one", "cat /root/name"), "one\n");
    for zone in ["one", "two"] {
        host.ok("zoneadm", &["-z", zone, "halt"]);
    }
    // Numbers of one zone alone cannot be shared.
    host.ok(
        "zonecfg",
        &[
            "-z",
            "two",
            "add attr; set name=idmap; set type=string; set value=shift; end",
        ],
    );
    refused(
        &host.run("zoneadm", &["-z", "two", "boot"]),
        1,
        "attr idmap=shift cannot be",
    );
    host.ok("zonecfg", &["-z", "two", "remove attr name=idmap"]);
    // The copy stays when its source goes.
    host.ok("zoneadm", &["-z", "one", "uninstall", "-F"]);
    host.ok("zoneadm", &["-z", "two", "boot"]);
    assert_eq!(host.inside("two", "cat /root/name"), "two\n");
    host.ok("zoneadm", &["-z", "two", "halt"]);
    host.ok("zoneadm", &["-z", "two", "uninstall", "-F"]);
    support::until("the layers are gone", || !store(&host).exists());
}
