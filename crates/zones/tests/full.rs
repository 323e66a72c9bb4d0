//! The disk is full in the middle of a verb: one error that says so, nothing half made, and the
//! same command works once there is room.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::image::{Ground, on};
use support::{Files, Host, err, until};

/// Bytes of the file systems. btrfs takes no less.
const SMALL: u64 = 160 << 20;
/// Bytes of a zone's own.
const DATA: usize = 24 << 20;
/// Of these, where several copies find room.
const LITTLE: usize = 8 << 20;

fn path(host: &Host, ground: Ground, zone: &str) -> PathBuf {
    ground.place(host).join("zones").join(zone)
}

/// Leaves so many bytes.
fn fill_but(place: &Path, left: u64) -> PathBuf {
    let ballast = place.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    for piece in [vec![7; 1 << 20], vec![7; 4096]] {
        while file.write_all(&piece).is_ok() {}
        let _ = file.sync_all();
    }
    if left > 0 {
        let size = file.metadata().unwrap().len();
        file.set_len(size.saturating_sub(left)).unwrap();
        file.sync_all().unwrap();
    }
    ballast
}

/// Leaves a few megabytes.
fn fill(place: &Path) -> PathBuf {
    fill_but(place, 8 << 20)
}

/// Bytes that no file system makes smaller.
fn noise() -> Vec<u8> {
    let mut data = vec![0; DATA];
    let mut seed = 1_u64;
    for byte in &mut data {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (seed >> 56).to_le_bytes()[0];
    }
    data
}

fn full(host: &Host, args: &[&str]) -> Output {
    let output = host.run("zoneadm", args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", err(&output));
    let said = err(&output).to_lowercase();
    assert!(said.contains("no space left"), "{args:?}: {said}");
    assert!(
        said.contains('`') || said.contains("stream"),
        "{args:?}: {said}"
    );
    output
}

/// Names in a folder, but for those that were put aside and go by themselves.
fn names(folder: &Path) -> Vec<String> {
    let removed = |it: &String| it.starts_with(".zones-removed-");
    let look = || {
        let found = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = found
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    until("the trash is empty", || !look().iter().any(removed));
    look()
}

fn on_full(name: &'static str, grounds: &'static [Ground]) {
    on(name, grounds, SMALL, move |host| {
        let (home, other) = (grounds[0], grounds[1]);
        host.install_at("z", &path(host, home, "z"), "");
        {
            let root = Files::open(&path(host, home, "z").join("root"));
            fs::write(root.join("data"), noise()).unwrap();
        }
        host.ok("zoneadm", &["-z", "z", "snapshot", "s"]);
        let stream = host.path().join("z.stream");
        let stream = stream.to_str().unwrap();
        host.ok("zoneadm", &["-z", "z", "export", stream]);
        for ground in [home, other] {
            let zones = ground.place(host).join("zones");
            fs::create_dir_all(&zones).unwrap();
            let before = names(&zones);
            let ballast = fill(&ground.place(host));
            host.configure_at("t", &path(host, ground, "t"), "");
            // btrfs shares the blocks of such a copy.
            if (home, ground) != (Ground::Btrfs, Ground::Btrfs) {
                full(host, &["-z", "t", "clone", "-m", "copy", "z"]);
            }
            assert_eq!(host.state("t"), "configured");
            full(host, &["-z", "t", "import", stream]);
            assert_eq!(host.state("t"), "configured");
            let file = ground.place(host).join("stream");
            full(host, &["-z", "z", "export", file.to_str().unwrap()]);
            assert!(!file.exists());
            if ground != home {
                let to = path(host, ground, "moved");
                full(host, &["-z", "z", "move", to.to_str().unwrap()]);
                assert!(!to.exists());
            }
            assert_eq!(names(&zones), before, "{}", ground.name());
            fs::remove_file(ballast).unwrap();
            host.ok("zoneadm", &["-z", "t", "import", stream]);
            host.ok("zoneadm", &["-z", "t", "boot"]);
            host.ok("zoneadm", &["-z", "t", "halt"]);
            host.ok("zoneadm", &["-z", "t", "uninstall", "-F"]);
            host.ok("zonecfg", &["-z", "t", "delete", "-F"]);
        }
        host.ok("zoneadm", &["-z", "z", "rollback", "s"]);
        host.ok("zoneadm", &["-z", "z", "boot"]);
        host.ok("zoneadm", &["-z", "z", "halt"]);
    });
}

#[test]
fn layers_and_subvolumes() {
    on_full("layers_and_subvolumes", &[Ground::Ext4, Ground::Btrfs]);
}

#[test]
fn subvolumes_and_layers() {
    on_full("subvolumes_and_layers", &[Ground::Btrfs, Ground::Ext4]);
}

/// Verbs that keep or bring back how a zone was need little room or, where files are copied, much:
/// each does all of its work or nothing.
#[test]
fn no_room_to_keep_how_a_zone_is() {
    const GROUNDS: &[Ground] = &[Ground::Ext4, Ground::Btrfs];
    let dir = "add attr; set name=storage; set type=string; set value=dir; end";
    let zones = [
        ("layers", Ground::Ext4, ""),
        ("copies", Ground::Ext4, dir),
        ("subvolumes", Ground::Btrfs, ""),
    ];
    on(
        "no_room_to_keep_how_a_zone_is",
        GROUNDS,
        SMALL,
        move |host| {
            for (zone, ground, more) in zones {
                host.install_at(zone, &path(host, ground, zone), more);
                {
                    let root = Files::open(&path(host, ground, zone).join("root"));
                    fs::write(root.join("data"), &noise()[..LITTLE]).unwrap();
                }
                host.ok("zoneadm", &["-z", zone, "snapshot", "s"]);
                keep_on_full(host, zone, &path(host, ground, zone), &ground.place(host));
                host.ok("zoneadm", &["-z", zone, "uninstall", "-F"]);
            }
        },
    );
}

/// Names in a zonepath, but for the folder of environments, which stays when it is empty.
fn own(zonepath: &Path) -> Vec<String> {
    let all = names(zonepath);
    all.into_iter().filter(|it| it != "be").collect()
}

fn keep_on_full(host: &Host, zone: &str, zonepath: &Path, place: &Path) {
    let lines: [(&str, &[&str]); 3] = [
        ("zoneadm", &["snapshot", "t"]),
        ("zoneadm", &["rollback", "s"]),
        ("beadm", &["create", "e"]),
    ];
    let run = |(applet, words): (&str, &[&str])| host.run(applet, &[&["-z", zone], words].concat());
    // What there is, whatever it is called on the disk, and the zone itself.
    let look = || {
        let snapshots = host.ok("zoneadm", &["-z", zone, "list-snapshots", "-o", "name"]);
        let environments = host.ok("beadm", &["-z", zone, "list", "-H"]);
        let environments: Vec<&str> = environments.lines().map(|it| &it[..4]).collect();
        let root = Files::look(&zonepath.join("root"));
        let data = fs::read(root.join("data")).unwrap() == noise()[..LITTLE];
        let environments = environments.join(" ");
        (snapshots, environments, data, host.state(zone))
    };
    let mut failed = Vec::new();
    for line in lines {
        let (before, files) = (look(), own(zonepath));
        let ballast = fill_but(place, 0);
        let output = run(line);
        if !output.status.success() {
            let said = err(&output);
            assert_eq!(output.status.code(), Some(1), "{zone} {line:?}: {said}");
            let is_told = said.to_lowercase().contains("no space left");
            assert!(is_told, "{zone} {line:?}: {said}");
        }
        fs::remove_file(ballast).unwrap();
        if !output.status.success() {
            failed.push(line.1[0]);
            assert_eq!(look(), before, "{zone} {line:?}");
            assert_eq!(own(zonepath), files, "{zone} {line:?}");
            let again = run(line);
            assert!(again.status.success(), "{zone} {line:?}: {}", err(&again));
        }
        assert!(look().2, "{zone} {line:?}");
    }
    println!("{zone}: no room for {failed:?}");
    if zone == "copies" {
        assert_eq!(failed, ["snapshot", "rollback", "create"]);
    }
    host.ok("zoneadm", &["-z", zone, "boot"]);
    host.ok("zoneadm", &["-z", zone, "halt"]);
}
