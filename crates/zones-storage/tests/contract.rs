//! One contract for all storage drivers. `dir` is tried on whatever holds the build folder; `btrfs`
//! on an image of its own, mounted where only the test sees it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use zones_storage::{Driver, DriverKind, choose};

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("storage-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

/// Runs the contract on a folder.
fn on_dir(name: &'static str, body: fn(&Path)) {
    let folder = folder();
    if name.ends_with("destroy_enters_no_mount") {
        return match in_own_mounts(move || body(folder.path())) {
            Ok(()) => {}
            Err(reason) => println!("SKIP {name}: {reason}"),
        };
    }
    body(folder.path());
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

/// Runs it on btrfs, in a mount namespace that dies with its thread: a failed test leaves no mount
/// and no loop device, whose last user is the mount.
fn on_btrfs(name: &'static str, body: fn(&Path)) {
    let done = in_own_mounts(move || -> Result<(), String> {
        let folder = folder();
        let image = folder.path().join("image");
        let mount = folder.path().join("mount");
        fs::create_dir(&mount).unwrap();
        fs::File::create(&image)
            .unwrap()
            .set_len(256 << 20)
            .unwrap();
        let (image, place) = (image.to_str().unwrap(), mount.to_str().unwrap());
        tool("mkfs.btrfs", &["-q", image])?;
        tool("mount", &["-o", "loop", image, place])?;
        let _mounted = Mounted(mount.clone());
        body(&mount);
        Ok(())
    });
    match done {
        Ok(Ok(())) => {}
        Ok(Err(reason)) | Err(reason) => println!("SKIP {name}: {reason}"),
    }
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
}

fn driver(parent: &Path) -> Box<dyn Driver> {
    choose(parent).unwrap()
}

fn create_makes_an_empty_root(parent: &Path) {
    let driver = driver(parent);
    let root = parent.join("root");
    driver.create(&root).unwrap();
    let meta = fs::metadata(&root).unwrap();
    assert!(meta.is_dir());
    assert_eq!(meta.mode() & 0o7777, 0o755);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert_eq!(
        meta.uid(),
        rustix::process::geteuid().as_raw(),
        "the caller owns it"
    );
    fs::write(root.join("file"), "x").unwrap();
    driver.destroy(&root).unwrap();
    assert!(!root.exists());
    driver.create(&root).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0, "empty once more");
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
    assert_eq!(error.source, rustix::io::Errno::NOENT);
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
    fill(&root);
    // A hard link from outside keeps its file.
    fs::hard_link(root.join("link"), parent.join("outside")).unwrap_or_else(|error| {
        // Subvolumes share no files: then there is nothing to keep.
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::XDEV.raw_os_error())
        );
        fs::write(parent.join("outside"), "x").unwrap();
    });
    fs::write(parent.join("neighbour"), "x").unwrap();
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
    symlink(&victim, root.join("folder")).unwrap();
    symlink(victim.join("file"), root.join("file")).unwrap();
    fs::create_dir(root.join("x")).unwrap();
    symlink("../../victim", root.join("x/y")).unwrap();
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
    let mut at = rustix::fs::open(&root, flags, mode).unwrap();
    for _ in 0..5_000 {
        rustix::fs::mkdirat(&at, "deep", mode).unwrap();
        at = rustix::fs::openat(&at, "deep", flags, mode).unwrap();
    }
    drop(at);
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
    for n in 0..3_000 {
        fs::write(root.join(format!("file{n}")), "").unwrap();
    }
    for n in 0..300 {
        fs::create_dir(root.join(format!("folder{n}"))).unwrap();
    }
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
    let place = folder();
    let on_btrfs_already = cfg!(target_os = "linux")
        && rustix::fs::statfs(place.path()).unwrap().f_type == 0x9123_683e;
    if !on_btrfs_already {
        assert_eq!(driver(place.path()).kind(), DriverKind::Dir);
    }
    on_btrfs("the_file_system_chooses_the_driver", |mount| {
        assert_eq!(driver(mount).kind(), DriverKind::Btrfs);
    });
    let error = choose(&place.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}
