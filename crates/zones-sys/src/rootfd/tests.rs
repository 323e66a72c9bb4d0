//! The tree below holds links that point out of it; nothing may follow them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{RootFd, Stamp};

/// A folder with `inside/` (the root) and `outside/` beside it.
fn tree() -> (tempfile::TempDir, RootFd) {
    let temp = tempfile::tempdir().expect("temp dir");
    fs::create_dir(temp.path().join("inside")).expect("inside");
    fs::create_dir(temp.path().join("outside")).expect("outside");
    let root = RootFd::open(&temp.path().join("inside")).expect("root");
    (temp, root)
}

fn own() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

fn stamp(mode: u32) -> Stamp {
    let (uid, gid) = own();
    Stamp { mode, uid, gid }
}

#[test]
fn links_stay_inside_the_root() {
    let (temp, root) = tree();
    let outside = temp.path().join("outside");
    symlink(&outside, temp.path().join("inside/abs")).expect("link");
    symlink("../../outside", temp.path().join("inside/rel")).expect("link");
    for path in ["abs/x", "rel/x", "/abs/x"] {
        let made = root.write(Path::new(path), b"x", stamp(0o644));
        assert!(made.is_err(), "{path}");
    }
    assert_eq!(
        root.write(Path::new("../x"), b"x", stamp(0o644)),
        Ok(()),
        "`..` stops at the root"
    );
    assert!(temp.path().join("inside/x").exists());
    assert_eq!(fs::read_dir(&outside).expect("outside").count(), 0);
}

#[test]
fn folders_without_links_have_none_anywhere() {
    let (temp, root) = tree();
    root.mkdir_p(Path::new("a/b"), 0o755).expect("a/b");
    symlink("a", temp.path().join("inside/l")).expect("link");
    symlink("b", temp.path().join("inside/a/l")).expect("link");
    for path in ["", "a", "a/b"] {
        assert!(root.dir_without_links(Path::new(path)).is_ok(), "{path}");
    }
    for path in ["l", "l/b", "a/l"] {
        let refused = root.dir_without_links(Path::new(path)).err();
        assert_eq!(refused, Some(Errno::LOOP), "{path}");
    }
    for path in ["..", "/a", "a/../.."] {
        let refused = root.dir_without_links(Path::new(path)).err();
        assert_eq!(refused, Some(Errno::XDEV), "{path}");
    }
    let dir = root.dir_without_links(Path::new("a")).expect("a");
    assert_eq!(dir.rmdir(OsStr::new("b")), Ok(()));
    assert!(dir.rmdir(OsStr::new("l")).is_err());
}

#[test]
fn the_last_name_is_never_followed() {
    let (temp, root) = tree();
    fs::create_dir(temp.path().join("inside/d")).expect("d");
    fs::write(temp.path().join("inside/d/f"), "old").expect("f");
    symlink("d/f", temp.path().join("inside/l")).expect("link");
    assert_eq!(root.chmod(Path::new("l"), 0o600), Err(Errno::LOOP));
    root.write(Path::new("l"), b"new", stamp(0o640))
        .expect("write");
    assert_eq!(fs::read(temp.path().join("inside/d/f")).expect("f"), b"old");
    let meta = fs::symlink_metadata(temp.path().join("inside/l")).expect("l");
    assert!(meta.is_file());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o640);
    let names = root.read_dir(Path::new("/")).expect("names");
    let names: Vec<_> = names.iter().map(|i| i.name.as_os_str()).collect();
    assert_eq!(
        names,
        [OsStr::new("d"), OsStr::new("l")],
        "no temporary name is left"
    );
}

#[test]
fn a_fifo_does_not_hang_the_reader_and_big_files_are_refused() {
    let (_temp, root) = tree();
    let fifo = rustix::fs::FileType::Fifo;
    root.mknod(Path::new("fifo"), fifo, 0o644, 0).expect("fifo");
    assert_eq!(root.read(Path::new("fifo"), 10), Err(Errno::INVAL));
    root.write(Path::new("big"), b"12345678901", stamp(0o644))
        .expect("big");
    assert_eq!(root.read(Path::new("big"), 10), Err(Errno::FBIG));
    assert_eq!(root.read(Path::new("big"), 11).expect("read").len(), 11);
}

#[test]
fn only_regular_files_are_opened_as_such() {
    let (temp, root) = tree();
    let folder = temp.path().join("inside");
    let open = |name: &str, flags| root.open_regular(Path::new(name), flags).map(drop);
    fs::write(folder.join("plain"), "x").expect("plain");
    symlink("plain", folder.join("another")).expect("link");
    let fifo = rustix::fs::FileType::Fifo;
    root.mknod(Path::new("fifo"), fifo, 0o600, 0).expect("fifo");
    let follow = OFlags::RDWR;
    let rows = [
        ("plain", follow, Ok(())),
        ("plain", follow | OFlags::NOFOLLOW, Ok(())),
        ("another", follow, Ok(())),
        ("another", follow | OFlags::NOFOLLOW, Err(Errno::INVAL)),
        ("fifo", follow, Err(Errno::INVAL)),
        (".", OFlags::RDONLY, Err(Errno::INVAL)),
        ("missing", follow, Err(Errno::NOENT)),
    ];
    for (name, flags, expected) in rows {
        assert_eq!(open(name, flags), expected, "{name}");
    }
    // A file of nothing but holes is refused by its size.
    let file = fs::File::create(folder.join("holes")).expect("holes");
    file.set_len(1 << 40).expect("size");
    assert_eq!(root.read(Path::new("holes"), 1 << 30), Err(Errno::FBIG));
}

#[test]
fn modes_are_exact_and_set_id_bits_survive_the_owner() {
    let (temp, root) = tree();
    root.mkdir_p(Path::new("/a/b/c"), 0o1777).expect("mkdir_p");
    root.mkdir_p(Path::new("a/b/c"), 0o700).expect("again");
    let mode = |p: &str| fs::metadata(temp.path().join(p)).expect("meta").mode() & 0o7777;
    assert_eq!(mode("inside/a"), 0o1777);
    assert_eq!(mode("inside/a/b/c"), 0o1777);
    root.write(Path::new("a/su"), b"#", stamp(0o4755))
        .expect("su");
    assert_eq!(mode("inside/a/su"), 0o4755);
    assert_eq!(
        root.mkdir_p(Path::new("a/../../z"), 0o755).err(),
        Some(Errno::INVAL)
    );
}

#[test]
fn hard_links_rename_and_remove() {
    let (temp, root) = tree();
    root.mkdir(Path::new("d"), 0o755).expect("d");
    root.write(Path::new("d/one"), b"1", stamp(0o644))
        .expect("one");
    root.link(Path::new("d/one"), Path::new("two"))
        .expect("link");
    assert_eq!(root.lstat(Path::new("two")).expect("two").st_nlink, 2);
    root.rename(Path::new("two"), Path::new("d/three"))
        .expect("rename");
    symlink(
        temp.path().join("outside"),
        temp.path().join("inside/d/out"),
    )
    .expect("link");
    fs::write(temp.path().join("outside/keep"), "k").expect("keep");
    root.remove_all(Path::new("d")).expect("remove");
    root.remove_all(Path::new("d")).expect("nothing to do");
    assert!(temp.path().join("outside/keep").exists());
    assert!(!temp.path().join("inside/d").exists());
}

#[test]
fn names_with_a_slash_are_refused() {
    let (_temp, root) = tree();
    let dir = root.dir(Path::new("/")).expect("dir");
    for name in ["", ".", "..", "a/b", "/"] {
        assert_eq!(
            dir.mkdir(OsStr::new(name), 0o755),
            Err(Errno::INVAL),
            "{name:?}"
        );
    }
    assert_eq!(root.mkdir(Path::new("/"), 0o755), Err(Errno::INVAL));
}
