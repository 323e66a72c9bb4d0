//! Streams of zones from one zonepath to another: on whatever holds the build folder, and on btrfs
//! in an image of its own, mounted where only the test sees it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use support::{Dice, Files, Pair, on};
use zones_archive::{DiffOptions, Silent, differ};
use zones_storage::{Environments, Snapshots, choose};
use zones_stream::{Described, Keep, Selection, StreamError, export, kept};
use zones_sys::RootFd;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A root with something of everything.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("var/lib/deep/er")).unwrap();
    fs::write(root.join("usr/bin/tool"), "tool").unwrap();
    fs::set_permissions(
        root.join("usr/bin/tool"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    for name in ["two", "three"] {
        fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin").join(name)).unwrap();
    }
    symlink("/etc/passwd", root.join("link")).unwrap();
    let sparse = fs::File::create(root.join("var/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(&[1; 5000], 10 << 20).unwrap();
    sparse.write_all_at(b"end", (64 << 20) - 3).unwrap();
    let mut dice = Dice(1);
    let noise: Vec<u8> = (0..3 << 20).map(|_| dice.next(256) as u8).collect();
    fs::write(root.join("var/noise"), noise).unwrap();
    for number in 0..300 {
        let text = "text ".repeat(number);
        fs::write(root.join(format!("var/lib/deep/{number}")), text).unwrap();
    }
    let at = RootFd::open(root).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    at.mknod(Path::new("fifo"), fifo, 0o620, 0).unwrap();
    let key = std::ffi::OsStr::new("user.note");
    // Not every file system has them.
    let _ = at.set_xattr(Path::new("usr/bin"), key, b"value");
    if is_root() {
        let device = rustix::fs::makedev(1, 3);
        let kind = rustix::fs::FileType::CharacterDevice;
        at.mknod(Path::new("null"), kind, 0o666, device).unwrap();
        at.chown(Path::new("var/lib"), 101, 102).unwrap();
        at.chown(Path::new("link"), 5, 6).unwrap();
        let mut value = [0; 20];
        value[..8].copy_from_slice(&[1, 0, 0, 2, 0, 0x20, 0, 0]);
        let key = std::ffi::OsStr::new("security.capability");
        at.set_xattr(Path::new("var/noise"), key, &value).unwrap();
        // user::rw-, user:7:r--, group::r--, mask::r--, other::---: acl(5), version 2 on disk.
        let entries: [(u16, u16, u32); 5] =
            [(1, 6, !0), (2, 4, 7), (4, 4, !0), (16, 4, !0), (32, 0, !0)];
        let mut acl = vec![2, 0, 0, 0];
        for (tag, rights, id) in entries {
            acl.extend(tag.to_le_bytes());
            acl.extend(rights.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        let key = std::ffi::OsStr::new("system.posix_acl_access");
        let _ = at.set_xattr(Path::new("var/lib/deep/7"), key, &acl);
    }
    let file = fs::File::options().write(true).open(root.join("var/noise"));
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    file.unwrap().set_modified(old).unwrap();
    fs::set_permissions(
        root.join("var/lib/deep"),
        fs::Permissions::from_mode(0o1700),
    )
    .unwrap();
}

/// Something of every kind of change.
fn change(root: &Path) {
    fs::write(root.join("usr/bin/two"), "TOOL").unwrap();
    fs::hard_link(root.join("usr/bin/two"), root.join("four")).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    fs::create_dir(root.join("link")).unwrap();
    fs::write(root.join("link/inner"), "was a link").unwrap();
    fs::remove_dir_all(root.join("var/lib/deep/er")).unwrap();
    for number in 0..50 {
        fs::remove_file(root.join(format!("var/lib/deep/{number}"))).unwrap();
    }
    let noise = fs::File::options().write(true).open(root.join("var/noise"));
    noise
        .unwrap()
        .write_all_at(b"changed in the middle", 1 << 20)
        .unwrap();
    let sparse = fs::File::options()
        .write(true)
        .open(root.join("var/sparse"));
    let sparse = sparse.unwrap();
    sparse.write_all_at(&[0; 5000], 10 << 20).unwrap();
    sparse.write_all_at(b"new", 30 << 20).unwrap();
    let note = std::ffi::OsStr::new("user.other");
    let _ = RootFd::open(root)
        .unwrap()
        .set_xattr(Path::new("var/lib/deep/100"), note, b"1");
    fs::set_permissions(root.join("usr"), fs::Permissions::from_mode(0o711)).unwrap();
}

/// A file in the root of a zone.
fn write(zone: &Path, name: &str, text: &str) {
    fs::write(Files::of(&zone.join("root")).path().join(name), text).unwrap();
}

fn assert_same(one: &Path, other: &Path) {
    let times = DiffOptions {
        times: true,
        ..DiffOptions::default()
    };
    let (a, b) = (Files::of(one), Files::of(other));
    let changes = differ(Some(&a.root), &b.root, times, &Silent).unwrap();
    assert!(changes.is_empty(), "{}: {changes:#?}", other.display());
}

fn snapshot(zone: &Path, name: &str) {
    let mut all = Snapshots::open(zone).unwrap();
    all.create(name, 7, "", &Silent).unwrap();
}

/// A zone with two snapshots and a boot environment.
fn zone(pair: &Pair) -> PathBuf {
    let zone = pair.zone("from");
    fill(&Files::of(&zone.join("root")).path());
    snapshot(&zone, "first");
    change(&Files::of(&zone.join("root")).path());
    let mut all = Environments::open(&zone).unwrap();
    all.create("other", "zbe", 9, &Silent).unwrap();
    snapshot(&zone, "second");
    write(&zone, "last", "last");
    zone
}

fn assert_same_zone(from: &Path, to: &Path) {
    assert_same(&from.join("root"), &to.join("root"));
    let (a, b) = (Snapshots::open(from).unwrap(), Snapshots::open(to).unwrap());
    assert_eq!(a.all(), b.all());
    for snapshot in a.all() {
        assert_same(&a.path(&snapshot.name), &b.path(&snapshot.name));
    }
    let (a, b) = (
        Environments::open(from).unwrap(),
        Environments::open(to).unwrap(),
    );
    let names = |it: &Environments| -> Vec<String> {
        let mut names: Vec<_> = it.all().iter().map(|it| it.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!((names(&a), a.active()), (names(&b), b.active()));
    for name in names(&a) {
        assert_same(&a.path(&name), &b.path(&name));
    }
    let left = fs::read_dir(to).unwrap().flatten().map(|it| it.file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["be", "root", "snap"]);
}

fn a_zone_comes_back_as_it_was(pair: &Pair) {
    let from = zone(pair);
    let bytes = pair.export(&from, &Selection::default(), None).unwrap();
    let again = pair.export(&from, &Selection::default(), None).unwrap();
    assert!(bytes == again, "a stream is the same each time");
    // The noise is there once, not four times.
    assert!(bytes.len() < 5 << 20, "{} bytes", bytes.len());
    let to = pair.new_zone("to");
    pair.import(&bytes, &to, Keep::Nothing).unwrap();
    assert_same_zone(&from, &to);
    let root = Files::of(&to.join("root"));
    let sparse = fs::metadata(root.path().join("var/sparse")).unwrap();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&sparse);
    assert!(
        blocks * 512 < 2 << 20,
        "{blocks} blocks of a file that is mostly hole"
    );
}

fn only_one_snapshot(pair: &Pair) {
    let from = zone(pair);
    let only = Selection {
        snapshot: Some("first".to_owned()),
        base: None,
    };
    let bytes = pair.export(&from, &only, None).unwrap();
    let to = pair.new_zone("to");
    pair.import(&bytes, &to, Keep::Nothing).unwrap();
    assert_same(&from.join("snap/first"), &to.join("root"));
    assert_eq!(Snapshots::open(&to).unwrap().all().len(), 1);
    let unknown = Selection {
        snapshot: Some("none".to_owned()),
        base: None,
    };
    let refused = pair.export(&from, &unknown, None);
    assert!(matches!(refused, Err(StreamError::Snapshot(_))));
}

fn a_chain_of_three(pair: &Pair) {
    let from = pair.zone("from");
    fill(&Files::of(&from.join("root")).path());
    snapshot(&from, "one");
    let to = pair.new_zone("to");
    let whole = pair.export(&from, &Selection::default(), None).unwrap();
    pair.import(&whole, &to, Keep::Nothing).unwrap();
    let mut base = "one";
    for (number, name) in ["two", "three", "four"].into_iter().enumerate() {
        if number == 1 {
            change(&Files::of(&from.join("root")).path());
        }
        write(&from, "number", name);
        snapshot(&from, name);
        let selection = Selection {
            snapshot: None,
            base: Some(base.to_owned()),
        };
        let bytes = pair.export(&from, &selection, None).unwrap();
        assert!(bytes.len() < 300 << 10, "{name}: {} bytes", bytes.len());
        // Not the receiver's: its base is another one.
        let stranger = pair.zone(&format!("stranger{number}"));
        let refused = pair.import(&bytes, &stranger, Keep::Verified);
        assert!(
            matches!(refused, Err(StreamError::NoBase { .. })),
            "{refused:?}"
        );
        assert!(!stranger.join(".import").exists());
        pair.import(&bytes, &to, Keep::Nothing).unwrap();
        assert_same(&from.join("root"), &to.join("root"));
        assert_same(&from.join("snap").join(name), &to.join("snap").join(name));
        base = name;
    }
    assert_eq!(Snapshots::open(&to).unwrap().all().len(), 4);
}

/// Wherever it is cut, what came is gone on with, also when it is cut again.
fn cut_and_gone_on_with(pair: &Pair) {
    let from = zone(pair);
    let whole = pair.export(&from, &Selection::default(), None).unwrap();
    let mut dice = Dice(7);
    for round in 0..6 {
        let to = pair.new_zone(&format!("to{round}"));
        let mut bytes = whole.clone();
        for _ in 0..3 {
            let cut = dice.next(bytes.len());
            let done = pair.import(&bytes[..cut], &to, Keep::Verified);
            assert!(done.is_err(), "cut at {cut}");
            assert!(!to.join("root").exists());
            if let Some(token) = kept(&to).unwrap() {
                bytes = pair
                    .export(&from, &Selection::default(), Some(token))
                    .unwrap();
                assert!(bytes.len() <= whole.len() + 200);
            }
        }
        pair.import(&bytes, &to, Keep::Verified).unwrap();
        assert_same_zone(&from, &to);
        assert_eq!(kept(&to).unwrap(), None);
    }
}

/// The zone changed after the first part was sent.
fn what_changed_is_not_gone_on_with(pair: &Pair) {
    let from = zone(pair);
    let whole = pair.export(&from, &Selection::default(), None).unwrap();
    let to = pair.new_zone("to");
    // In the last frame, which says nothing but that it is the last.
    let cut = whole.len() - 20;
    assert!(pair.import(&whole[..cut], &to, Keep::Verified).is_err());
    let token = kept(&to).unwrap().unwrap();
    let rest = pair
        .export(&from, &Selection::default(), Some(token))
        .unwrap();
    // Not for one who has nothing.
    let other = pair.new_zone("other");
    let refused = pair.import(&rest, &other, Keep::Verified);
    assert!(
        matches!(refused, Err(StreamError::NoResume { .. })),
        "{refused:?}"
    );
    write(&from, "later", "later");
    let refused = pair.export(&from, &Selection::default(), Some(token));
    assert!(
        matches!(refused, Err(StreamError::Changed { .. })),
        "{refused:?}"
    );
}

fn a_flip_leaves_nothing(pair: &Pair) {
    let from = pair.zone("from");
    write(&from, "file", "text");
    fs::create_dir(Files::of(&from.join("root")).path().join("folder")).unwrap();
    let whole = pair.export(&from, &Selection::default(), None).unwrap();
    let to = pair.new_zone("to");
    let mut dice = Dice(3);
    for _ in 0..100 {
        let mut bytes = whole.clone();
        let at = dice.next(bytes.len());
        bytes[at] ^= 1 << dice.next(8);
        match pair.import(&bytes, &to, Keep::Nothing) {
            Err(_) => assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "flip at {at}"),
            // Some bits of compressed data mean nothing.
            Ok(()) => {
                assert_same(&from.join("root"), &to.join("root"));
                choose(&to).unwrap().destroy(&to.join("root")).unwrap();
                let _ = fs::remove_dir_all(to.join("be"));
            }
        }
    }
    pair.import(&whole, &to, Keep::Nothing).unwrap();
    assert_same(&from.join("root"), &to.join("root"));
}

#[test]
fn the_selection_must_exist() {
    on::here("the_selection_must_exist", |pair| {
        let from = pair.zone("from");
        let selection = Selection {
            snapshot: None,
            base: Some("none".to_owned()),
        };
        let out = Vec::new();
        let done = export(&from, &Described::default(), &selection, None, out, &Silent);
        assert!(matches!(done, Err(StreamError::Snapshot(_))));
    });
}

on::each_driver!(
    a_zone_comes_back_as_it_was,
    only_one_snapshot,
    a_chain_of_three,
    cut_and_gone_on_with,
    what_changed_is_not_gone_on_with,
    a_flip_leaves_nothing,
);
