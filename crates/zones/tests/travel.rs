//! A zone of one storage driver exported to all others: nothing gets lost, and it boots there.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, SeekFrom, Timespec, Timestamps, XattrFlags};
use support::image::{Ground, ROOMY, on};
use support::{Files, Host};
use zones_archive::{DiffOptions, Silent, differ};

fn zonepath(host: &Host, ground: Ground, zone: &str) -> PathBuf {
    ground.place(host).join("zones").join(zone)
}

fn xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// An access list. Source: linux/posix_acl_xattr.h.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&rights.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

const NOBODY: u32 = u32::MAX;
/// user::rw- user:1000:r-- group::r-- group:33:-w- mask::rw- other::---
const LIST: [(u16, u16, u32); 6] = [
    (0x01, 6, NOBODY),
    (0x02, 4, 1000),
    (0x04, 4, NOBODY),
    (0x08, 2, 33),
    (0x10, 6, NOBODY),
    (0x20, 0, NOBODY),
];

/// `cap_net_raw=ep`, for the root of the zone. Source: linux/capability.h.
fn capability() -> Vec<u8> {
    let words: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];
    words.iter().flat_map(|it| it.to_le_bytes()).collect()
}

fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn own(path: &Path, uid: u32, gid: u32, mode: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
    if !path.is_symlink() {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn sparse(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(40 << 20).unwrap();
    file.write_all_at(&[7; 100_000], 5 << 20).unwrap();
    file.write_all_at(b"end", (40 << 20) - 3).unwrap();
}

fn node(path: &Path, kind: FileType, device: u64) {
    let mode = Mode::from_raw_mode(0o640);
    rustix::fs::mknodat(CWD, path, kind, mode, device).unwrap();
}

/// All that a tree can hold, with the numbers of the zone.
fn fill(root: &Path) {
    let data = root.join("data");
    for folder in ["a/deep/er", "empty", "empty times", "acl"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    let odd = OsString::from_vec(b"not \xff\xfe utf-8\n".to_vec());
    fs::write(data.join(odd), "odd").unwrap();
    fs::write(data.join("n".repeat(255)), "long").unwrap();
    for (name, uid, gid, mode) in [
        ("setuid", 0, 0, 0o4755),
        ("setgid", 5, 6, 0o2755),
        ("none", 65_534, 65_534, 0o000),
        ("high", 65_535, 1000, 0o644),
    ] {
        fs::write(data.join(name), name).unwrap();
        own(&data.join(name), uid, gid, mode);
    }
    own(&data.join("empty"), 1000, 1000, 0o3777);
    fs::write(data.join("a/one"), vec![1; 300_000]).unwrap();
    fs::hard_link(data.join("a/one"), data.join("a/deep/two")).unwrap();
    fs::hard_link(data.join("a/one"), data.join("three")).unwrap();
    own(&data.join("three"), 7, 8, 0o4711);
    sparse(&data.join("sparse"));
    File::create(data.join("hole"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    symlink("../../../etc/passwd", data.join("a/link")).unwrap();
    symlink("/nowhere", data.join("dangling")).unwrap();
    own(&data.join("dangling"), 3, 4, 0);
    node(&data.join("fifo"), FileType::Fifo, 0);
    let null = rustix::fs::makedev(1, 3);
    node(&data.join("null"), FileType::CharacterDevice, null);
    node(&data.join("block"), FileType::BlockDevice, 0x700);
    own(&data.join("null"), 0, 10, 0o666);
    for (name, list) in [
        ("system.posix_acl_access", &LIST[..]),
        ("system.posix_acl_default", &LIST[..]),
    ] {
        xattr(&data.join("acl"), name, &acl(list));
    }
    fs::write(data.join("acl/inherits"), "").unwrap();
    xattr(
        &data.join("acl/inherits"),
        "system.posix_acl_access",
        &acl(&LIST),
    );
    fs::write(data.join("ping"), "ping").unwrap();
    xattr(&data.join("ping"), "security.capability", &capability());
    xattr(&data.join("a"), "user.folder", b"of a folder");
    xattr(&data.join("a/one"), "user.empty", b"");
    xattr(&data.join("a/one"), "user.bytes", &[0, 255, 10, 61]);
    xattr(&data.join("high"), "user.large", &[9; 2000]);
    for (name, seconds, nanos) in [
        ("three", 1_700_000_000, 123_456_789),
        ("ping", 2_300_000_000, 999_999_999),
        ("setuid", -1_000_000_000, 1),
        ("dangling", 1_000_000_000, 5),
        ("fifo", 1_100_000_000, 6),
        ("empty times", 900_000_000, 7),
        ("a", 901_000_000, 8),
    ] {
        set_time(&data.join(name), seconds, nanos);
    }
}

fn change(root: &Path, step: u32) {
    let data = root.join("data");
    let file = File::options().append(true).open(data.join("high"));
    file.unwrap().write_all(b"more").unwrap();
    fs::write(data.join(format!("new {step}")), "new").unwrap();
    let _ = fs::remove_file(data.join("null"));
    let file = File::options().write(true).open(data.join("sparse"));
    let file = file.unwrap();
    file.write_all_at(b"middle", 20 << 20).unwrap();
    drop(file);
    own(&data.join("setgid"), 50 + step, 60, 0o2711);
    xattr(&data.join("a"), "user.folder", &step.to_le_bytes());
    let name = data.join(format!("a/deep/name {step}"));
    fs::hard_link(data.join("ping"), name).unwrap();
    let _ = rustix::fs::lremovexattr(data.join("high"), "user.large");
    let (old, new) = (data.join("empty"), data.join("was empty"));
    if step == 1 {
        fs::rename(old, new).unwrap();
    }
}

/// A zone with two snapshots, an environment, and files newer than all of them.
fn make(host: &Host, zone: &str, zonepath: &Path) {
    host.install_at(zone, zonepath, "");
    let root = zonepath.join("root");
    fill(&Files::open(&root));
    host.ok("zoneadm", &["-z", zone, "snapshot", "first"]);
    change(&Files::open(&root), 1);
    host.ok("beadm", &["-z", zone, "create", "other"]);
    host.ok("zoneadm", &["-z", zone, "snapshot", "second"]);
    change(&Files::open(&root), 2);
    change(&Files::open(&zonepath.join("be/other")), 3);
}

const ROOTS: [&str; 4] = ["root", "snap/first", "snap/second", "be/other"];

fn export(host: &Host, zone: &str) -> PathBuf {
    let file = host.path().join(format!("{zone}.stream"));
    let name = file.to_str().unwrap();
    host.ok("zoneadm", &["-z", zone, "export", name]);
    file
}

fn import(host: &Host, zone: &str, zonepath: &Path, stream: &Path) {
    let (path, stream) = (zonepath.to_str().unwrap(), stream.to_str().unwrap());
    host.ok("zoneadm", &["-z", zone, "import", "-d", path, stream]);
}

/// Megabytes of a file that hold data: overlayfs fills those of which it copies any.
fn pieces(path: &Path) -> Vec<u64> {
    const PIECE: u64 = 1 << 20;
    let file = File::open(path).unwrap();
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        let end = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap();
        found.extend(start / PIECE..end.div_ceil(PIECE));
        at = end;
    }
    found.dedup();
    found
}

fn assert_same_tree(one: &Path, other: &Path) {
    let (a, b) = (
        zones_storage::look(one).unwrap(),
        zones_storage::look(other).unwrap(),
    );
    let options = DiffOptions {
        times: true,
        ..DiffOptions::default()
    };
    let changes = differ(Some(&a), &b, options, &Silent).unwrap();
    assert!(
        changes.is_empty(),
        "{} and {}: {changes:#?}",
        one.display(),
        other.display()
    );
}

fn assert_same(one: &Path, other: &Path) {
    assert_same_tree(one, other);
    let (a, b) = (Files::look(one), Files::look(other));
    for name in ["data/sparse", "data/hole"] {
        assert_eq!(pieces(&a.join(name)), pieces(&b.join(name)), "{name}");
    }
}

/// What the zone itself sees.
fn seen(host: &Host, zone: &str) -> String {
    host.ok("zoneadm", &["-z", zone, "boot"]);
    let all = "cd /data; busybox find . -print0 | busybox sort -z | \
               busybox xargs -0 busybox stat -c '%n %u %g %a %Y %F %t %T'; \
               busybox find . -type f -size -1000k -exec busybox md5sum {} + | busybox sort";
    let text = host.inside(zone, all);
    host.ok("zoneadm", &["-z", zone, "halt"]);
    // A folder's number of names is its file system's own affair.
    let lines = text
        .lines()
        .map(|line| match line.split_once(" directory") {
            Some((line, _)) => line,
            None => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is on disk there: shifted where nothing maps owners.
fn assert_owners(host: &Host, ground: Ground, zone: &str) {
    let root = Files::look(&zonepath(host, ground, zone).join("root"));
    let owner = |path: &str| fs::symlink_metadata(root.join(path)).unwrap().uid();
    let base = owner("");
    assert_eq!(base != 0, ground == Ground::Dir, "{}", ground.name());
    assert_eq!(owner("data/three"), base + 7);
    assert_eq!(owner("data/dangling"), base + 3);
}

fn from(name: &'static str, source: Ground) {
    on(name, &Ground::ALL, ROOMY, move |host| {
        let first = zonepath(host, Ground::Ext4, "first");
        let origin = match source {
            // Where owners are shifted, files with the numbers of the zone come from a stream.
            Ground::Dir => {
                make(host, "first", &first);
                let path = zonepath(host, source, "web");
                import(host, "web", &path, &export(host, "first"));
                for root in ROOTS {
                    assert_same(&first.join(root), &path.join(root));
                }
                // A snapshot of shifted files among those with numbers of the zone.
                host.ok("zoneadm", &["-z", "web", "snapshot", "shifted"]);
                path
            }
            _ => {
                let path = zonepath(host, source, "web");
                make(host, "web", &path);
                path
            }
        };
        let stream = export(host, "web");
        let zone = |ground: Ground| format!("to-{}", ground.name());
        for ground in Ground::ALL {
            let zone = zone(ground);
            let path = zonepath(host, ground, &zone);
            import(host, &zone, &path, &stream);
            for root in ROOTS {
                assert_same(&origin.join(root), &path.join(root));
            }
            assert_owners(host, ground, &zone);
            let list = host.ok("zoneadm", &["-z", &zone, "list-snapshots", "-p"]);
            assert!(
                list.starts_with("first:") && list.contains("\nsecond:"),
                "{list}"
            );
            let list = host.ok("beadm", &["-z", &zone, "list", "-H"]);
            assert!(list.contains("other;") && list.contains("zbe;"), "{list}");
        }
        // A boot makes mount points: not before all is compared.
        let expected = seen(host, "web");
        assert!(expected.contains("./setuid 0 0 4755"), "{expected}");
        for ground in Ground::ALL {
            let zone = zone(ground);
            assert_eq!(seen(host, &zone), expected, "{zone}");
            back_and_forth(host, &zone);
            host.ok("zoneadm", &["-z", &zone, "uninstall", "-F"]);
        }
        assert_eq!(host.leftovers(), Vec::<String>::new());
    });
}

/// What came can be rolled back to, and booted as an environment.
fn back_and_forth(host: &Host, zone: &str) {
    host.ok("zoneadm", &["-z", zone, "rollback", "first"]);
    let look = "busybox stat -c %u:%g /data/setgid /data/high; ls /data | grep -c new";
    host.ok("zoneadm", &["-z", zone, "boot"]);
    assert_eq!(
        host.run("zlogin", &[zone, look]).stdout,
        b"5:6\n65535:1000\n0\n"
    );
    host.ok("zoneadm", &["-z", zone, "halt"]);
    host.ok("zoneadm", &["-z", zone, "boot", "-B", "other"]);
    assert_eq!(
        host.inside(zone, "busybox stat -c %u:%g /data/setgid"),
        "53:60\n"
    );
    host.ok("zoneadm", &["-z", zone, "halt"]);
}

#[test]
fn from_btrfs_to_all() {
    from("from_btrfs_to_all", Ground::Btrfs);
}

#[test]
fn from_layers_on_ext4_to_all() {
    from("from_layers_on_ext4_to_all", Ground::Ext4);
}

#[test]
fn from_layers_on_xfs_to_all() {
    from("from_layers_on_xfs_to_all", Ground::Xfs);
}

#[test]
fn from_shifted_folders_to_all() {
    from("from_shifted_folders_to_all", Ground::Dir);
}

/// There and back: what came after a snapshot that was shifted meanwhile, onto that snapshot.
#[test]
fn a_shifted_snapshot_is_gone_on_from() {
    let grounds = &[Ground::Ext4, Ground::Dir];
    on(
        "a_shifted_snapshot_is_gone_on_from",
        grounds,
        ROOMY,
        |host| {
            let path = zonepath(host, Ground::Dir, "web");
            host.install_at("web", &path, "");
            host.ok("zoneadm", &["-z", "web", "boot"]);
            host.inside(
                "web",
                "mkdir /data; echo 1 > /data/old; chown 5:6 /data/old",
            );
            host.ok("zoneadm", &["-z", "web", "halt"]);
            host.ok("zoneadm", &["-z", "web", "snapshot", "s"]);
            let there = zonepath(host, Ground::Ext4, "there");
            import(host, "there", &there, &export(host, "web"));
            let files = Files::open(&there.join("root"));
            fs::write(files.join("data/new"), "2").unwrap();
            own(&files.join("data/new"), 7, 8, 0o644);
            own(&files.join("data/old"), 9, 10, 0o600);
            drop(files);
            let file = host.path().join("more");
            let file = file.to_str().unwrap();
            host.ok("zoneadm", &["-z", "there", "export", "-i", "s", file]);
            host.ok("zoneadm", &["-z", "web", "import", file]);
            assert_same_tree(&path.join("root"), &there.join("root"));
            host.ok("zoneadm", &["-z", "web", "boot"]);
            let look = "busybox stat -c %u:%g /data/new /data/old /bin/busybox";
            assert_eq!(host.inside("web", look), "7:8\n9:10\n0:0\n");
            host.ok("zoneadm", &["-z", "web", "halt"]);
        },
    );
}
