//! What must be in a root before and beside its packages.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_sys::{RootFd, Stamp};

use crate::error::DebianError;
use crate::plan::Plan;
use crate::sources::Source;
use crate::version::compare;

/// Folders that packages expect and none of them brings.
const FOLDERS: [(&str, u32); 17] = [
    ("/dev", 0o755),
    ("/proc", 0o755),
    ("/run", 0o755),
    ("/sys", 0o755),
    ("/etc/apt/apt.conf.d", 0o755),
    ("/etc/apt/preferences.d", 0o755),
    ("/etc/apt/sources.list.d", 0o755),
    ("/etc/apt/trusted.gpg.d", 0o755),
    ("/usr/sbin", 0o755),
    ("/var/cache/apt/archives", 0o755),
    ("/var/lib/apt/lists/partial", 0o755),
    ("/var/lib/dpkg/alternatives", 0o755),
    ("/var/lib/dpkg/info", 0o755),
    ("/var/lib/dpkg/parts", 0o755),
    ("/var/lib/dpkg/triggers", 0o755),
    ("/var/lib/dpkg/updates", 0o755),
    ("/var/log/apt", 0o755),
];

/// Tells package scripts that no service may start. Source: invoke-rc.d(8).
pub(crate) const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Keys of the archive if the caller named a keyring.
const ARCHIVE_KEYS: &str = "/etc/apt/keyrings/archive.gpg";

/// The folder of the loader beside `/lib`, by architecture. Source: the psABI of each.
const LOADERS: [(&str, &str); 7] = [
    ("amd64", "lib64"),
    ("loong64", "lib64"),
    ("mips64el", "lib64"),
    ("ppc64", "lib64"),
    ("ppc64el", "lib64"),
    ("sparc64", "lib64"),
    ("x32", "libx32"),
];

/// The folders that are links into `/usr`, of a root with this plan. Since bookworm, packages
/// may rely on them, and some still bring files by the old paths.
pub(crate) fn merged(plan: &Plan) -> Vec<&'static str> {
    let base = plan.packages.iter().find(|p| p.name == "base-files");
    if base.is_none_or(|base| compare(&base.version, "12").is_lt()) {
        return Vec::new();
    }
    let mut names = vec!["bin", "sbin", "lib"];
    names.extend(
        LOADERS
            .iter()
            .filter(|row| row.0 == plan.arch)
            .map(|row| row.1),
    );
    names
}

/// Makes links and folders that the packages are laid on.
pub(crate) fn lay_ground(plan: &Plan, root: &RootFd) -> Result<(), DebianError> {
    let refuse = |path: &Path| {
        let path = path.to_owned();
        move |source: Errno| DebianError::Root { path, source }
    };
    for name in merged(plan) {
        let target = PathBuf::from("usr").join(name);
        root.mkdir_p(&target, 0o755).map_err(refuse(&target))?;
        match root.symlink(&target, Path::new(name)) {
            Err(Errno::EXIST) => {}
            other => other.map_err(refuse(Path::new(name)))?,
        }
    }
    for (path, mode) in FOLDERS {
        root.mkdir_p(Path::new(path), mode)
            .map_err(refuse(Path::new(path)))?;
    }
    Ok(())
}

/// Writes one of our own files.
pub(crate) fn write(root: &RootFd, path: &str, text: &[u8], mode: u32) -> Result<(), DebianError> {
    let written = root.write(Path::new(path), text, Stamp::root(mode));
    written.map_err(|source| DebianError::Root {
        path: PathBuf::from(path),
        source,
    })
}

/// Files for the time of configuration, and apt's view of the archive.
pub(crate) fn lay_settings(plan: &Plan, root: &RootFd) -> Result<(), DebianError> {
    write(root, POLICY, b"#!/bin/sh\nexit 101\n", 0o755)?;
    let mut signed = "";
    if let Some(path) = &plan.keyring {
        let keys = std::fs::read(path).map_err(|source| DebianError::Keyring {
            path: path.clone(),
            source,
        })?;
        let dir = Path::new("/etc/apt/keyrings");
        root.mkdir_p(dir, 0o755)
            .map_err(|source| DebianError::Root {
                path: dir.to_owned(),
                source,
            })?;
        let armored = keys.starts_with(b"-----BEGIN");
        signed = if armored {
            "/etc/apt/keyrings/archive.asc"
        } else {
            ARCHIVE_KEYS
        };
        write(root, signed, &keys, 0o644)?;
    }
    let lines: String = plan
        .sources
        .iter()
        .map(|s| source_line(s, signed))
        .collect();
    write(root, "/etc/apt/sources.list", lines.as_bytes(), 0o644)?;
    // Shells of scripts; packages older than bookworm's make it only while configured.
    let sh = Path::new("/bin/sh");
    if root.lstat(sh).is_err() && root.stat(Path::new("/bin/dash")).is_ok() {
        root.symlink(Path::new("dash"), sh)
            .map_err(|source| DebianError::Root {
                path: sh.to_owned(),
                source,
            })?;
    }
    Ok(())
}

/// One line of a source list. A folder of the host means nothing in the zone.
fn source_line(source: &Source, signed: &str) -> String {
    let off = if source.uri.starts_with("file:") {
        "# "
    } else {
        ""
    };
    let signed = match signed {
        "" => String::new(),
        path => format!("[signed-by={path}] "),
    };
    let components = source.components.join(" ");
    format!(
        "{off}deb {signed}{} {} {components}\n",
        source.uri, source.suite
    )
}
