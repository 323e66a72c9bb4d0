//! What a root is made for, told from the ELF header of its programs. Source: elf(5).

#[cfg(test)]
mod tests;

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zones_sys::RootFd;

/// The machine of a root's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Userland {
    /// As uname(1) says on such a machine; `unknown` if this table lacks it.
    pub machine: &'static str,
    /// 32 or 64.
    pub bits: u8,
    /// The number in the ELF header.
    pub elf_machine: u16,
}

/// Why a root does not look like a Linux system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLinux {
    /// A folder every system has is missing.
    #[error("no `{0}` in it; is the system in a folder below? (`rootfs` in some images)")]
    Folder(&'static str),
    /// No program.
    #[error("none of the programs {0} is in it, or none is an ELF file")]
    Program(&'static str),
}

/// Where a program is looked for: a shell, an init, a loader.
const PROGRAMS: [&str; 8] = [
    "/bin/sh",
    "/usr/bin/sh",
    "/sbin/init",
    "/init",
    "/bin/busybox",
    "/usr/bin/env",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
];

/// ELF machine, bits (0: both), big end first (nothing: both), name. Source: elf.h, uname(1).
const MACHINES: [(u16, u8, Option<bool>, &str); 24] = [
    (2, 32, None, "sparc"),
    (3, 32, None, "i686"),
    (4, 32, None, "m68k"),
    (8, 32, Some(true), "mips"),
    (8, 32, Some(false), "mipsel"),
    (8, 64, Some(true), "mips64"),
    (8, 64, Some(false), "mips64el"),
    (15, 0, None, "parisc"),
    (18, 32, None, "sparc"),
    (20, 32, None, "ppc"),
    (21, 64, Some(true), "ppc64"),
    (21, 64, Some(false), "ppc64le"),
    (22, 64, None, "s390x"),
    (22, 32, None, "s390"),
    (40, 32, Some(false), "armv7l"),
    (40, 32, Some(true), "armv7b"),
    (42, 32, None, "sh4"),
    (43, 64, None, "sparc64"),
    (50, 64, None, "ia64"),
    (62, 64, None, "x86_64"),
    (62, 32, None, "x32"),
    (183, 64, None, "aarch64"),
    (243, 64, None, "riscv64"),
    (258, 64, None, "loongarch64"),
];

/// Tells the machine of the first program found.
#[must_use]
pub fn detect_arch(root: &RootFd) -> Option<Userland> {
    PROGRAMS.iter().find_map(|path| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = root
            .open_beneath(Path::new(path), flags, Mode::empty())
            .ok()?;
        let mut head = [0u8; 20];
        let n = rustix::io::read(&fd, &mut head).ok()?;
        userland(&head[..n])
    })
}

fn userland(head: &[u8]) -> Option<Userland> {
    if head.len() < 20 || !head.starts_with(b"\x7fELF") {
        return None;
    }
    let bits = match head[4] {
        1 => 32,
        2 => 64,
        _ => return None,
    };
    let big = head[5] == 2;
    let pair = [head[18], head[19]];
    let elf_machine = if big {
        u16::from_be_bytes(pair)
    } else {
        u16::from_le_bytes(pair)
    };
    let row = MACHINES.iter().find(|(number, wide, end, _)| {
        *number == elf_machine && (*wide == 0 || *wide == bits) && end.is_none_or(|e| e == big)
    });
    // Alpha never got an official number.
    let other = if elf_machine == 0x9026 {
        "alpha"
    } else {
        "unknown"
    };
    Some(Userland {
        machine: row.map_or(other, |r| r.3),
        bits,
        elf_machine,
    })
}

/// Whether the root holds a Linux system, so that a wrong archive is found before the first boot.
///
/// # Errors
/// What is missing.
pub fn looks_like_linux(root: &RootFd) -> Result<Userland, NotLinux> {
    if root.dir(Path::new("/etc")).is_err() {
        return Err(NotLinux::Folder("/etc"));
    }
    if root.dir(Path::new("/usr")).is_err() && root.dir(Path::new("/bin")).is_err() {
        return Err(NotLinux::Folder("/usr"));
    }
    detect_arch(root).ok_or(NotLinux::Program("/bin/sh, /sbin/init, /bin/busybox"))
}
