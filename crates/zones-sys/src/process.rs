//! Making processes.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::procfs;

/// Namespaces a child is born into. Values of clone(2); `TIME` is for unshare(2) alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloneFlags(pub u64);

impl CloneFlags {
    /// None: a plain fork.
    pub const NONE: Self = Self(0);
    /// The caller goes on when the child executes a program or ends (`CLONE_VFORK`, clone(2)).
    pub const UNTIL_EXEC: Self = Self(0x4000);
    /// Own user ids.
    pub const USER: Self = Self(0x1000_0000);
    /// Own process ids.
    pub const PID: Self = Self(0x2000_0000);
    /// Own links, addresses, routes.
    pub const NET: Self = Self(0x4000_0000);
    /// Own host name.
    pub const UTS: Self = Self(0x0400_0000);
    /// Own System V and POSIX message queues.
    pub const IPC: Self = Self(0x0800_0000);
    /// Own mount table.
    pub const MOUNT: Self = Self(0x0002_0000);
    /// Own view of the control groups.
    pub const CGROUP: Self = Self(0x0200_0000);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the child's id and a descriptor that names it for good.
    Parent {
        /// Id in the caller's pid namespace.
        pid: Pid,
        /// Becomes readable when the child ends.
        pidfd: OwnedFd,
    },
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessId {
    /// Id in the host's pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl ProcessId {
    /// Names the running process `pid`; `None` when there is none.
    #[must_use]
    pub fn of(pid: Pid) -> Option<Self> {
        let pid = pid.as_raw_nonzero().get();
        procfs::start_time(pid).map(|start| Self { pid, start })
    }

    /// Whether it still runs: same number, same start time, no zombie.
    #[must_use]
    pub fn is_alive(self) -> bool {
        procfs::start_time(self.pid) == Some(self.start)
    }

    /// A descriptor of it; `None` when it has ended.
    #[must_use]
    pub fn open(self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
        // Checked after the descriptor was taken: from here on the number cannot be reused unseen.
        self.is_alive().then_some(pidfd)
    }
}

/// Forks by clone3(2): into namespaces, and on cgroup v2 into the group of `cgroup`.
///
/// # Errors
/// Whatever clone3(2) says; `DEADLK` when the caller has more than one thread, since the child
/// would inherit locks that nobody opens.
pub fn clone_process(flags: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<Fork, Errno> {
    const CLONE_PIDFD: u64 = 0x1000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

    // zsched does not see itself in the zone's /proc; it has one thread by construction.
    if procfs::thread_count().is_some_and(|threads| threads != 1) {
        return Err(Errno::DEADLK);
    }
    let mut pidfd: i32 = -1;
    // SAFETY: `clone_args` is plain numbers; all zero is valid and means "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.0 | CLONE_PIDFD;
    args.pidfd = std::ptr::addr_of_mut!(pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(group.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    // SAFETY: no CLONE_VM and no new stack, so this is a fork: the child owns a copy of everything.
    // The caller has one thread (checked above), so no lock is held by somebody who is gone.
    // `args` and `pidfd` live across the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::addr_of_mut!(args),
            std::mem::size_of_val(&args),
        )
    };
    let pid = match pid {
        // A filter that has to see the flags refuses the call that hides them behind a pointer.
        -1 if last_errno() == Errno::NOSYS && cgroup.is_none() => old_clone(args.flags, &mut pidfd),
        pid => pid,
    };
    match pid {
        -1 => Err(last_errno()),
        0 => Ok(Fork::Child),
        pid => {
            let pid = i32::try_from(pid)
                .ok()
                .and_then(Pid::from_raw)
                .ok_or(Errno::SRCH)?;
            // SAFETY: the kernel stored a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Fork::Parent { pid, pidfd })
        }
    }
}

/// The same by clone(2), which takes its flags in a register.
fn old_clone(flags: u64, pidfd: &mut i32) -> libc::c_long {
    let flags = flags | libc::SIGCHLD as u64;
    let pidfd = std::ptr::from_mut(pidfd);
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: as for clone3(2): a fork, with the place for the descriptor living across the call.
    unsafe {
        if cfg!(target_arch = "s390x") {
            libc::syscall(libc::SYS_clone, none, flags, pidfd, none, none)
        } else {
            libc::syscall(libc::SYS_clone, flags, none, pidfd, none, none)
        }
    }
}

/// Has what `command` starts killed when the thread that starts it ends, however that ends. Source:
/// prctl(2), `PR_SET_PDEATHSIG`.
pub fn end_with_parent(command: &mut std::process::Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before the kernel was asked.
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(Errno::SRCH.into()),
        }
    };
    // SAFETY: between fork and exec there are three system calls, which take no lock and no memory.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, ask) };
}

/// A process that does nothing, so that others can use its namespaces; killed when dropped.
#[derive(Debug)]
pub(crate) struct Idler {
    pid: Pid,
}

impl Idler {
    /// One with a user namespace of its own. Callers may have threads.
    pub(crate) fn in_new_users() -> Result<Self, Errno> {
        let flags = CloneFlags::USER.0 as libc::c_long | libc::c_long::from(libc::SIGCHLD);
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: a fork without a new stack. The child calls nothing that needs a lock: it sleeps
        // until it is killed, so threads of the caller do not matter.
        let pid = unsafe {
            if cfg!(target_arch = "s390x") {
                libc::syscall(libc::SYS_clone, none, flags, none, none, none)
            } else {
                libc::syscall(libc::SYS_clone, flags, none, none, none, none)
            }
        };
        match pid {
            -1 => Err(last_errno()),
            0 => loop {
                // SAFETY: takes no pointers. The signal ends the child when its parent does.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    libc::pause();
                }
            },
            pid => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                Ok(Self {
                    pid: pid.ok_or(Errno::SRCH)?,
                })
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.pid), rustix::process::WaitOptions::empty());
    }
}

/// Leaves namespaces for new ones. Descriptors are never unshared here, which is what makes
/// unshare(2) unsafe in general.
///
/// # Errors
/// Whatever unshare(2) says.
pub fn unshare(namespaces: rustix::thread::UnshareFlags) -> Result<(), Errno> {
    let namespaces = namespaces.difference(rustix::thread::UnshareFlags::FILES);
    // SAFETY: the table of descriptors stays shared, so no owner of one is surprised.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// Ends this process at once, without handlers or flushing: the way out of a forked child.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: takes no pointers and does not return.
    unsafe { libc::_exit(status) }
}

/// Makes `uname -m` of this process and its children name the 32-bit machine.
///
/// # Errors
/// Whatever personality(2) says.
pub fn personality_32bit() -> Result<(), Errno> {
    const PER_LINUX32: libc::c_ulong = 0x0008;
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::personality(PER_LINUX32) };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Closes every descriptor above the standard three but `keep`: what a forked child does first, so
/// that nothing of its parent stays open in it.
pub fn close_all_except(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok())
        .collect();
    keep.sort_unstable();
    let mut first = 3u32;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > first {
            let last = if fd == u32::MAX { u32::MAX } else { fd - 1 };
            // SAFETY: takes no pointers. The owners of these descriptors belong to the parent's
            // code and are never used or dropped in the child, which ends in exec or `exit_now`.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
        first = first.max(fd.saturating_add(1));
    }
}

/// Marks every descriptor above the standard three as one that no program started by this process
/// inherits, whoever opened it. Source: close_range(2).
pub fn close_all_on_exec() {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: takes no pointers and closes nothing in this process.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) };
}

/// The user and group that new files belong to and that permissions are checked for.
///
/// # Errors
/// `PERM` when they were not taken over.
pub fn set_fs_ids(uid: u32, gid: u32) -> Result<(), Errno> {
    // SAFETY: neither takes pointers. They tell the old id; asking twice tells the new one.
    let now = unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
        (
            libc::setfsuid(u32::MAX).cast_unsigned(),
            libc::setfsgid(u32::MAX).cast_unsigned(),
        )
    };
    if now == (uid, gid) {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

/// Sends `signal` to everybody the caller may signal but itself; in process 1 of a zone that is the
/// whole zone and nobody else. Source: kill(2), pid -1.
pub fn kill_everybody(signal: rustix::process::Signal) {
    if rustix::process::getpid().as_raw_nonzero().get() == 1 {
        // SAFETY: takes no pointers; as process 1 of a pid namespace it reaches only that
        // namespace.
        unsafe { libc::kill(-1, signal.as_raw()) };
    }
}

/// Gives back what an idle process does not need: free memory of the heap, and the mapping of its
/// program's text. The text stays in the page cache for all; what runs again is mapped again, a few
/// pages at a time. Small daemons stay small.
pub fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: takes no pointers; other allocations are not touched.
        unsafe { libc::malloc_trim(0) };
        drop_text();
    }
}

/// Source: madvise(2), `MADV_DONTNEED`; end(3), `etext`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn drop_text() {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    const PAGE: usize = 4096;
    let start = (&raw const __executable_start)
        .addr()
        .next_multiple_of(PAGE);
    let end = (&raw const etext).addr() & !(PAGE - 1);
    if let Some(length) = end.checked_sub(start) {
        // SAFETY: the linker's symbols bound headers, constants and code of this program: a private
        // mapping of its file that is never written, so the pages come back as they were.
        unsafe {
            libc::madvise(
                (&raw const __executable_start).cast_mut().cast(),
                length,
                libc::MADV_DONTNEED,
            )
        };
    }
}

/// Sends a signal by number, real-time ones included.
///
/// # Errors
/// `SRCH` when the process has ended.
pub fn pidfd_signal(pidfd: BorrowedFd<'_>, number: i32) -> Result<(), Errno> {
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null `siginfo` is allowed and means "as kill(2) would send it".
    let answer = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            number,
            null,
            0,
        )
    };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}
