//! `cargo xtask install` and `dist`: the binary and all that stands around it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, build, host_tuple, output, read, run as run_command, top, write};

/// Source below the repository, target below the prefix.
const FILES: [(&str, &str); 6] = [
    (
        "packaging/completions/zones.bash",
        "share/bash-completion/completions/zones",
    ),
    (
        "packaging/completions/_zones",
        "share/zsh/site-functions/_zones",
    ),
    (
        "packaging/completions/zones.fish",
        "share/fish/vendor_completions.d/zones.fish",
    ),
    (
        "packaging/systemd/zones.service",
        "lib/systemd/system/zones.service",
    ),
    (
        "packaging/systemd/zones-snapshot.service",
        "lib/systemd/system/zones-snapshot.service",
    ),
    (
        "packaging/systemd/zones-snapshot.timer",
        "lib/systemd/system/zones-snapshot.timer",
    ),
];

/// Read by people, installed under `share/doc/zones`.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

struct Options {
    prefix: PathBuf,
    destdir: PathBuf,
    release: bool,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let mut options = Options {
        prefix: PathBuf::from("/usr/local"),
        destdir: PathBuf::from("/"),
        release: true,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut folder = || {
            let value = words.next().map(PathBuf::from);
            value
                .filter(|path| path.is_absolute())
                .ok_or_else(|| format!("{word} takes an absolute path"))
        };
        match word.as_str() {
            "--prefix" => options.prefix = folder()?,
            "--destdir" => options.destdir = folder()?,
            "--debug" => options.release = false,
            _ => return Err(format!("unknown argument `{word}`")),
        }
    }
    let binary = build(options.release)?;
    let count = place(&binary, &options)?;
    let shown = below(&options.destdir, &options.prefix);
    println!("{count} files below {}", shown.display());
    Ok(())
}

/// Commands that need no privileges.
const USER_COMMANDS: [&str; 8] = [
    "zlogin",
    "zonename",
    "pkg",
    "pkgrepo",
    "pkgsend",
    "pkgrecv",
    "pkgsign",
    "autopkgtest-virt-zones",
];

/// Lays everything down; returns the number of files.
fn place(binary: &Path, options: &Options) -> Outcome<usize> {
    let base = below(&options.destdir, &options.prefix);
    let sbin = base.join("sbin");
    let zones = sbin.join("zones");
    put(binary, &zones, 0o755)?;
    let applets = output(Command::new(binary).arg("applets"))?;
    for applet in applets.lines() {
        link("zones", &sbin.join(applet))?;
    }
    // What users without privileges call stands where they look for it.
    for user in USER_COMMANDS {
        link("../sbin/zones", &base.join("bin").join(user))?;
    }
    let mut count = 1 + applets.lines().count() + USER_COMMANDS.len();
    for (source, to) in FILES {
        let text = read(&top().join(source))?;
        let sbin = options.prefix.join("sbin");
        let text = text.replace("@SBINDIR@", &sbin.to_string_lossy());
        write(&base.join(to), &text)?;
        count += 1;
    }
    // bash looks a completion up by the name of the command.
    for applet in applets.lines().filter(|applet| *applet != "zoneadmd") {
        link(
            "zones",
            &base.join("share/bash-completion/completions").join(applet),
        )?;
        count += 1;
    }
    for page in children(&top().join("docs/man"))? {
        let section = page
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let name = page.file_name().unwrap_or_default();
        let folder = base.join(format!("share/man/man{section}"));
        put(&page, &folder.join(name), 0o644)?;
        count += 1;
    }
    for name in DOCUMENTS {
        put(
            &top().join(name),
            &base.join("share/doc/zones").join(name),
            0o644,
        )?;
        count += 1;
    }
    Ok(count)
}

/// Installs `binary` for `prefix`, below `destdir`.
pub(crate) fn into(binary: &Path, prefix: &Path, destdir: &Path) -> Outcome {
    let options = Options {
        prefix: prefix.to_owned(),
        destdir: destdir.to_owned(),
        release: false,
    };
    place(binary, &options).map(drop)
}

pub(crate) fn dist(args: &[String]) -> Outcome {
    if let Some(word) = args.first() {
        return Err(format!("unknown argument `{word}`"));
    }
    let binary = build(true)?;
    let version = output(Command::new(&binary).arg("version"))?;
    let version = version.trim().replace(' ', "-");
    let tuple = host_tuple()?;
    let machine = tuple.split('-').next().unwrap_or("unknown");
    let name = format!("{version}-linux-{machine}");
    let folder = top().join("dist");
    let tree = folder.join(&name);
    if tree.exists() {
        std::fs::remove_dir_all(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    }
    let options = Options {
        prefix: PathBuf::from("/usr/local"),
        destdir: tree.clone(),
        release: true,
    };
    place(&binary, &options)?;
    let archive = format!("{name}.tar.gz");
    // Same input, same bytes: sorted names, no owners, one date.
    let mut tar = Command::new("tar");
    tar.current_dir(&folder)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mtime=@0", "-czf", &archive, &name]);
    run_command(&mut tar)?;
    let mut sum = Command::new("sha256sum");
    let sum = output(sum.current_dir(&folder).arg(&archive))?;
    write(&folder.join(format!("{archive}.sha256")), &sum)?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    println!("{archive}  {} bytes", size(&folder.join(&archive)));
    println!("zones  {} bytes", size(&binary));
    print!("{sum}");
    Ok(())
}

/// `path` seen below `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn put(from: &Path, to: &Path, mode: u32) -> Outcome {
    let failed = |error| {
        format!(
            "cannot copy `{}` to `{}`: {error}",
            from.display(),
            to.display()
        )
    };
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // A binary that runs cannot be written over; a new file takes its name.
    let fresh = to.with_extension("new");
    std::fs::copy(from, &fresh).map_err(failed)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    std::fs::rename(&fresh, to).map_err(failed)
}

fn link(to: &str, at: &Path) -> Outcome {
    let failed = |error| format!("cannot link `{}`: {error}", at.display());
    if let Some(parent) = at.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    match std::fs::remove_file(at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    symlink(to, at).map_err(failed)
}

fn children(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read `{}`: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
