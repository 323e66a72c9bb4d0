//! This program in a memory file that nobody can write: what runs where root of the host may look.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use crate::exec::CStrings;
use crate::process::last_errno;

/// What makes a memory file constant for good. Source: fcntl(2), "File Sealing".
const CONSTANT: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Whether this process executes a sealed memory file, and no file of the host.
#[must_use]
pub fn is_sealed() -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let program = rustix::fs::open("/proc/self/exe", flags, Mode::empty());
    let seals = program.and_then(rustix::fs::fcntl_get_seals);
    seals.is_ok_and(|seals| seals.contains(CONSTANT))
}

/// A sealed copy of the program that this process executes.
///
/// # Errors
/// `EACCES` where the host forbids executable memory files (`vm.memfd_noexec` is 2); whatever
/// memfd_create(2) and read(2) say.
pub fn sealed_copy() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the second flag; their memory files are executable.
    let memory = match rustix::fs::memfd_create("zones", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("zones", flags),
        other => other,
    };
    let mut copy = File::from(memory?);
    io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    let copy = OwnedFd::from(copy);
    rustix::fs::fcntl_add_seals(&copy, CONSTANT)?;
    Ok(copy)
}

/// Replaces this process by the program in `file`; comes back only when that failed, with the
/// reason. Source: execveat(2), `AT_EMPTY_PATH`.
#[must_use]
pub fn exec_file(file: &OwnedFd, args: &CStrings, environ: &CStrings) -> Errno {
    let (args, environ) = (args.pointers(), environ.pointers());
    // SAFETY: the path is an empty literal, both arrays end with a null pointer, and all outlive
    // the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            args.as_ptr(),
            environ.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_errno()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_sealed_copy_is_the_program_and_stays_so() {
        assert!(!is_sealed(), "a test runs from a file");
        let mut copy = File::from(sealed_copy().unwrap());
        assert!(copy.write(b"x").is_err(), "written");
        assert!(copy.set_len(1).is_err(), "cut");
        let mut bytes = Vec::new();
        copy.rewind().unwrap();
        copy.read_to_end(&mut bytes).unwrap();
        assert!(bytes == std::fs::read("/proc/self/exe").unwrap());
        // Not through its name in /proc either, which would open it anew.
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let again = File::options().write(true).open(path);
        assert!(again.and_then(|mut file| file.write(b"x")).is_err());
    }
}
