//! Process 1 of a zone, from its birth to the exec of the zone's init.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount as mnt;
use rustix::process::DumpableBehavior;
use rustix::thread::UnshareFlags;
use zones_sys::{CStrings, Channel};

use super::message::{Argv, FromInit, ToInit};
use super::{builtin, derived, receive, send, terminal};
use crate::plan::BootPlan;

/// A step that failed, and why.
type Failure = (&'static str, Errno);

/// Runs in the child; never returns. Without a daemon at the other end there is nothing to live
/// for.
pub(super) fn run(plan: &BootPlan, channel: Channel) -> ! {
    zones_sys::set_title("init");
    match stand_by(plan, &channel) {
        Ok(console) => wait_for_boot(plan, channel, &console),
        Err((step, error)) => {
            let _ = send(&channel, &FromInit::Failed(format!("{step}: {error}")), &[]);
            zones_sys::exit_now(1)
        }
    }
}

/// Everything up to `ready`; returns the console's slave side.
fn stand_by(plan: &BootPlan, channel: &Channel) -> Result<OwnedFd, Failure> {
    let at = |step: &'static str| move |error: Errno| (step, error);
    // Not dumpable: until a program of the zone runs here, nobody in it may look at this memory or
    // reach the host's binary through /proc/1/exe. Source: prctl(2), PR_SET_DUMPABLE.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(at("make process 1 private"))?;
    match receive::<ToInit>(channel) {
        Ok(Some((ToInit::Go, _))) => {}
        Ok(_) => zones_sys::exit_now(0),
        Err(error) => return Err(("wait for the daemon", error)),
    }
    become_root().map_err(at("become root of the zone"))?;
    zones_sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWCGROUP)
        .map_err(at("lock the mount table"))?;
    mount_cgroup().map_err(at("mount the control groups"))?;
    rustix::system::sethostname(plan.zone.as_str().as_bytes()).map_err(at("set the host name"))?;
    rustix::process::setsid().map_err(at("start a session"))?;
    let (master, slave) = open_console().map_err(at("open the console"))?;
    if plan.personality_32bit {
        zones_sys::personality_32bit().map_err(at("become a 32-bit machine"))?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    restrict(plan).map_err(at("give up privileges"))?;
    // Becoming root may have set this back (`fs.suid_dumpable`).
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(at("make process 1 private"))?;
    send(channel, &FromInit::Ready, &[master.as_fd()]).map_err(at("report to the daemon"))?;
    Ok(slave)
}

/// User and group 0 of the user namespace, with no further groups.
pub(super) fn become_root() -> Result<(), Errno> {
    use rustix::process::{Gid, Uid};
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// The bounding set and the system call filter: from here on nothing is gained back.
pub(super) fn restrict(plan: &BootPlan) -> Result<(), Errno> {
    zones_sys::load_seccomp(&plan.privileges.filter)?;
    for number in 0..=63u32 {
        if plan.privileges.bounding & (1 << number) != 0 {
            continue;
        }
        let capability = rustix::thread::CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows no capability of this number.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    if plan.range.is_none() {
        hold_only(plan.privileges.bounding)?;
    }
    Ok(())
}

/// Gives up what the bounding set lacks at once, not only at the next exec: without a user
/// namespace it would be the host's.
fn hold_only(bounding: u64) -> Result<(), Errno> {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let held = capabilities(None)?.permitted & CapabilitySet::from_bits_retain(bounding);
    let sets = CapabilitySets {
        effective: held,
        permitted: held,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}

/// The zone's own tree of control groups, for an init that keeps its services in groups. Passed
/// where the root has no place for it or the kernel no unified hierarchy.
fn mount_cgroup() -> Result<(), Errno> {
    let make = || {
        let fs = mnt::fsopen("cgroup2", mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
        mnt::fsconfig_create(&fs)?;
        let attributes = mnt::MountAttrFlags::MOUNT_ATTR_NOSUID
            | mnt::MountAttrFlags::MOUNT_ATTR_NODEV
            | mnt::MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = mnt::fsmount(&fs, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        let flags = mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        mnt::move_mount(&mount, "", CWD, "/sys/fs/cgroup", flags)
    };
    match make() {
        Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => Ok(()),
        other => other,
    }
}

/// A terminal of the zone's own devpts, bound over `/dev/console`. Returns master and slave.
fn open_console() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, terminal::pty_flags())?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let tree = mnt::open_tree(CWD, &*name, mnt::OpenTreeFlags::OPEN_TREE_CLONE)?;
    let flags = mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    mnt::move_mount(&tree, "", CWD, "/dev/console", flags)?;
    Ok((master, slave))
}

/// The `ready` state: blocked on the daemon, all mounts and links in place.
fn wait_for_boot(plan: &BootPlan, channel: Channel, console: &OwnedFd) -> ! {
    match receive::<ToInit>(&channel) {
        Ok(Some((ToInit::Boot(argv), _))) => boot(plan, &channel, &argv, console),
        Ok(Some((ToInit::Idle, _))) => {
            let _ = send(&channel, &FromInit::Starting(String::new()), &[]);
            drop(channel);
            builtin::reap_forever()
        }
        // The daemon is gone or halts the zone.
        _ => zones_sys::exit_now(0),
    }
}

fn boot(plan: &BootPlan, channel: &Channel, argv: &Argv, console: &OwnedFd) -> ! {
    let failed = |text: String| -> ! {
        let _ = send(channel, &FromInit::Failed(text), &[]);
        zones_sys::exit_now(1)
    };
    if let Err(error) = terminal::take_streams(console.as_fd()) {
        failed(format!("give init the console: {error}"));
    }
    let mut environ = argv.environ.clone();
    let faked = plan.clock.environ();
    derived::make(&plan.derived, &environ);
    let Some(program) = argv.candidates.iter().find(|path| is_program(path)) else {
        let _ = send(channel, &FromInit::Starting(String::new()), &[]);
        environ.extend(faked);
        builtin::run(&environ, channel)
    };
    if !is_systemd(program) {
        environ.extend(faked);
    }
    let _ = send(channel, &FromInit::Starting(program.clone()), &[]);
    let args = std::iter::once(program.clone()).chain(argv.args.iter().cloned());
    let texts = (
        CString::new(program.as_str()),
        CStrings::new(args),
        CStrings::new(environ.iter().cloned()),
    );
    let (Ok(path), Ok(args), Ok(environ)) = texts else {
        failed("a boot argument holds a NUL byte".to_owned())
    };
    zones_sys::reset_signals();
    let error = zones_sys::exec(&path, &args, &environ);
    failed(format!("{program}: {error}"))
}

/// systemd hands none of its variables on, and dies of timers that are not those of its clock.
fn is_systemd(path: &str) -> bool {
    std::fs::canonicalize(path).is_ok_and(|path| path.ends_with("systemd"))
}

/// Whether `path` is there; links are followed inside the zone, where this process already is.
fn is_program(path: &str) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
