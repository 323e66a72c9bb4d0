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

/// Makes every call that forces data to disk succeed without doing so, for this process and its
/// children, for good. Programs of another architecture are not touched.
///
/// # Errors
/// Whatever seccomp(2) says. On machines that are not in the table nothing is changed.
pub fn skip_syncs() -> Result<(), Errno> {
    // `AUDIT_ARCH_*`, from linux/audit.h.
    let arch: u32 = if cfg!(target_arch = "x86_64") {
        0xC000_003E
    } else if cfg!(target_arch = "aarch64") {
        0xC000_00B7
    } else {
        return Ok(());
    };
    let calls = [
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_sync,
        libc::SYS_syncfs,
        libc::SYS_sync_file_range,
    ];
    // Classic BPF: load a word, jump if equal, return. Offsets are those of `struct seccomp_data`.
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const SUCCEED: u32 = 0x0005_0000;
    let count = u8::try_from(calls.len()).map_err(|_| Errno::INVAL)?;
    let mut program = vec![
        (LOAD, 0, 0, 4),
        (EQUAL, 0, count + 1, arch),
        (LOAD, 0, 0, 0),
    ];
    for (at, call) in (0..count).zip(calls) {
        program.push((
            EQUAL,
            count - at,
            0,
            u32::try_from(call).map_err(|_| Errno::INVAL)?,
        ));
    }
    program.push((RETURN, 0, 0, ALLOW));
    program.push((RETURN, 0, 0, SUCCEED));
    load_seccomp(&program)
}
