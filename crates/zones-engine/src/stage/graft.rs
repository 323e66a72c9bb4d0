//! File systems that come to a running zone, or leave it.
//!
//! The new mount goes through a mount namespace of the zone's user namespace before it is attached:
//! by that copy the kernel locks its options, as it did for all mounts of the boot, so that root of
//! the zone cannot make it writable. Source: mount_namespaces(7), "Restrictions".

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount as mnt;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use zones_sys::{Channel, CloneFlags, Fork, MountAttr};

use super::builder::{bind, make, move_to, open_target, real};
use super::{init, receive, send};
use crate::error::EngineError;
use crate::plan::FsMount;

type Failure = String;

/// Mounts `fs` in the zone of process 1; its mount point is made when it is missing. With
/// `lenient`, a file system that is mounted there already will do.
pub(crate) fn mount(init: Pid, fs: &FsMount, lenient: bool) -> Result<(), EngineError> {
    let namespaces = Namespaces::of(init)?;
    in_child(&namespaces.fds(), || attach(&namespaces, fs, lenient))
}

/// Takes the file system at `dir` away; root of the zone may have done so already.
pub(crate) fn unmount(init: Pid, dir: &str) -> Result<(), EngineError> {
    let namespaces = Namespaces::of(init)?;
    in_child(&namespaces.fds(), || detach(&namespaces, dir))
}

/// Opened before the host's user ids are given up: later the kernel would ask who we are.
struct Namespaces {
    users: OwnedFd,
    mounts: OwnedFd,
}

impl Namespaces {
    fn of(init: Pid) -> Result<Self, EngineError> {
        let open = |name: &str| {
            let path = format!("/proc/{}/ns/{name}", init.as_raw_nonzero());
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
                .map_err(EngineError::kernel("open the namespaces of the zone"))
        };
        Ok(Self {
            users: open("user")?,
            mounts: open("mnt")?,
        })
    }

    fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.users.as_fd(), self.mounts.as_fd()]
    }
}

/// Runs `work` in a short-lived process of its own; it tells what went wrong.
fn in_child(
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), EngineError> {
    let (ours, theirs) = Channel::pair().map_err(EngineError::kernel("make a socket pair"))?;
    let fork = zones_sys::clone_process(CloneFlags::NONE, None);
    match fork.map_err(EngineError::kernel("start the builder"))? {
        Fork::Child => {
            let mut fds = vec![theirs.as_fd()];
            fds.extend_from_slice(keep);
            zones_sys::close_all_except(&fds);
            let told = send(&theirs, &work(), &[]);
            zones_sys::exit_now(i32::from(told.is_err()))
        }
        Fork::Parent { pidfd, .. } => {
            drop(theirs);
            let answer = receive::<Result<(), Failure>>(&ours);
            let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            match answer {
                Ok(Some((done, _))) => done.map_err(EngineError::Mount),
                _ => Err(EngineError::Mount("the builder was killed".to_owned())),
            }
        }
    }
}

fn at(step: &'static str) -> impl Fn(Errno) -> Failure {
    move |error| format!("cannot {step}: {error}")
}

fn attach(zone: &Namespaces, fs: &FsMount, lenient: bool) -> Result<(), Failure> {
    zones_sys::unshare(UnshareFlags::NEWNS).map_err(at("make a mount namespace"))?;
    let private = mnt::MountPropagationFlags::PRIVATE | mnt::MountPropagationFlags::REC;
    mnt::mount_change("/", private).map_err(at("make the mounts private"))?;
    let made = if fs.kind == "lofs" {
        bind(Some(zone.users.as_fd()), fs)
    } else {
        real(fs)
    };
    let made = made.map_err(|error| error.to_string())?;
    let stat = rustix::fs::fstat(&made).map_err(at("look at the file system"))?;
    let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let locked = lock(zone, &made, folder)?;
    enter(zone)?;
    let target = mount_point(Path::new(&fs.dir), folder)?;
    if lenient && is_mounted(&target)? {
        return Ok(());
    }
    move_to(&locked, &target).map_err(|error| format!("cannot mount on `{}`: {error}", fs.dir))
}

/// The same mount with its options locked: a copy out of a namespace of the zone's user namespace.
/// The caller is root of the zone after this, and of nothing else.
fn lock(zone: &Namespaces, made: &OwnedFd, folder: bool) -> Result<OwnedFd, Failure> {
    let options = [("mode", "755".to_owned())];
    let place = make("tmpfs", &options, MountAttr::NOSUID | MountAttr::NODEV);
    let place = place.map_err(|error| error.to_string())?;
    // Any folder of the host will do: nobody else sees this namespace.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).map_err(at("open /proc"))?;
    move_to(&place, &proc).map_err(at("mount a workplace"))?;
    rustix::process::fchdir(&place).map_err(at("enter the workplace"))?;
    let point = if folder {
        let made = rustix::fs::mkdirat(&place, "it", Mode::from_raw_mode(0o755));
        made.map_err(at("make a mount point"))?;
        rustix::fs::openat(&place, "it", flags, Mode::empty())
    } else {
        let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&place, "it", flags, Mode::from_raw_mode(0o644))
    };
    move_to(made, &point.map_err(at("make a mount point"))?).map_err(at("mount the copy"))?;
    let kind = Some(LinkNameSpaceType::User);
    rustix::thread::move_into_link_name_space(zone.users.as_fd(), kind)
        .map_err(at("enter the user namespace"))?;
    init::become_root().map_err(at("become root of the zone"))?;
    zones_sys::unshare(UnshareFlags::NEWNS).map_err(at("lock the mount"))?;
    let flags = mnt::OpenTreeFlags::OPEN_TREE_CLONE | mnt::OpenTreeFlags::OPEN_TREE_CLOEXEC;
    mnt::open_tree(CWD, "it", flags).map_err(at("copy the mount"))
}

/// The mount table of the zone, from its root on.
fn enter(zone: &Namespaces) -> Result<(), Failure> {
    let kind = Some(LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(zone.mounts.as_fd(), kind)
        .map_err(at("enter the mount table of the zone"))?;
    rustix::process::chdir("/").map_err(at("go to the root of the zone"))
}

/// The mount point, made where it is missing; no link on the way.
fn mount_point(path: &Path, folder: bool) -> Result<OwnedFd, Failure> {
    let failed = |error: Errno| format!("cannot make `{}`: {error}", path.display());
    let open = |from: &OwnedFd, name: &Path| {
        open_target(from.as_fd(), name).map_err(|error| error.to_string())
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut here = rustix::fs::open("/", flags, Mode::empty()).map_err(failed)?;
    let parts: Vec<Component<'_>> = path
        .strip_prefix("/")
        .unwrap_or(path)
        .components()
        .collect();
    for (nth, part) in parts.iter().enumerate() {
        let name = part.as_os_str();
        let last = nth + 1 == parts.len();
        let made = if last && !folder {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&here, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        } else {
            rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o755))
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            // What is there already on a read-only file system will do.
            Err(Errno::ROFS) => {}
            Err(error) => return Err(failed(error)),
        }
        here = open(&here, Path::new(name))?;
    }
    Ok(here)
}

fn is_mounted(target: &OwnedFd) -> Result<bool, Failure> {
    let flags = AtFlags::EMPTY_PATH;
    let found = rustix::fs::statx(target, "", flags, StatxFlags::BASIC_STATS);
    let found = found.map_err(at("look at the mount point"))?;
    Ok(found
        .stx_attributes
        .contains(rustix::fs::StatxAttributes::MOUNT_ROOT))
}

fn detach(zone: &Namespaces, dir: &str) -> Result<(), Failure> {
    enter(zone)?;
    let path = Path::new(dir)
        .strip_prefix("/")
        .unwrap_or_else(|_| Path::new(dir));
    let failed = |error: Errno| format!("cannot unmount `{dir}`: {error}");
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(Errno::INVAL));
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(failed)?;
    let parent = if parent.as_os_str().is_empty() {
        Ok(root)
    } else {
        open_target(root.as_fd(), parent)
    };
    let found = parent.and_then(|parent| {
        open_target(parent.as_fd(), Path::new(name)).map(|target| (parent, target))
    });
    let parent = match found {
        Ok((parent, target)) if is_mounted(&target)? => parent,
        _ => return Ok(()),
    };
    rustix::process::fchdir(&parent).map_err(failed)?;
    match mnt::unmount(Path::new(name), mnt::UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(format!("cannot unmount `{dir}`: the zone uses it")),
        Err(error) => Err(failed(error)),
    }
}
