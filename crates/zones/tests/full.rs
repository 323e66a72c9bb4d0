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

fn path(host: &Host, ground: Ground, zone: &str) -> PathBuf {
    ground.place(host).join("zones").join(zone)
}

/// Leaves a few megabytes.
fn fill(place: &Path) -> PathBuf {
    let ballast = place.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    let piece = vec![7; 1 << 20];
    while file.write_all(&piece).is_ok() {}
    let _ = file.sync_all();
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(8 << 20)).unwrap();
    file.sync_all().unwrap();
    ballast
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
            let mut data = vec![0; DATA];
            // Nothing that a file system makes smaller.
            let mut seed = 1_u64;
            for byte in &mut data {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (seed >> 56).to_le_bytes()[0];
            }
            fs::write(root.join("data"), data).unwrap();
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
