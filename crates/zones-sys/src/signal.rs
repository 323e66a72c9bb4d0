//! Signals as a descriptor, and their defaults for a new program.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::process::last_errno;

/// Signals that wait on a descriptor instead of interrupting. Source: signalfd(2).
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` for this process and collects them.
    ///
    /// # Errors
    /// Whatever signalfd(2) says.
    pub fn new(signals: &[i32]) -> Result<Self, Errno> {
        let set = block_signals(signals);
        // SAFETY: `set` is initialised and outlives the call.
        let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd == -1 {
            return Err(last_errno());
        }
        // SAFETY: a new descriptor, owned by nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that waits; `None` when there is none.
    #[must_use]
    pub fn next(&self) -> Option<i32> {
        let mut info = [0u8; 128];
        match rustix::io::read(&self.0, &mut info) {
            Ok(128) => {
                let number: [u8; 4] = info[..4].try_into().ok()?;
                i32::try_from(u32::from_ne_bytes(number)).ok()
            }
            _ => None,
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks `signals` for this process.
pub fn block_signals(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises `set`; the later calls read it and take valid numbers,
    // and refuse others.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        set.assume_init()
    }
}

/// Ignores `signals` for this process; a program that it becomes ignores them, too.
pub fn ignore_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: `SIG_IGN` is no handler of ours, so nothing can be called.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Default action and no mask for every signal: what a program expects at its start.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: `SIG_DFL` is no handler of ours; numbers that cannot be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises `set` before it is read.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}
