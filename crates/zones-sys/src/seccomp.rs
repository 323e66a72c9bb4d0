//! Loading a system call filter.

use rustix::io::Errno;

use crate::process::last_errno;

/// Installs a BPF program, given as `(code, jt, jf, k)`, for this process and its children.
///
/// The caller has `CAP_SYS_ADMIN` in its user namespace or has set `no_new_privs`.
///
/// # Errors
/// Whatever seccomp(2) says; `INVAL` for a program of more than 4,096 steps.
pub fn load_seccomp(program: &[(u16, u8, u8, u32)]) -> Result<(), Errno> {
    let step = |&(code, jt, jf, k): &(u16, u8, u8, u32)| libc::sock_filter { code, jt, jf, k };
    let mut steps: Vec<libc::sock_filter> = program.iter().map(step).collect();
    let len = u16::try_from(steps.len()).map_err(|_| Errno::INVAL)?;
    let header = libc::sock_fprog {
        len,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: `header` points to `len` steps in `steps`; the kernel copies both during the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            std::ptr::addr_of!(header),
        )
    };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}
