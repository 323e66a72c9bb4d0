//! What a zone may take on the disk, on images of file systems that keep such limits, and on those
//! that do not.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use zones_archive::Silent;
use zones_storage::{Driver, DriverKind, View, choose, why_no_limit};

const MIB: u64 = 1 << 20;

/// Runs it on an image, in a mount namespace that dies with its thread, without the right to go
/// beyond limits, as in a zone.
fn on_image(name: &str, mkfs: &[&str], options: &str, body: fn(&Path)) {
    let (mkfs, options) = (mkfs.join(" "), options.to_owned());
    let run = move || -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        #[expect(deprecated, reason = "the flag used here is a safe one")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)
            .map_err(|errno| format!("no mount namespace: {errno}"))?;
        tool("mount --make-rprivate /", &[])?;
        let folder = tempfile::Builder::new()
            .prefix("limits-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let [image, mount] = ["image", "mount"].map(|it| folder.path().join(it));
        fs::create_dir(&mount).unwrap();
        if mkfs.is_empty() {
            tool("mount -t tmpfs none", &[&mount])?;
        } else {
            let file = fs::File::create(&image).unwrap();
            file.set_len(400 * MIB).unwrap();
            tool(&mkfs, &[&image])?;
            tool(&format!("mount -o {options}"), &[&image, &mount])?;
        }
        let _mounted = Mounted(mount.clone());
        let mut rights = rustix::thread::capabilities(None).unwrap();
        let resource = rustix::thread::CapabilitySet::SYS_RESOURCE;
        rights.effective.remove(resource);
        rustix::thread::set_capabilities(None, rights).unwrap();
        body(&mount);
        Ok(())
    };
    match std::thread::spawn(run).join() {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => println!("SKIP {name}: {reason}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

fn tool(line: &str, paths: &[&Path]) -> Result<(), String> {
    let mut words = line.split(' ');
    let program = words.next().unwrap();
    let output = Command::new(program)
        .args(words)
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("needs {program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Writes so many bytes into a root, to the disk, as far as that goes.
fn write(driver: &dyn Driver, root: &Path, name: &str, bytes: u64) -> Result<(), Errno> {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let view = match driver.view(root).unwrap() {
        View::Plain(path) => zones_sys::RootFd::open(&path).unwrap(),
        view => view.open().unwrap(),
    };
    let place = format!("/proc/self/fd/{}/{name}", view.as_fd().as_raw_fd());
    write_to(Path::new(&place), bytes)
}

/// A zone that is full can remove files.
fn remove(driver: &dyn Driver, root: &Path, name: &str) {
    let view = zones_storage::open(root).unwrap();
    view.unlink(Path::new(name)).unwrap();
    drop(view);
    assert_eq!(driver.usage(root).unwrap().limit, Some(16 * MIB));
    rustix::fs::syncfs(fs::File::open(root).unwrap()).unwrap();
}

fn write_to(place: &Path, bytes: u64) -> Result<(), Errno> {
    use std::io::Write as _;
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
    let mut file = fs::File::create(place).map_err(errno)?;
    let block = vec![7; 1 << 16];
    for _ in 0..bytes / 65_536 {
        file.write_all(&block).map_err(errno)?;
    }
    file.sync_all().map_err(errno)
}

fn is_full(done: Result<(), Errno>) -> bool {
    matches!(done, Err(Errno::DQUOT | Errno::NOSPC))
}

fn limits_hold(folder: &Path) {
    let zonepath = folder.join("zone");
    fs::create_dir_all(zonepath.join("be")).unwrap();
    let driver = &*choose(&zonepath).unwrap();
    let [root, be] = ["root", "be/other"].map(|it| zonepath.join(it));
    driver.create(&root).unwrap();
    write(driver, &root, "first", 4 * MIB).unwrap();
    driver.set_limit(&zonepath, Some(16 * MIB)).unwrap();
    assert_eq!(driver.usage(&root).unwrap().limit, Some(16 * MIB));
    write(driver, &root, "second", 4 * MIB).unwrap();
    assert!(is_full(write(driver, &root, "third", 24 * MIB)));
    // The host goes on, and so do other zones.
    write_to(&folder.join("host"), 32 * MIB).unwrap();
    let other = folder.join("neighbour");
    fs::create_dir(&other).unwrap();
    driver.create(&other.join("root")).unwrap();
    write(driver, &other.join("root"), "file", 32 * MIB).unwrap();
    // Another root of the zone takes from the same, also in layers.
    remove(driver, &root, "third");
    driver.copy(&root, &be, false, &Silent).unwrap();
    assert!(is_full(write(driver, &be, "fourth", 24 * MIB)));
    remove(driver, &be, "fourth");
    assert_eq!(driver.usage(&be).unwrap().limit, Some(16 * MIB));
    assert!(is_full(write(driver, &root, "fifth", 24 * MIB)));
    remove(driver, &root, "fifth");
    // A clone by another zone is its own affair.
    let clone = folder.join("clone");
    fs::create_dir(&clone).unwrap();
    driver
        .copy(&root, &clone.join("root"), false, &Silent)
        .unwrap();
    write(driver, &clone.join("root"), "file", 24 * MIB).unwrap();
    assert_eq!(driver.usage(&clone.join("root")).unwrap().limit, None);
    driver.set_limit(&zonepath, Some(64 * MIB)).unwrap();
    write(driver, &root, "sixth", 24 * MIB).unwrap();
    driver.set_limit(&zonepath, None).unwrap();
    assert_eq!(driver.usage(&root).unwrap().limit, None);
    write(driver, &root, "seventh", 64 * MIB).unwrap();
    for root in [root, be, other.join("root"), clone.join("root")] {
        driver.destroy(&root).unwrap();
    }
}

fn limits_are_refused(folder: &Path) {
    let zonepath = folder.join("zone");
    fs::create_dir(&zonepath).unwrap();
    let driver = choose(&zonepath).unwrap();
    assert_eq!(driver.kind(), DriverKind::Overlay);
    driver.create(&zonepath.join("root")).unwrap();
    let refused = driver.set_limit(&zonepath, Some(MIB)).unwrap_err();
    assert_eq!(refused.verb, "limit the space of");
    let why = why_no_limit(&zonepath);
    assert!(
        why.contains("prjquota") || why.contains("project quotas"),
        "{why}"
    );
    // Nothing to take away.
    driver.set_limit(&zonepath, None).unwrap();
    assert!(driver.set_reservation(&zonepath, Some(MIB)).is_err());
}

#[test]
fn groups_of_btrfs_limit_a_zone() {
    on_image("btrfs", &["mkfs.btrfs", "-q"], "loop", limits_hold);
}

#[test]
fn projects_of_xfs_limit_a_zone() {
    on_image("xfs", &["mkfs.xfs", "-q"], "loop,prjquota", limits_hold);
}

#[test]
fn projects_of_ext4_limit_a_zone() {
    let mkfs = ["mkfs.ext4", "-q", "-F", "-O", "project,quota"];
    on_image("ext4", &mkfs, "loop,prjquota", limits_hold);
}

#[test]
fn without_quotas_a_limit_is_refused() {
    on_image(
        "xfs without",
        &["mkfs.xfs", "-q"],
        "loop",
        limits_are_refused,
    );
    let mkfs = ["mkfs.ext4", "-q", "-F"];
    on_image("ext4 without", &mkfs, "loop", limits_are_refused);
    on_image("tmpfs", &[], "", limits_are_refused);
}
