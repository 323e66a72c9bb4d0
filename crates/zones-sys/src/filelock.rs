//! Locks on files that belong to the open file, and that POSIX locks of others respect.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use crate::process::last_errno;

/// Locks the whole file for this open file alone; with `wait`, until whoever has it lets go. Gives
/// false when another has it and `wait` is not asked for. Closing the file lets go.
///
/// Unlike flock(2) locks, these and the POSIX locks of other programs keep each other out. Source:
/// fcntl(2), "Open file description locks".
///
/// # Errors
/// Whatever fcntl(2) says; `BADF` when the file is not open for writing.
pub fn lock_file(file: impl AsFd, wait: bool) -> Result<bool, Errno> {
    // SAFETY: all bytes zero are a valid value of this plain structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    let command = if wait {
        libc::F_OFD_SETLKW
    } else {
        libc::F_OFD_SETLK
    };
    let fd = file.as_fd().as_raw_fd();
    loop {
        // SAFETY: the descriptor is borrowed, and `lock` outlives the call.
        let answer = unsafe { libc::fcntl(fd, command, std::ptr::addr_of!(lock)) };
        if answer != -1 {
            return Ok(true);
        }
        match last_errno() {
            Errno::INTR => {}
            Errno::AGAIN | Errno::ACCESS if !wait => return Ok(false),
            errno => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lock_file;

    #[test]
    fn one_open_file_at_a_time_has_the_lock() {
        let path = std::env::temp_dir().join(format!("zones-filelock-{}", std::process::id()));
        let open = || {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&path).unwrap()
        };
        let first = open();
        assert_eq!(lock_file(&first, false), Ok(true));
        assert_eq!(lock_file(&first, true), Ok(true));
        assert_eq!(lock_file(open(), false), Ok(false));
        drop(first);
        assert_eq!(lock_file(open(), false), Ok(true));
        std::fs::remove_file(&path).unwrap();
    }
}
