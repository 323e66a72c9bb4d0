//! What the build and the tests call, and the Debian packages that bring it.

use std::process::Command;

use crate::shell::{Outcome, has, is_root, run};

/// Program, package, and whether nothing works without it.
const TOOLS: [(&str, &str, bool); 8] = [
    ("cc", "gcc", true),
    ("busybox", "busybox-static", false),
    ("mkfs.btrfs", "btrfs-progs", false),
    ("mkfs.ext4", "e2fsprogs", false),
    ("mkfs.xfs", "xfsprogs", false),
    ("strace", "strace", false),
    ("unshare", "util-linux", false),
    ("qemu-aarch64-static", "qemu-user-static", false),
];

/// Installs with apt-get what is missing. Without root or apt-get only the compiler is a must: the
/// tests that miss something else say so by themselves.
pub(super) fn install() -> Outcome {
    let missing: Vec<_> = TOOLS.iter().filter(|(program, ..)| !has(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    let needed = missing.iter().any(|(.., must)| *must);
    println!("Missing: {}", names.join(" "));
    let outcome = if is_root() && has("apt-get") {
        apt(&names)
    } else {
        Err(format!("install these packages: {}", names.join(" ")))
    };
    match outcome {
        Err(error) if needed => Err(error),
        Err(error) => {
            println!("Going on without them: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Browser without a display, and the package that brings it: 98 MB to fetch and 301 MB on disk, so
/// it is installed only when asked for. Without it the tests of the matrix page are skipped.
const BROWSER: (&str, &str) = ("chromium-headless-shell", "chromium-headless-shell");

/// Installs the browser when it is missing.
pub(super) fn browser() -> Outcome {
    match BROWSER {
        (program, _) if has(program) => Ok(()),
        (_, package) if is_root() && has("apt-get") => apt(&[package]),
        (_, package) => Err(format!("install this package: {package}")),
    }
}

/// `apt-get install` by the ordinary client, with the host's own sources.
pub(crate) fn apt(packages: &[&str]) -> Outcome {
    let get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command.stdin(std::process::Stdio::null());
        command
    };
    run(get().arg("update"))?;
    run(get()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages))
}
