//! The guest: Debian with systemd, the file systems' tools and ZFS, as one disk that is never
//! written, a kernel, and an initial file system that does nothing but mount the disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::archive::{Archive, unpack};
use super::builder::{Builder, RELEASE};
use super::cache::{self, Cache};
use super::guest::{Accelerator, Base};
use super::initramfs;
use super::module::module;
use crate::shell::{Outcome, output, read, run, top, write};

/// Installed in the guest.
const PACKAGES: [&str; 15] = [
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "iproute2",
    "nftables",
    "procps",
    "btrfs-progs",
    "xfsprogs",
    "e2fsprogs",
    "busybox-static",
    "acl",
    "attr",
    "libcap2-bin",
    "libssl3t64",
];

/// Laid into it without their scripts, from `contrib`.
const ZFS: [&str; 5] = [
    "zfsutils-linux",
    "libnvpair3linux",
    "libuutil3linux",
    "libzfs6linux",
    "libzpool6linux",
];

/// Read by nobody in a guest.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/info",
    "usr/lib/python3",
    "var/cache/apt",
];

/// Units that take time or would touch the pools of a test.
const MASKED: [&str; 9] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "zfs-import-cache.service",
    "zfs-import-scan.service",
];

/// Size of the guest's disk; nothing is preallocated.
const SIZE: &str = "3G";

/// A guest that can be booted.
#[derive(Debug)]
pub(super) struct Image {
    folder: PathBuf,
    /// Changes with anything that changes the guest.
    pub(super) key: String,
    pub(super) accelerator: Accelerator,
}

impl Image {
    /// The cached image; made when there is none, when what it is made of changed, or to `refresh`.
    pub(super) fn prepare(cache: &Cache, binary: &Path, refresh: bool) -> Outcome<Self> {
        let folder = cache.path("image");
        let recipe = recipe()?;
        let key = |versions: &str| cache::key([&*recipe, versions]);
        if !refresh
            && let Ok(made) = read(&folder.join("recipe"))
            && let Some((of, versions)) = made.split_once('\n')
            && of == cache::key([&*recipe])
        {
            let key = key(versions);
            return Ok(Self::new(folder, key));
        }
        let builder = Builder::open(binary, &cache.path("build"))?;
        let archive = Archive::fetch(&cache.path("apt"), RELEASE)?;
        let package = archive.depends("linux-image-cloud-amd64", "linux-image-")?;
        let kernel = package.trim_start_matches("linux-image-").to_owned();
        let zfs = module(cache, &builder, &archive, &kernel)?;
        println!("Making the guest's image with Linux {kernel}");
        let start = Instant::now();
        let root = builder.install("guest", &PACKAGES)?;
        let packages: Vec<&str> = ZFS.into_iter().chain([&*package]).collect();
        for file in archive.download(&packages)? {
            unpack(&file, &root)?;
        }
        furnish(&root, &kernel, &zfs)?;
        let fresh = cache.path("image.new");
        cache::fresh(&fresh)?;
        assemble(&root, &kernel, &fresh)?;
        let zfs = zfs.file_name().unwrap_or_default().to_string_lossy();
        let versions = format!("{kernel} {zfs}\n");
        let of = cache::key([&*recipe]);
        write(&fresh.join("recipe"), &format!("{of}\n{versions}"))?;
        cache::remove(&folder)?;
        cache::rename(&fresh, &folder)?;
        builder.clear()?;
        cache::remove(&cache.path("apt"))?;
        println!("Made in {} s", start.elapsed().as_secs());
        let key = key(&versions);
        Ok(Self::new(folder, key))
    }

    fn new(folder: PathBuf, key: String) -> Self {
        Self {
            folder,
            key,
            accelerator: Accelerator::Translator,
        }
    }

    /// A file of it: `vmlinuz`, `initrd` or `root.img`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the root disk of a cold guest starts from.
    pub(super) fn base(&self) -> Base {
        Base {
            path: self.path("root.img"),
            format: "raw",
        }
    }
}

/// All that the image is made of, except what the mirror has today.
fn recipe() -> Outcome<String> {
    let lists = [
        PACKAGES.join(" "),
        ZFS.join(" "),
        LEFT_OUT.join(" "),
        MASKED.join(" "),
    ];
    let mut text = format!("{RELEASE} {SIZE} {}", lists.join(" "));
    for name in ["initramfs", "init", "agent", "agent.service"] {
        text += &read(&guest(name))?;
    }
    Ok(text + &initramfs::MODULES.join(" "))
}

/// A file of the guest's side.
fn guest(name: &str) -> PathBuf {
    top().join("tests/vm/guest").join(name)
}

/// Puts modules and our own files in, takes out what a guest does not need.
fn furnish(root: &Path, kernel: &str, zfs: &Path) -> Outcome {
    for name in LEFT_OUT {
        cache::remove(&root.join(name))?;
    }
    let updates = root.join("usr/lib/modules").join(kernel).join("updates");
    cache::fresh(&updates)?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(zfs);
    run(tar.arg("--directory").arg(&updates))?;
    run(Command::new("chroot").arg(root).args(["depmod", kernel]))?;
    for name in ["init", "agent"] {
        let to = root.join("usr/local/vm").join(name);
        write(&to, &read(&guest(name))?)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("cannot change `{}`: {error}", to.display()))?;
    }
    let units = root.join("etc/systemd/system");
    write(
        &units.join("agent.service"),
        &read(&guest("agent.service"))?,
    )?;
    for unit in MASKED {
        link("/dev/null", &units.join(unit))?;
    }
    let wants = units.join("graphical.target.wants/agent.service");
    link("../agent.service", &wants)?;
    let target = "/usr/lib/systemd/system/graphical.target";
    link(target, &units.join("default.target"))?;
    write(&root.join("etc/hostname"), "guest\n")?;
    write(&root.join("etc/fstab"), "")?;
    write(&root.join("etc/modules-load.d/zfs.conf"), "zfs\n")
}

/// Packs the tree as disk, kernel and initial file system.
fn assemble(root: &Path, kernel: &str, to: &Path) -> Outcome {
    initramfs::pack(
        root,
        kernel,
        &read(&guest("initramfs"))?,
        &to.join("initrd"),
    )?;
    let boot = root.join("boot");
    let vmlinuz = boot.join(format!("vmlinuz-{kernel}"));
    fs::copy(&vmlinuz, to.join("vmlinuz"))
        .map_err(|error| format!("cannot copy `{}`: {error}", vmlinuz.display()))?;
    cache::fresh(&boot)?;
    // No journal: the disk is only ever the base of one that is thrown away.
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-O", "^has_journal"]);
    mke2fs.args(["-E", "lazy_itable_init=1", "-d"]);
    mke2fs.arg(root).arg(to.join("root.img")).arg(SIZE);
    output(&mut mke2fs).map(drop)
}

fn link(to: &str, at: &Path) -> Outcome {
    let failed = |error| format!("cannot link `{}`: {error}", at.display());
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    cache::remove(at)?;
    symlink(to, at).map_err(failed)
}
