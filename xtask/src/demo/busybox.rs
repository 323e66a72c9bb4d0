//! A whole userland of one static program, for sessions without a network.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, output, run, write};

/// Text files of the root.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "root:x:0:\n"),
    (
        "etc/inittab",
        "::sysinit:/bin/true\n::respawn:-/bin/sh\n::shutdown:/bin/true\n",
    ),
    ("etc/os-release", "ID=busybox\nNAME=BusyBox\n"),
];

const FOLDERS: [&str; 9] = [
    "bin", "sbin", "dev", "proc", "sys", "tmp", "root", "run", "usr",
];

/// Writes a tar file of such a root; the tree stands beside it.
pub(crate) fn archive(folder: &Path, to: &Path) -> Outcome {
    let root = folder.join("busybox");
    tree(&root)?;
    run(Command::new("tar")
        .arg("-C")
        .arg(&root)
        .arg("-cf")
        .arg(to)
        .arg("."))
}

/// Makes the root at `root`.
pub(crate) fn tree(root: &Path) -> Outcome {
    let busybox = find()?;
    let failed = |error| format!("cannot make `{}`: {error}", root.display());
    for name in FOLDERS {
        std::fs::create_dir_all(root.join(name)).map_err(failed)?;
    }
    std::fs::copy(&busybox, root.join("bin/busybox")).map_err(failed)?;
    for applet in output(Command::new(&busybox).arg("--list"))?.lines() {
        let at = root.join("bin").join(applet);
        if !at.exists() {
            symlink("busybox", at).map_err(failed)?;
        }
    }
    symlink("../bin/busybox", root.join("sbin/init")).map_err(failed)?;
    for (name, text) in FILES {
        write(&root.join(name), text)?;
    }
    Ok(())
}

/// The host's static busybox.
fn find() -> Outcome<PathBuf> {
    let places = ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"];
    let found = places.iter().map(Path::new).find(|path| path.is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| "no busybox on this host; install the package busybox-static".to_owned())
}
