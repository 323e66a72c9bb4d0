use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use zones_sys::RootFd;

use super::{CopyReport, copy_tree, copy_tree_except};
use crate::progress::Silent;
use crate::unpack::Devices;

#[test]
fn a_copy_keeps_links_modes_and_times_and_drops_sockets() {
    let temp = tempfile::tempdir().expect("temp");
    let (from, to) = (temp.path().join("from"), temp.path().join("to"));
    fs::create_dir_all(from.join("d")).expect("from");
    fs::create_dir(&to).expect("to");
    fs::write(from.join("d/f"), "text").expect("f");
    fs::set_permissions(from.join("d/f"), fs::Permissions::from_mode(0o4711)).expect("mode");
    fs::hard_link(from.join("d/f"), from.join("h")).expect("h");
    symlink("/etc/passwd", from.join("l")).expect("l");
    fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o1777)).expect("mode");
    let _socket = UnixListener::bind(from.join("s")).expect("socket");
    let (a, b) = (
        RootFd::open(&from).expect("a"),
        RootFd::open(&to).expect("b"),
    );
    let report = copy_tree(&a, &b, Devices::Skip, &Silent).expect("copy");
    let want = CopyReport {
        members: 4,
        bytes: 4,
        sockets_skipped: 1,
        ..CopyReport::default()
    };
    assert_eq!(report, want);
    let f = fs::metadata(to.join("d/f")).expect("f");
    assert_eq!((f.mode() & 0o7777, f.nlink()), (0o4711, 2));
    assert_eq!(
        f.mtime(),
        fs::metadata(from.join("d/f")).expect("f").mtime()
    );
    assert_eq!(
        fs::metadata(to.join("d")).expect("d").mode() & 0o7777,
        0o1777
    );
    assert_eq!(
        fs::read_link(to.join("l")).expect("l").to_str(),
        Some("/etc/passwd")
    );
}

#[test]
fn what_is_left_out_stays_an_empty_folder() {
    let temp = tempfile::tempdir().expect("temp");
    let (from, to) = (temp.path().join("from"), temp.path().join("to"));
    fs::create_dir_all(from.join("usr/bin")).expect("from");
    fs::write(from.join("usr/bin/tool"), "tool").expect("tool");
    fs::write(from.join("usr-file"), "own").expect("file");
    fs::set_permissions(from.join("usr"), fs::Permissions::from_mode(0o711)).expect("mode");
    fs::create_dir(&to).expect("to");
    let open = |path| RootFd::open(path).expect("root");
    let leave_out = |path: &std::path::Path| path == std::path::Path::new("usr");
    let done = copy_tree_except(&open(&from), &open(&to), Devices::Skip, &leave_out, &Silent);
    assert_eq!(done.expect("copy").members, 2);
    assert_eq!(fs::read_dir(to.join("usr")).expect("usr").count(), 0);
    assert_eq!(
        fs::metadata(to.join("usr")).expect("usr").mode() & 0o7777,
        0o711
    );
}
