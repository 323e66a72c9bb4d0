//! Terminals of a zone: how a process gets one.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// How both sides of a new one are opened.
pub(super) fn pty_flags() -> rustix::pty::OpenptFlags {
    use rustix::pty::OpenptFlags as F;
    F::RDWR | F::NOCTTY | F::CLOEXEC
}

/// Standard streams and controlling terminal.
pub(super) fn take_terminal(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::ioctl_tiocsctty(terminal)?;
    take_streams(terminal)
}

/// Standard streams alone: process 1 leaves the console to the login that it starts there, as the
/// kernel's own does.
pub(super) fn take_streams(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(terminal)?;
    rustix::stdio::dup2_stdout(terminal)?;
    rustix::stdio::dup2_stderr(terminal)
}

/// The name of a terminal as zlogin shows it, from its path.
pub(super) fn terminal_name(path: &CStr) -> String {
    let path = path.to_string_lossy();
    path.strip_prefix("/dev/").unwrap_or(&path).to_owned()
}
