//! Hosts whose zones lie on file systems of their own, in a mount namespace that dies with its
//! thread: a failed test leaves no mount and no loop device, whose last user is the mount.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::{Host, has_tool, tool};

/// What zones lie on, and so which storage driver keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Driver btrfs.
    Btrfs,
    /// Driver overlay.
    Ext4,
    /// Driver overlay.
    Xfs,
    /// Driver dir, with shifted owners: the file system of a container, which maps none.
    Dir,
}

impl Ground {
    pub const ALL: [Self; 4] = [Self::Btrfs, Self::Ext4, Self::Xfs, Self::Dir];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Dir => "dir",
        }
    }

    const fn mkfs(self) -> &'static [&'static str] {
        match self {
            Self::Btrfs => &["mkfs.btrfs", "-q"],
            Self::Ext4 => &["mkfs.ext4", "-q", "-F"],
            Self::Xfs => &["mkfs.xfs", "-q"],
            Self::Dir => &[],
        }
    }

    /// What makes one in a file.
    pub fn program(self) -> &'static str {
        self.mkfs().first().copied().unwrap_or_default()
    }

    /// Makes one in a file.
    pub fn format(self, image: &Path) {
        let (program, args) = self.mkfs().split_first().unwrap();
        tool(program, &[args, &[image.to_str().unwrap()]].concat());
    }

    const fn checking(self) -> &'static [&'static str] {
        match self {
            Self::Btrfs => &["btrfs", "check", "--readonly"],
            Self::Ext4 => &["e2fsck", "-f", "-n"],
            Self::Xfs => &["xfs_repair", "-n", "-f"],
            Self::Dir => &[],
        }
    }

    /// What tells whether one is whole.
    pub fn checker(self) -> &'static str {
        self.checking().first().copied().unwrap_or_default()
    }

    /// One that is not mounted is whole, as its own program says.
    pub fn check(self, image: &Path) {
        let (program, args) = self.checking().split_first().unwrap();
        tool(program, &[args, &[image.to_str().unwrap()]].concat());
    }

    /// Where it is mounted.
    pub fn place(self, host: &Host) -> PathBuf {
        host.path().join(self.name())
    }

    fn mount(self, host: &Host, bytes: u64) {
        let place = self.place(host);
        std::fs::create_dir(&place).unwrap();
        if self == Self::Dir {
            return mount_overlay(host, &place);
        }
        let image = host.path().join(format!("{}.image", self.name()));
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(bytes).unwrap();
        self.format(&image);
        let (image, place) = (image.to_str().unwrap(), place.to_str().unwrap());
        tool("mount", &["-o", "loop", image, place]);
    }
}

fn mount_overlay(host: &Host, place: &Path) {
    let folder = |name: &str| {
        let path = host.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path.display().to_string()
    };
    let (lower, upper, work) = (folder("dir-lower"), folder("dir-upper"), folder("dir-work"));
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let options = std::ffi::CString::new(options).unwrap();
    let none = MountFlags::empty();
    rustix::mount::mount("overlay", place, "overlay", none, options.as_c_str()).unwrap();
}

/// Bytes of an image that is none too small for any file system.
pub const ROOMY: u64 = 512 << 20;

/// Runs a test on a host with these, each `bytes` large; says why when it cannot.
pub fn on(
    name: &str,
    grounds: &'static [Ground],
    bytes: u64,
    body: impl FnOnce(&Host) + Send + 'static,
) {
    let lacking = grounds.iter().filter_map(|it| it.mkfs().first());
    let lacking = lacking.copied().find(|it| !has_tool(it));
    if let Some(reason) = super::missing().or(lacking) {
        println!("SKIP {name}: {reason}");
        return;
    }
    let run = move || {
        tool("mount", &["--make-rprivate", "/"]);
        let mut host = Host::new();
        for ground in grounds {
            ground.mount(&host, bytes);
            let place = ground.place(&host);
            let mounted = host.mounted.get_or_insert(Mounted(Vec::new()));
            mounted.0.push(place);
        }
        body(&host);
    };
    if let Err(errno) = super::away(UnshareFlags::NEWNS, run) {
        println!("SKIP {name}: no mount namespace: {errno}");
    }
}

/// Unmounts when dropped.
pub struct Mounted(Vec<PathBuf>);

impl Drop for Mounted {
    fn drop(&mut self) {
        for place in &self.0 {
            let _ = rustix::mount::unmount(place, UnmountFlags::DETACH);
        }
    }
}
