//! The file systems that tests run on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Pair;

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("stream-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

/// What is chosen for the build folder: layers on ext4 and xfs.
pub fn here(_name: &str, body: fn(&Pair)) {
    let folder = folder();
    let path = folder.path().to_owned();
    body(&Pair { folder: path });
}

/// btrfs, in a mount namespace that dies with its thread: a failed test leaves no mount and no loop
/// device, whose last user is the mount.
pub fn btrfs(name: &str, body: fn(&Pair)) {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP {name}: needs root");
        return;
    }
    match std::thread::spawn(move || mounted(body)).join() {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => println!("SKIP {name}: {reason}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn mounted(body: fn(&Pair)) -> Result<(), String> {
    #[expect(deprecated, reason = "the flag used here is a safe one")]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)
        .map_err(|errno| format!("no mount namespace: {errno}"))?;
    tool("mount", &["--make-rprivate", "/"])?;
    let folder = folder();
    let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
    fs::create_dir(&mount).unwrap();
    fs::File::create(&image)
        .unwrap()
        .set_len(512 << 20)
        .unwrap();
    tool("mkfs.btrfs", &["-q", &text(&image)])?;
    tool("mount", &["-o", "loop", &text(&image), &text(&mount)])?;
    let _mounted = Mounted(mount.clone());
    body(&Pair { folder: mount });
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
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
        .output();
    let output = output.map_err(|error| format!("needs {program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Makes a test of each body for each driver.
macro_rules! each_driver {
    ($($body:ident),* $(,)?) => {
        mod here {
            $(#[test] fn $body() {
                super::on::here(concat!("here::", stringify!($body)), super::$body);
            })*
        }
        mod btrfs {
            $(#[test] fn $body() {
                super::on::btrfs(concat!("btrfs::", stringify!($body)), super::$body);
            })*
        }
    };
}
pub(crate) use each_driver;
