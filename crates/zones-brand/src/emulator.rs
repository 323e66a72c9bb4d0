//! Emulators for programs of other processors: which there are, and how the kernel knows their
//! programs. Sources: the kernel's admin-guide/binfmt-misc; elf(5); qemu-user.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A processor whose programs an emulator can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// As qemu-user names it.
    pub name: &'static str,
    /// As uname(1) says on such a machine.
    pub machine: &'static str,
    /// As Debian names it; several names may share one processor.
    pub debian: &'static [&'static str],
    /// The number in the ELF header.
    elf_machine: u16,
    wide: bool,
    big: bool,
}

/// The emulator of a processor on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// What it emulates.
    pub cpu: Cpu,
    /// A static program of the host.
    pub path: PathBuf,
}

/// There is no emulator for a processor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "programs for {machine} need an emulator: install qemu-user-static, whose qemu-{cpu}-static \
     must be on this host"
)]
pub struct NoEmulator {
    machine: &'static str,
    cpu: &'static str,
}

const fn cpu(
    name: &'static str,
    machine: &'static str,
    debian: &'static [&'static str],
    elf: (u16, bool, bool),
) -> Cpu {
    let (elf_machine, wide, big) = elf;
    Cpu {
        name,
        machine,
        debian,
        elf_machine,
        wide,
        big,
    }
}

/// Name, machine, Debian names, ELF header: machine, whether of 64 bits, whether big end first.
const CPUS: [Cpu; 14] = [
    cpu("aarch64", "aarch64", &["arm64"], (183, true, false)),
    cpu("arm", "armv7l", &["armhf", "armel"], (40, false, false)),
    cpu("i386", "i686", &["i386"], (3, false, false)),
    cpu("x86_64", "x86_64", &["amd64"], (62, true, false)),
    cpu("riscv64", "riscv64", &["riscv64"], (243, true, false)),
    cpu("ppc64le", "ppc64le", &["ppc64el"], (21, true, false)),
    cpu("ppc64", "ppc64", &["ppc64"], (21, true, true)),
    cpu("ppc", "ppc", &["powerpc"], (20, false, true)),
    cpu("s390x", "s390x", &["s390x"], (22, true, true)),
    cpu(
        "loongarch64",
        "loongarch64",
        &["loong64"],
        (258, true, false),
    ),
    cpu("mips64el", "mips64el", &["mips64el"], (8, true, false)),
    cpu("mipsel", "mipsel", &["mipsel"], (8, false, false)),
    cpu("sparc64", "sparc64", &["sparc64"], (43, true, true)),
    cpu("m68k", "m68k", &["m68k"], (4, false, true)),
];

/// What the host runs by itself, as uname(1) says.
const fn native() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") {
        &["x86_64", "i686"]
    } else if cfg!(target_arch = "aarch64") {
        &["aarch64", "armv7l"]
    } else if cfg!(target_arch = "riscv64") {
        &["riscv64"]
    } else if cfg!(target_arch = "s390x") {
        &["s390x"]
    } else if cfg!(target_arch = "powerpc64") {
        &["ppc64le"]
    } else {
        &["i686"]
    }
}

impl Emulator {
    /// The emulator for programs of a machine, as uname(1) names it; `None` when the host runs
    /// them by itself, or nobody knows them.
    #[must_use]
    pub fn of_machine(machine: &str) -> Option<Result<Self, NoEmulator>> {
        let cpu = CPUS.iter().find(|cpu| cpu.machine == machine)?;
        let is_native = native().contains(&cpu.machine);
        (!is_native).then(|| Self::find(*cpu, Path::new("/")))
    }

    /// The same for an architecture as Debian names it.
    #[must_use]
    pub fn of_debian(arch: &str) -> Option<Result<Self, NoEmulator>> {
        let cpu = CPUS.iter().find(|cpu| cpu.debian.contains(&arch))?;
        Self::of_machine(cpu.machine)
    }

    /// The first static one of the places where distributions put them.
    fn find(cpu: Cpu, root: &Path) -> Result<Self, NoEmulator> {
        let name = cpu.name;
        let places = [
            format!("usr/bin/qemu-{name}-static"),
            format!("usr/local/bin/qemu-{name}-static"),
            format!("usr/bin/qemu-{name}"),
            format!("usr/local/bin/qemu-{name}"),
        ];
        let mut places = places.iter().map(|place| root.join(place));
        let path = places.find(|path| is_static(path).unwrap_or(false));
        path.map(|path| Self { cpu, path }).ok_or(NoEmulator {
            machine: cpu.machine,
            cpu: name,
        })
    }
}

impl Cpu {
    /// What is written to `register` of binfmt_misc to have `interpreter` run programs of this
    /// processor, under `name`. Flags: F, it is opened now and needs to be in no zone; O, C and P,
    /// it gets the program as a descriptor, the rights of the program, and its first argument.
    ///
    /// # Panics
    /// Never: the text has no bytes that need more than an escape.
    #[must_use]
    pub fn registration(&self, name: &str, interpreter: &str) -> String {
        let order = |number: u16| match self.big {
            true => number.to_be_bytes(),
            false => number.to_le_bytes(),
        };
        // Class, order and version; then the ABI and its padding; a program or a library to run.
        let mut magic = vec![
            0x7f,
            b'E',
            b'L',
            b'F',
            1 + u8::from(self.wide),
            1 + u8::from(self.big),
        ];
        magic.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        magic.extend(order(2));
        magic.extend(order(self.elf_machine));
        let mut mask = vec![0xff; 16];
        mask[7] = 0;
        mask.extend(order(0xfffe));
        mask.extend([0xff, 0xff]);
        let hex = |bytes: &[u8]| -> String {
            bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
        };
        format!(
            ":{name}:M::{}:{}:{interpreter}:FOCP",
            hex(&magic),
            hex(&mask)
        )
    }
}

/// Whether a file is an ELF program that needs no loader, which a zone would have to have. Source:
/// elf(5), `PT_INTERP`.
fn is_static(path: &Path) -> io::Result<bool> {
    const PT_INTERP: u32 = 3;
    let mut head = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    let bytes = |at: usize, n: usize| -> Option<u64> {
        let part = head.get(at..at.checked_add(n)?)?;
        let little = head.get(5) == Some(&1);
        let step = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match little {
            true => part.iter().rev().fold(0, step),
            false => part.iter().fold(0, step),
        })
    };
    if !head.starts_with(b"\x7fELF") {
        return Ok(false);
    }
    // Offset of the program headers, size of one, their number.
    let fields = match head.get(4) {
        Some(2) => [(32, 8), (54, 2), (56, 2)],
        _ => [(28, 4), (42, 2), (44, 2)],
    };
    let [start, size, count] = fields.map(|(at, n)| bytes(at, n).unwrap_or(0));
    let kinds = (0..count.min(64)).map(|number| {
        let at = start.saturating_add(size.saturating_mul(number));
        usize::try_from(at).ok().and_then(|at| bytes(at, 4))
    });
    Ok(!kinds.flatten().any(|kind| kind == u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_header() {
        let line = |name: &str| {
            let cpu = CPUS.iter().find(|cpu| cpu.name == name).unwrap();
            cpu.registration("zones", "/x")
        };
        // As qemu's own scripts write them, but for flags.
        let ff = "\\xff".repeat(7) + "\\x00" + &"\\xff".repeat(8);
        let zero = "\\x00".repeat(9);
        assert_eq!(
            line("aarch64"),
            format!(
                ":zones:M::\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01{zero}\\x02\\x00\\xb7\\x00:\
                 {ff}\\xfe\\xff\\xff\\xff:/x:FOCP"
            )
        );
        assert_eq!(
            line("s390x"),
            format!(
                ":zones:M::\\x7f\\x45\\x4c\\x46\\x02\\x02\\x01{zero}\\x00\\x02\\x00\\x16:\
                 {ff}\\xff\\xfe\\xff\\xff:/x:FOCP"
            )
        );
        // The kernel takes no longer ones (`MAX_REGISTER_LENGTH`).
        assert!(CPUS.iter().all(|cpu| line(cpu.name).len() < 1920));
    }

    #[test]
    fn the_host_needs_none_for_itself_and_says_what_it_lacks() {
        assert!(Emulator::of_debian(crate::install::native_arch()).is_none());
        assert!(Emulator::of_machine("unknown").is_none());
        let folder = tempfile::tempdir().unwrap();
        let cpu = CPUS[0];
        let error = Emulator::find(cpu, folder.path()).unwrap_err().to_string();
        assert!(error.contains("install qemu-user-static"), "{error}");

        let bin = folder.path().join("usr/bin");
        std::fs::create_dir_all(&bin).unwrap();
        // A program with a loader is passed over for one without.
        let elf = |kind: u8| {
            let mut elf = vec![0u8; 128];
            elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
            (elf[32], elf[54], elf[56], elf[64]) = (64, 56, 1, kind);
            elf
        };
        std::fs::write(bin.join("qemu-aarch64-static"), elf(3)).unwrap();
        assert!(Emulator::find(cpu, folder.path()).is_err());
        std::fs::write(bin.join("qemu-aarch64"), elf(1)).unwrap();
        let found = Emulator::find(cpu, folder.path()).unwrap();
        assert_eq!(found.path, bin.join("qemu-aarch64"));
    }
}
