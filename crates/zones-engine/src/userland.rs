//! What kind of programs a root holds.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zones_sys::RootFd;

/// Whether the root's shell or init is a 32-bit x86 program, so that `uname -m` should say i686.
/// Links are resolved inside of the root. Source: elf(5), `e_ident[EI_CLASS]`, `e_machine`.
pub(crate) fn is_32bit(root: &Path) -> bool {
    let Ok(root) = RootFd::open(root) else {
        return false;
    };
    for program in ["/bin/sh", "/sbin/init", "/bin/busybox"] {
        let Ok(file) = root.open_beneath(Path::new(program), OFlags::RDONLY, Mode::empty()) else {
            continue;
        };
        let mut head = [0u8; 20];
        if rustix::io::read(&file, &mut head) != Ok(20) || !head.starts_with(b"\x7fELF") {
            continue;
        }
        const CLASS32: u8 = 1;
        const I386: u8 = 3;
        return head[4] == CLASS32 && head[18] == I386;
    }
    false
}
