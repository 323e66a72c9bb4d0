//! One contract for all storage drivers. `dir` is tried on whatever holds the build folder, layers
//! on ext4, xfs and memory, `btrfs` on an image: mounted where only the test sees it. The variable
//! `ZONES_TEST_STORAGE` names further folders, one after the other with `:` between; what the file
//! system there is made for is tried, too.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

use std::cell::Cell;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use zones_archive::{Progress, Silent};
use zones_storage::{Copied, Driver, DriverKind, View, choose_as};
use zones_sys::RootFd;

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("storage-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

thread_local! {
    /// The driver that is tried; `None` for what the file system is made for.
    static WISH: Cell<Option<DriverKind>> = const { Cell::new(None) };
}

/// Runs a clause in a folder of its own.
fn in_folder(folder: &Path, wish: Option<DriverKind>, body: fn(&Path)) {
    WISH.set(wish);
    let zone = folder.join("zone");
    fs::create_dir(&zone).unwrap();
    body(&zone);
}

/// Runs the contract on a folder.
fn on_dir(name: &'static str, body: fn(&Path)) {
    let folder = folder();
    if name.ends_with("destroy_enters_no_mount") {
        let run = move || in_folder(folder.path(), Some(DriverKind::Dir), body);
        return match in_own_mounts(run) {
            Ok(()) => {}
            Err(reason) => println!("SKIP {name}: {reason}"),
        };
    }
    in_folder(folder.path(), Some(DriverKind::Dir), body);
}

/// What is named by the environment.
fn on_given(name: &'static str, body: fn(&Path)) {
    let given = std::env::var_os("ZONES_TEST_STORAGE").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&given)
        .filter(|it| !it.as_os_str().is_empty())
        .collect();
    if folders.is_empty() {
        println!("SKIP {name}: ZONES_TEST_STORAGE names no folder");
    }
    for base in folders {
        let done = in_own_mounts(move || {
            let place = tempfile::Builder::new()
                .prefix("storage-")
                .tempdir_in(&base);
            let place = place.unwrap();
            let kind = choose_as(place.path(), None).unwrap().driver.kind();
            println!("GIVEN {} {}", base.display(), kind.as_str());
            in_folder(place.path(), None, body);
            sweep(&place.path().join("zone"));
        });
        done.unwrap();
    }
}

/// Removes the roots that a clause leaves: nobody else could find their datasets.
fn sweep(zone: &Path) {
    let driver = driver(zone);
    for entry in fs::read_dir(zone).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            driver.destroy(&entry.path()).unwrap();
        }
    }
}

/// Layers in memory.
fn on_tmpfs(name: &'static str, body: fn(&Path)) {
    let done = in_own_mounts(move || -> Result<(), String> {
        let folder = folder();
        let place = folder.path().to_str().unwrap();
        tool("mount", &["-t", "tmpfs", "none", place])?;
        let _mounted = Mounted(folder.path().to_owned());
        in_folder(folder.path(), Some(DriverKind::Overlay), body);
        Ok(())
    });
    skipped(name, done);
}

fn on_ext4(name: &'static str, body: fn(&Path)) {
    on_image(
        name,
        &["mkfs.ext4", "-q", "-F"],
        Some(DriverKind::Overlay),
        body,
    );
}

fn on_xfs(name: &'static str, body: fn(&Path)) {
    on_image(name, &["mkfs.xfs", "-q"], Some(DriverKind::Overlay), body);
}

fn on_btrfs(name: &'static str, body: fn(&Path)) {
    on_image(name, &["mkfs.btrfs", "-q"], None, body);
}

fn skipped(name: &str, done: Result<Result<(), String>, String>) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err(reason)) | Err(reason) => println!("SKIP {name}: {reason}"),
    }
}

/// Runs in a mount namespace that dies with its thread.
fn in_own_mounts<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".to_owned());
    }
    let run = move || {
        #[expect(deprecated, reason = "the flag used here is a safe one")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)
            .map_err(|errno| format!("no mount namespace: {errno}"))?;
        tool("mount", &["--make-rprivate", "/"])?;
        Ok(body())
    };
    match std::thread::spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs it on an image, in a mount namespace that dies with its thread: a failed test leaves no
/// mount and no loop device, whose last user is the mount.
fn on_image(
    name: &'static str,
    mkfs: &'static [&'static str],
    wish: Option<DriverKind>,
    body: fn(&Path),
) {
    let done = in_own_mounts(move || -> Result<(), String> {
        let folder = folder();
        let image = folder.path().join("image");
        let mount = folder.path().join("mount");
        fs::create_dir(&mount).unwrap();
        fs::File::create(&image)
            .unwrap()
            .set_len(320 << 20)
            .unwrap();
        let (image, place) = (image.to_str().unwrap(), mount.to_str().unwrap());
        let (program, args) = mkfs.split_first().unwrap();
        tool(program, &[args, &[image]].concat())?;
        tool("mount", &["-o", "loop", image, place])?;
        let _mounted = Mounted(mount.clone());
        in_folder(&mount, wish, body);
        Ok(())
    });
    skipped(name, done);
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

fn tool(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("needs {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {args:?}: {}", text.trim()))
}

/// Makes a test of each clause for each driver.
macro_rules! contract {
    ($($clause:ident),* $(,)?) => {
        mod dir {
            $(#[test] fn $clause() {
                super::on_dir(concat!("dir::", stringify!($clause)), super::$clause);
            })*
        }
        mod overlay_memory {
            $(#[test] fn $clause() {
                super::on_tmpfs(concat!("overlay_memory::", stringify!($clause)), super::$clause);
            })*
        }
        mod overlay_ext4 {
            $(#[test] fn $clause() {
                super::on_ext4(concat!("overlay_ext4::", stringify!($clause)), super::$clause);
            })*
        }
        mod overlay_xfs {
            $(#[test] fn $clause() {
                super::on_xfs(concat!("overlay_xfs::", stringify!($clause)), super::$clause);
            })*
        }
        mod given {
            $(#[test] fn $clause() {
                super::on_given(concat!("given::", stringify!($clause)), super::$clause);
            })*
        }
        mod btrfs {
            $(#[test] fn $clause() {
                super::on_btrfs(concat!("btrfs::", stringify!($clause)), super::$clause);
            })*
        }
    };
}

contract! {
    create_makes_an_empty_root,
    create_leaves_alone_what_exists,
    create_needs_its_parent,
    destroy_removes_everything,
    destroy_follows_no_link,
    destroy_is_done_when_it_is_gone,
    destroy_removes_deep_trees,
    destroy_removes_wide_trees,
    destroy_takes_what_it_did_not_make,
    destroy_refuses_what_is_no_folder,
    destroy_enters_no_mount,
    copy_keeps_everything,
    copy_shares_nothing_that_is_written,
    copy_leaves_nothing_when_it_fails,
    copy_costs_the_same_for_many_files,
    copies_of_copies_keep_everything,
    copies_outlive_their_source,
    frozen_roots_bring_everything_back,
    live_roots_are_copied,
    views_are_written_through,
    roots_are_moved_and_exchanged,
    changes_name_all_that_differs,
    usage_tells_own_from_shared,
    usage_tells_what_only_a_frozen_root_has,
    a_long_past_costs_little,
}

#[path = "contract/mutation.rs"]
mod mutation;
#[path = "contract/space.rs"]
mod space;

use mutation::changes_name_all_that_differs;
use space::{
    a_long_past_costs_little, usage_tells_own_from_shared, usage_tells_what_only_a_frozen_root_has,
};

fn driver(parent: &Path) -> Box<dyn Driver> {
    choose_as(parent, WISH.get()).unwrap().driver
}

/// The files of a root, for as long as this is kept.
struct Seen {
    _view: Option<RootFd>,
    path: PathBuf,
}

impl Seen {
    fn of(driver: &dyn Driver, root: &Path) -> Self {
        let view = driver.view(root).unwrap();
        if let View::Plain(path) = view {
            return Self { _view: None, path };
        }
        Self::by(view.open().unwrap())
    }

    fn by(view: RootFd) -> Self {
        use std::os::fd::{AsFd as _, AsRawFd as _};
        let path = format!("/proc/self/fd/{}/.", view.as_fd().as_raw_fd()).into();
        Self {
            _view: Some(view),
            path,
        }
    }
}

impl std::ops::Deref for Seen {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Whether copies share everything.
fn shares(driver: &dyn Driver) -> bool {
    driver.kind() != DriverKind::Dir
}

/// Nothing is left of layers that nobody needs, nor of what was being made.
fn nothing_is_left(parent: &Path) {
    for folder in [parent, parent.parent().unwrap()] {
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with('.'), "{name}");
        }
    }
}

fn create_makes_an_empty_root(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let meta = fs::metadata(&root).unwrap();
    assert!(meta.is_dir());
    assert_eq!(meta.mode() & 0o7777, 0o755);
    let seen = Seen::of(&*driver, &root);
    let inner = fs::metadata(&*seen).unwrap();
    assert_eq!((inner.mode(), inner.uid()), (meta.mode(), meta.uid()));
    assert_eq!(fs::read_dir(&*seen).unwrap().count(), 0);
    assert_eq!(
        meta.uid(),
        rustix::process::geteuid().as_raw(),
        "the caller owns it"
    );
    fs::write(seen.join("file"), "x").unwrap();
    drop(seen);
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
    driver.create(&root).unwrap();
    let seen = Seen::of(&*driver, &root);
    assert_eq!(fs::read_dir(&*seen).unwrap().count(), 0, "empty once more");
}

fn create_leaves_alone_what_exists(parent: &Path) {
    let driver = driver(parent);
    let kind = driver.kind().as_str();
    let refused = |path: &Path| {
        let text = driver.create(path).unwrap_err().to_string();
        let wanted = format!("cannot create `{}` with the {kind} driver", path.display());
        assert_eq!(text, wanted);
    };
    let made = parent.join("made");
    driver.create(&made).unwrap();
    fs::write(made.join("file"), "kept").unwrap();
    fs::set_permissions(&made, fs::Permissions::from_mode(0o700)).unwrap();
    refused(&made);
    assert_eq!(fs::read_to_string(made.join("file")).unwrap(), "kept");
    assert_eq!(fs::metadata(&made).unwrap().mode() & 0o7777, 0o700);
    let plain = parent.join("plain");
    fs::write(&plain, "kept").unwrap();
    refused(&plain);
    assert_eq!(fs::read_to_string(&plain).unwrap(), "kept");
    let dangling = parent.join("dangling");
    symlink(parent.join("elsewhere"), &dangling).unwrap();
    refused(&dangling);
    assert!(!parent.join("elsewhere").exists());
}

fn create_needs_its_parent(parent: &Path) {
    let error = driver(parent)
        .create(&parent.join("no/such/root"))
        .unwrap_err();
    assert_eq!(error.source.errno(), rustix::io::Errno::NOENT);
    assert!(!parent.join("no").exists());
}

/// Files of all kinds and modes.
fn fill(root: &Path) {
    let deep = root.join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    fs::hard_link(deep.join("file"), root.join("link")).unwrap();
    symlink("/", root.join("slash")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("..", root.join("a/up")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        root.join("fifo"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind_addr(
        &std::os::unix::net::SocketAddr::from_pathname(root.join("s")).unwrap(),
    );
    let odd = std::ffi::OsString::from_vec(b"odd \n \xff\x01 name".to_vec());
    fs::write(root.join(&odd), "x").unwrap();
    fs::write(root.join("n".repeat(255)), "x").unwrap();
    for (name, mode) in [("set", 0o6755), ("none", 0o000), ("sticky", 0o1777)] {
        fs::write(root.join(name), "x").unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    // Only root gets into these; for others that is their own affair.
    let mode = if rustix::process::geteuid().is_root() {
        0o000
    } else {
        0o700
    };
    let closed = root.join("closed");
    fs::create_dir_all(closed.join("inner")).unwrap();
    fs::write(closed.join("inner/file"), "x").unwrap();
    fs::set_permissions(closed.join("inner"), fs::Permissions::from_mode(mode)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
}

fn destroy_removes_everything(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let seen = Seen::of(&*driver, &root);
    fill(&seen);
    // A hard link from outside keeps its file.
    fs::hard_link(seen.join("link"), parent.join("outside")).unwrap_or_else(|error| {
        // Subvolumes share no files: then there is nothing to keep.
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::XDEV.raw_os_error())
        );
        fs::write(parent.join("outside"), "x").unwrap();
    });
    fs::write(parent.join("neighbour"), "x").unwrap();
    drop(seen);
    driver.destroy(&root).unwrap();
    let mut left: Vec<_> = fs::read_dir(parent)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["neighbour", "outside"]);
    assert_eq!(fs::read_to_string(parent.join("outside")).unwrap(), "x");
}

fn destroy_follows_no_link(parent: &Path) {
    let driver = driver(parent);
    let victim = parent.join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "kept").unwrap();
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let seen = Seen::of(&*driver, &root);
    symlink(&victim, seen.join("folder")).unwrap();
    symlink(victim.join("file"), seen.join("file")).unwrap();
    fs::create_dir(seen.join("x")).unwrap();
    symlink("../../victim", seen.join("x/y")).unwrap();
    drop(seen);
    // Beside the files, where the driver keeps what it knows of them.
    symlink(&victim, root.join("beside")).unwrap();
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
    // The root itself is a link.
    symlink(&victim, &root).unwrap();
    let _ = driver.destroy(&root);
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "kept");
}

fn destroy_is_done_when_it_is_gone(parent: &Path) {
    let driver = driver(parent);
    driver.destroy(&parent.join("never")).unwrap();
    let root = parent.join("root");
    driver.create(&root).unwrap();
    driver.destroy(&root).unwrap();
    driver.destroy(&root).unwrap();
    driver.destroy(&parent.join("no/parent")).unwrap();
}

/// Deeper than a process may hold files open, and longer than a path may be.
fn destroy_removes_deep_trees(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o755);
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
    let seen = Seen::of(&*driver, &root);
    let mut at = rustix::fs::open(&*seen, flags, mode).unwrap();
    for _ in 0..5_000 {
        rustix::fs::mkdirat(&at, "deep", mode).unwrap();
        at = rustix::fs::openat(&at, "deep", flags, mode).unwrap();
    }
    drop((at, seen));
    // On btrfs a nested subvolume makes the driver walk.
    nested(&*driver, &root);
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
}

/// A subvolume within, as a zone may make one; nothing elsewhere.
fn nested(driver: &dyn Driver, root: &Path) {
    if driver.kind() == DriverKind::Btrfs {
        let inner = root.join("var");
        driver.create(&inner).unwrap();
        fs::write(inner.join("file"), "x").unwrap();
        driver.create(&inner.join("inner")).unwrap();
        fs::write(inner.join("inner/file"), "x").unwrap();
    }
}

fn destroy_removes_wide_trees(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let seen = Seen::of(&*driver, &root);
    for n in 0..3_000 {
        fs::write(seen.join(format!("file{n}")), "").unwrap();
    }
    for n in 0..300 {
        fs::create_dir(seen.join(format!("folder{n}"))).unwrap();
    }
    drop(seen);
    nested(&*driver, &root);
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
}

/// A folder that some other tool made, as after a restore.
fn destroy_takes_what_it_did_not_make(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    nested(&*driver, &root);
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
}

fn destroy_refuses_what_is_no_folder(parent: &Path) {
    let driver = driver(parent);
    let file = parent.join("file");
    fs::write(&file, "kept").unwrap();
    let text = driver.destroy(&file).unwrap_err().to_string();
    let kind = driver.kind().as_str();
    let wanted = format!("cannot destroy `{}` with the {kind} driver", file.display());
    assert_eq!(text, wanted);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    driver.destroy(Path::new("/")).unwrap_err();
}

/// Name, kind, mode, owner, time to the nanosecond, size, links, holes and attributes of all below.
fn picture(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            let mut line = format!(
                "{:?} {:o} {}:{} {}.{:09} n{}",
                path.strip_prefix(root).unwrap(),
                meta.mode(),
                meta.uid(),
                meta.gid(),
                meta.mtime(),
                meta.mtime_nsec(),
                if meta.is_dir() { 0 } else { meta.nlink() },
            );
            if meta.is_symlink() {
                line += &format!(" -> {:?}", fs::read_link(&path).unwrap());
            } else if meta.is_file() {
                let text = fs::read(&path).unwrap();
                let sum = text
                    .iter()
                    .fold(0u64, |sum, byte| sum * 31 % 65_521 + u64::from(*byte));
                let holes = meta.blocks() * 512 + 65_536 < meta.size();
                line += &format!(" {} bytes {sum} holes {holes}", text.len());
            }
            for name in [
                "user.note",
                "security.capability",
                "system.posix_acl_access",
            ] {
                let mut value = [0; 256];
                if let Ok(n) = rustix::fs::lgetxattr(&path, name, &mut value) {
                    line += &format!(" {name}={:x?}", &value[..n]);
                }
            }
            if meta.is_dir() {
                folders.push(path);
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

/// A root with all that a copy must keep.
fn special(root: &Path) {
    use std::os::unix::fs::FileExt as _;
    fill(root);
    fs::remove_file(root.join("s")).unwrap();
    let holes = fs::File::create(root.join("holes")).unwrap();
    holes.set_len(8 << 20).unwrap();
    holes.write_all_at(b"in the middle", 4 << 20).unwrap();
    fs::write(root.join("big"), vec![7; 3 << 20]).unwrap();
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty())
    };
    let _ = set(&root.join("big"), "user.note", b"kept");
    let _ = set(&root.join("a"), "user.note", b"kept, too");
    if rustix::process::geteuid().is_root() {
        // Version 2: effective, permitted CAP_NET_BIND_SERVICE.
        let mut capability = [0; 20];
        capability[0] = 1;
        capability[3] = 2;
        capability[5] = 4;
        set(&root.join("big"), "security.capability", &capability).unwrap();
        // An entry for user 5 beside owner, group, mask and others.
        let entries = [
            (1u16, 7u16, u32::MAX),
            (2, 4, 5),
            (4, 5, u32::MAX),
            (16, 5, u32::MAX),
            (32, 0, u32::MAX),
        ];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, bits, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(bits.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let _ = set(&root.join("holes"), "system.posix_acl_access", &list);
        std::os::unix::fs::chown(root.join("set"), Some(7), Some(8)).unwrap();
        fs::set_permissions(root.join("set"), fs::Permissions::from_mode(0o6755)).unwrap();
    }
}

fn copy_keeps_everything(parent: &Path) {
    let driver = &*driver(parent);
    let (from, to) = (parent.join("from"), parent.join("to"));
    driver.create(&from).unwrap();
    special(&Seen::of(driver, &from));
    let mode = fs::Permissions::from_mode(0o711);
    fs::set_permissions(&*Seen::of(driver, &from), mode).unwrap();
    let want = picture(&Seen::of(driver, &from));
    let copied = driver.copy(&from, &to, false, &Silent).unwrap();
    assert_eq!(picture(&Seen::of(driver, &to)), want);
    assert_eq!(picture(&Seen::of(driver, &from)), want);
    let mode = fs::metadata(&*Seen::of(driver, &to)).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o711);
    assert_eq!(copied == Copied::Snapshot, shares(driver));
    if !matches!(driver.kind(), DriverKind::Btrfs | DriverKind::Zfs) {
        return;
    }
    // From a plain folder, file by file; on btrfs blocks are shared all the same.
    let (plain, again) = (parent.join("plain"), parent.join("again"));
    fs::create_dir(&plain).unwrap();
    special(&plain);
    let want = picture(&plain);
    let Copied::Files(report) = driver.copy(&plain, &again, false, &Silent).unwrap() else {
        panic!("a folder is no subvolume");
    };
    assert_eq!(picture(&Seen::of(driver, &again)), want);
    assert!(report.bytes > 11 << 20);
    let is_shared = report.shared > 11 << 20;
    assert!(is_shared || driver.kind() == DriverKind::Zfs, "{report:?}");
}

fn copy_shares_nothing_that_is_written(parent: &Path) {
    let driver = &*driver(parent);
    let (from, to) = (parent.join("from"), parent.join("to"));
    driver.create(&from).unwrap();
    fs::write(Seen::of(driver, &from).join("file"), vec![1; 1 << 20]).unwrap();
    driver.copy(&from, &to, false, &Silent).unwrap();
    {
        let to = Seen::of(driver, &to);
        fs::write(to.join("file"), "changed").unwrap();
        fs::write(to.join("new"), "x").unwrap();
        let from = Seen::of(driver, &from);
        assert_eq!(fs::read(from.join("file")).unwrap(), vec![1; 1 << 20]);
        assert!(!from.join("new").exists());
        fs::write(from.join("other"), "x").unwrap();
        assert!(!to.join("other").exists());
    }
    driver.destroy(&from).unwrap();
    let to = Seen::of(driver, &to);
    assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "changed");
}

/// Counted, not timed: files that the file system has afterwards.
fn copy_costs_the_same_for_many_files(parent: &Path) {
    let driver = &*driver(parent);
    let cost = |count: usize| {
        let (from, to) = (parent.join("from"), parent.join("to"));
        driver.create(&from).unwrap();
        for number in 0..count {
            fs::write(Seen::of(driver, &from).join(number.to_string()), "").unwrap();
        }
        let used = || {
            let stat = rustix::fs::statvfs(parent).unwrap();
            // On a file system that is not the test's alone others remove files meanwhile.
            i64::try_from(stat.f_files - stat.f_ffree).unwrap()
        };
        let before = used();
        driver.copy(&from, &to, false, &Silent).unwrap();
        let cost = used() - before;
        let frozen = parent.join("frozen");
        driver.freeze(&to, &frozen, false, &Silent).unwrap();
        let both = used() - before;
        for root in [&from, &to, &frozen] {
            driver.destroy(root).unwrap();
        }
        (cost, both)
    };
    let (few, many) = (cost(10), cost(1_000));
    // xfs reserves room for files in groups of 64.
    let slack = 128;
    assert!(
        !shares(driver) || many.0 <= few.0 + slack,
        "{few:?} {many:?}"
    );
    assert!(
        !shares(driver) || many.1 <= few.1 + slack,
        "{few:?} {many:?}"
    );
    nothing_is_left(parent);
}

fn copies_of_copies_keep_everything(parent: &Path) {
    let driver = &*driver(parent);
    let root = |number: usize| parent.join(format!("root{number}"));
    let last = match driver.kind() {
        DriverKind::Dir => 5,
        DriverKind::Zfs => 12,
        DriverKind::Btrfs | DriverKind::Overlay => 50,
    };
    driver.create(&root(0)).unwrap();
    fill(&Seen::of(driver, &root(0)));
    for number in 1..=last {
        let before = root(number - 1);
        {
            let seen = Seen::of(driver, &before);
            fs::write(seen.join(format!("file{number}")), "x").unwrap();
            fs::create_dir(seen.join(format!("folder{number}"))).unwrap();
            if number > 1 {
                fs::remove_file(seen.join(format!("file{}", number - 1))).unwrap();
            }
        }
        driver.copy(&before, &root(number), false, &Silent).unwrap();
        if number > 1 {
            driver.destroy(&root(number - 2)).unwrap();
        }
    }
    let seen = Seen::of(driver, &root(last));
    let names = fs::read_dir(&*seen)
        .unwrap()
        .map(|it| it.unwrap().file_name());
    let names: Vec<_> = names.map(|it| it.to_string_lossy().into_owned()).collect();
    let count = |start: &str| names.iter().filter(|it| it.starts_with(start)).count();
    assert_eq!((count("file"), count("folder")), (1, last));
    assert_eq!(fs::read_to_string(seen.join("a/b/c/file")).unwrap(), "x");
    drop(seen);
    for number in [last - 1, last] {
        driver.destroy(&root(number)).unwrap();
    }
    nothing_is_left(parent);
}

fn copies_outlive_their_source(parent: &Path) {
    let driver = &*driver(parent);
    let [from, frozen, one, two] = ["from", "frozen", "one", "two"].map(|it| parent.join(it));
    driver.create(&from).unwrap();
    fill(&Seen::of(driver, &from));
    fs::remove_file(Seen::of(driver, &from).join("s")).unwrap();
    let want = picture(&Seen::of(driver, &from));
    driver.freeze(&from, &frozen, false, &Silent).unwrap();
    driver.copy(&frozen, &one, false, &Silent).unwrap();
    driver.copy(&one, &two, false, &Silent).unwrap();
    for root in [&from, &frozen, &one] {
        driver.destroy(root).unwrap();
        assert_eq!(picture(&Seen::of(driver, &two)), want);
    }
    driver.destroy(&two).unwrap();
    nothing_is_left(parent);
}

/// Whatever becomes of a root, what was frozen is as it was.
fn frozen_roots_bring_everything_back(parent: &Path) {
    let driver = &*driver(parent);
    let [root, frozen, again] = ["root", "frozen", "again"].map(|it| parent.join(it));
    driver.create(&root).unwrap();
    special(&Seen::of(driver, &root));
    let mut want = picture(&Seen::of(driver, &root));
    for round in 0..3 {
        driver.freeze(&root, &frozen, false, &Silent).unwrap();
        {
            let seen = Seen::of(driver, &root);
            for entry in fs::read_dir(&*seen).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => fs::remove_dir_all(entry.path()).unwrap(),
                    false => fs::remove_file(entry.path()).unwrap(),
                }
            }
            // Under old names come other things.
            fs::create_dir(seen.join("big")).unwrap();
            fs::write(seen.join("a"), "x").unwrap();
        }
        assert_eq!(picture(&Seen::of(driver, &frozen)), want);
        driver.copy(&frozen, &again, false, &Silent).unwrap();
        assert_eq!(picture(&Seen::of(driver, &again)), want);
        driver.exchange(&again, &root).unwrap();
        driver.destroy(&again).unwrap();
        driver.destroy(&frozen).unwrap();
        // Something new in a folder, and something moved, for the next round.
        {
            let seen = Seen::of(driver, &root);
            fs::write(seen.join("a/new"), "x").unwrap();
            fs::rename(seen.join("a"), seen.join("aside")).unwrap();
            fs::create_dir(seen.join("a")).unwrap();
            fs::rename(seen.join("aside"), seen.join(format!("a/{round}"))).unwrap();
        }
        want = picture(&Seen::of(driver, &root));
    }
    driver.destroy(&root).unwrap();
    nothing_is_left(parent);
}

/// Of a root that is in use, which goes on as it was.
fn live_roots_are_copied(parent: &Path) {
    let driver = &*driver(parent);
    let [root, one, two, copy] = ["root", "one", "two", "copy"].map(|it| parent.join(it));
    driver.create(&root).unwrap();
    special(&Seen::of(driver, &root));
    let live = Seen::of(driver, &root);
    let first = picture(&live);
    driver.freeze(&root, &one, true, &Silent).unwrap();
    drop(live);
    // Now one that has layers, if the driver knows any.
    driver.copy(&root, &copy, false, &Silent).unwrap();
    driver.destroy(&copy).unwrap();
    let live = Seen::of(driver, &root);
    fs::remove_dir_all(live.join("a")).unwrap();
    fs::create_dir(live.join("a")).unwrap();
    fs::write(live.join("a/new"), "x").unwrap();
    fs::remove_file(live.join("big")).unwrap();
    fs::rename(live.join("closed"), live.join("moved")).unwrap();
    let second = picture(&live);
    driver.freeze(&root, &two, true, &Silent).unwrap();
    driver.copy(&root, &copy, true, &Silent).unwrap();
    fs::write(live.join("after"), "x").unwrap();
    assert_eq!(picture(&Seen::of(driver, &one)), first);
    assert_eq!(picture(&Seen::of(driver, &two)), second);
    assert_eq!(picture(&Seen::of(driver, &copy)), second);
    drop(live);
    for root in [&root, &one, &two, &copy] {
        driver.destroy(root).unwrap();
    }
    nothing_is_left(parent);
}

/// Every kind of change, and for readers alone none.
fn views_are_written_through(parent: &Path) {
    let driver = &*driver(parent);
    let (root, copy) = (parent.join("root"), parent.join("copy"));
    driver.create(&root).unwrap();
    special(&Seen::of(driver, &root));
    driver.copy(&root, &copy, false, &Silent).unwrap();
    {
        let seen = Seen::of(driver, &copy);
        std::os::unix::fs::chown(seen.join("big"), Some(7), Some(8)).unwrap();
        fs::set_permissions(seen.join("a/b"), fs::Permissions::from_mode(0o2750)).unwrap();
        fs::hard_link(seen.join("big"), seen.join("big2")).unwrap();
        fs::rename(seen.join("a/b/c"), seen.join("c")).unwrap();
        fs::write(seen.join("c/file"), "changed").unwrap();
        fill_more(&seen);
    }
    let want = picture(&Seen::of(driver, &copy));
    let again = parent.join("again");
    driver.copy(&copy, &again, false, &Silent).unwrap();
    assert_eq!(picture(&Seen::of(driver, &again)), want);
    assert_eq!(picture(&Seen::of(driver, &copy)), want);
    if rustix::process::geteuid().is_root() {
        let seen = Seen::by(driver.view(&again).unwrap().open_read_only().unwrap());
        assert_eq!(picture(&seen), want);
        let error = fs::write(seen.join("x"), "x").unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::ROFS.raw_os_error())
        );
    }
}

/// A socket stays where nothing is copied file by file, so none is made here.
fn fill_more(root: &Path) {
    fs::create_dir_all(root.join("more/deep")).unwrap();
    fs::write(root.join("more/deep/file"), "x").unwrap();
    symlink("/etc", root.join("more/link")).unwrap();
}

fn roots_are_moved_and_exchanged(parent: &Path) {
    let driver = &*driver(parent);
    let [one, two, three] = ["one", "two", "three"].map(|it| parent.join(it));
    driver.create(&one).unwrap();
    fs::write(Seen::of(driver, &one).join("file"), "1").unwrap();
    driver.copy(&one, &two, false, &Silent).unwrap();
    fs::write(Seen::of(driver, &two).join("file"), "2").unwrap();
    let read = |root: &Path| fs::read_to_string(Seen::of(driver, root).join("file")).unwrap();
    driver.exchange(&one, &two).unwrap();
    assert_eq!((read(&one), read(&two)), ("2".to_owned(), "1".to_owned()));
    driver.rename(&one, &three).unwrap();
    assert_eq!(read(&three), "2");
    assert!(!one.exists());
    driver.rename(&two, &three).unwrap_err();
    driver.exchange(&two, &one).unwrap_err();
    assert_eq!((read(&two), read(&three)), ("1".to_owned(), "2".to_owned()));
    for root in [&two, &three] {
        driver.destroy(root).unwrap();
    }
    nothing_is_left(parent);
}

fn copy_leaves_nothing_when_it_fails(parent: &Path) {
    struct Stopped;
    impl Progress for Stopped {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let driver = driver(parent);
    let (from, to) = (parent.join("from"), parent.join("to"));
    driver.copy(&from, &to, false, &Silent).unwrap_err();
    assert!(!to.exists());
    fs::create_dir(&from).unwrap();
    fs::write(from.join("file"), "x").unwrap();
    driver.copy(&from, &to, false, &Stopped).unwrap_err();
    assert!(!to.exists());
    fs::create_dir(&to).unwrap();
    fs::write(to.join("mine"), "kept").unwrap();
    driver.copy(&from, &to, false, &Silent).unwrap_err();
    assert_eq!(fs::read_to_string(to.join("mine")).unwrap(), "kept");
}

/// What is mounted in the root is of somebody else: the mount may go, its files stay.
fn destroy_enters_no_mount(parent: &Path) {
    let driver = driver(parent);
    let (victim, root) = (parent.join("victim"), parent.join("root"));
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "kept").unwrap();
    driver.create(&root).unwrap();
    let place = root.join("mnt");
    fs::create_dir(&place).unwrap();
    rustix::mount::mount_bind(&victim, &place).unwrap();
    if driver.destroy(&root).is_err() {
        assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "kept");
        rustix::mount::unmount(&place, rustix::mount::UnmountFlags::empty()).unwrap();
        driver.destroy(&root).unwrap();
    }
    assert!(!root.exists());
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "kept");
}

#[test]
fn the_file_system_chooses_the_driver() {
    let btrfs = |mount: &Path| assert_eq!(driver(mount).kind(), DriverKind::Btrfs);
    on_btrfs("the_file_system_chooses_the_driver", btrfs);
    let error = choose_as(&folder().path().join("none"), None).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
    // What cannot work is refused.
    let proc = choose_as(Path::new("/proc"), None).unwrap();
    assert_eq!(proc.driver.kind(), DriverKind::Dir);
    assert!(
        proc.why.contains("not known to carry layers"),
        "{}",
        proc.why
    );
    for kind in [DriverKind::Overlay, DriverKind::Btrfs, DriverKind::Zfs] {
        choose_as(Path::new("/proc"), Some(kind)).unwrap_err();
    }
}
