use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use zones_sys::RootFd;

use super::{Layer, Meta, apply_folders};

fn meta(mode: u32) -> Meta {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    Meta {
        mode,
        uid,
        gid,
        mtime: 1_000_000,
        mtime_nanos: 0,
        xattrs: Vec::new(),
    }
}

#[test]
fn a_folder_takes_its_files_before_it_gets_its_mode_and_time() {
    let temp = tempfile::tempdir().expect("temp");
    let root = RootFd::open(temp.path()).expect("root");
    let mut layer = Layer::new(&root);
    layer.folder(Path::new("a"), meta(0o2755)).expect("folder");
    layer
        .folder(Path::new("a"), meta(0o700))
        .expect("the first mode counts");
    let mut seen = 0;
    layer
        .file(
            Path::new("a/su"),
            &meta(0o4755),
            2,
            &mut &b"hi"[..],
            &mut |b| seen += b.len(),
        )
        .expect("file");
    layer
        .hard_link(Path::new("a/too"), Path::new("a/su"))
        .expect("link");
    layer
        .hard_link(Path::new("a/too"), Path::new("a/su"))
        .expect("link again");
    apply_folders(&root, layer.into_folders()).expect("folders");
    assert_eq!(seen, 2);
    let a = fs::metadata(temp.path().join("a")).expect("a");
    assert_eq!((a.mode() & 0o7777, a.mtime()), (0o2755, 1_000_000));
    let su = fs::metadata(temp.path().join("a/su")).expect("su");
    assert_eq!(
        (su.mode() & 0o7777, su.mtime(), su.nlink()),
        (0o4755, 1_000_000, 2)
    );
}

#[test]
fn short_content_is_an_error_that_names_the_file() {
    let temp = tempfile::tempdir().expect("temp");
    let root = RootFd::open(temp.path()).expect("root");
    let mut layer = Layer::new(&root);
    let wrong = layer.file(
        Path::new("f"),
        &meta(0o644),
        9,
        &mut &b"hi"[..],
        &mut |_| (),
    );
    assert_eq!(
        wrong.expect_err("short").to_string(),
        "the content of `f` ends after 2 of 9 bytes"
    );
}

#[test]
fn a_link_to_a_folder_is_kept_and_written_through_inside_the_root_only() {
    let temp = tempfile::tempdir().expect("temp");
    fs::create_dir_all(temp.path().join("root/usr/bin")).expect("dirs");
    fs::create_dir(temp.path().join("out")).expect("out");
    symlink("usr/bin", temp.path().join("root/bin")).expect("link");
    symlink("../out", temp.path().join("root/evil")).expect("link");
    let root = RootFd::open(&temp.path().join("root")).expect("root");
    let mut layer = Layer::new(&root);
    layer.folder(Path::new("bin"), meta(0o755)).expect("kept");
    layer
        .file(
            Path::new("bin/x"),
            &meta(0o755),
            0,
            &mut &b""[..],
            &mut |_| (),
        )
        .expect("x");
    assert!(temp.path().join("root/usr/bin/x").exists());
    let wrong = layer.file(
        Path::new("evil/x"),
        &meta(0o755),
        0,
        &mut &b""[..],
        &mut |_| (),
    );
    assert!(wrong.is_err());
    assert_eq!(
        fs::read_dir(temp.path().join("out")).expect("out").count(),
        0
    );
}
