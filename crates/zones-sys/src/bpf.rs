//! Device programs of control groups: bpf(2), the two commands that a zone needs.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel takes the rest as zero.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target_fd: i32,
    attach_bpf_fd: i32,
    attach_type: u32,
    attach_flags: u32,
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`; the instructions are `struct bpf_insn`.
///
/// Errors: `EPERM` without `CAP_BPF` in the first user namespace, `EINVAL` when the kernel lacks
/// `CONFIG_CGROUP_BPF` or the verifier refuses, `ENOSYS` without bpf(2).
pub fn load_cgroup_device(program: &[[u8; 8]]) -> Result<OwnedFd, Errno> {
    let attr = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        insns: program.as_ptr().expose_provenance() as u64,
        license: c"MIT".as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: `attr` and what it points to live over the call, its size is given, and the kernel
    // only reads: no log buffer is passed.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, size_of::<Load>()) };
    let fd = answer(fd)?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor, close-on-exec, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes the program decide on device access of the group and all below it; replaces an earlier
/// one.
pub fn attach_cgroup_device(group: BorrowedFd<'_>, program: &OwnedFd) -> Result<(), Errno> {
    let attr = Attach {
        target_fd: group.as_raw_fd(),
        attach_bpf_fd: program.as_raw_fd(),
        attach_type: CGROUP_DEVICE,
        // No flags: groups below cannot override it.
        attach_flags: 0,
    };
    // SAFETY: `attr` lives over the call, its size is given, and the kernel only reads it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_ATTACH,
            &raw const attr,
            size_of::<Attach>(),
        )
    };
    answer(done).map(drop)
}

fn answer(value: libc::c_long) -> Result<libc::c_long, Errno> {
    if value < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    }
    Ok(value)
}
