//! Machines, and the system call interfaces that each of them runs.

/// The CPU family that the host kernel was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    /// 64-bit x86: runs x86_64 and i386 programs (and x32 ones, which the filter refuses).
    X86_64,
    /// 64-bit Arm: runs aarch64 and 32-bit Arm programs.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// IBM Z.
    S390x,
}

impl Machine {
    /// Every machine there are system call numbers for.
    pub const ALL: [Self; 5] = [
        Self::X86_64,
        Self::Aarch64,
        Self::Riscv64,
        Self::Ppc64le,
        Self::S390x,
    ];

    /// The machine this binary was built for; `None` where there are no numbers.
    #[must_use]
    pub const fn native() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else if cfg!(target_arch = "riscv64") {
            Some(Self::Riscv64)
        } else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
            Some(Self::Ppc64le)
        } else if cfg!(target_arch = "s390x") {
            Some(Self::S390x)
        } else {
            None
        }
    }

    /// The interfaces the kernel of this machine accepts, the most used one first.
    #[must_use]
    pub const fn abis(self) -> &'static [Abi] {
        match self {
            Self::X86_64 => &[Abi::X86_64, Abi::I386],
            Self::Aarch64 => &[Abi::Aarch64, Abi::Arm],
            Self::Riscv64 => &[Abi::Riscv64],
            Self::Ppc64le => &[Abi::Ppc64le],
            Self::S390x => &[Abi::S390x],
        }
    }
}

/// A system call interface: its own numbers and its own `AUDIT_ARCH_*` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abi {
    /// x86_64, without the x32 variant.
    X86_64,
    /// 32-bit x86.
    I386,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm, EABI.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// 64-bit IBM Z.
    S390x,
}

impl Abi {
    /// Every interface, in the order of the columns of the number table.
    pub const ALL: [Self; 7] = [
        Self::X86_64,
        Self::I386,
        Self::Aarch64,
        Self::Arm,
        Self::Riscv64,
        Self::Ppc64le,
        Self::S390x,
    ];

    /// The value of `seccomp_data.arch`. Source: `linux/audit.h`.
    #[must_use]
    pub const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
            Self::Riscv64 => 0xC000_00F3,
            Self::Ppc64le => 0xC000_0015,
            Self::S390x => 0x8000_0016,
        }
    }

    /// The name as `uname -m` would have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
        }
    }

    /// Where the low 32 bits of argument `index` are in `struct seccomp_data`, in bytes.
    pub(crate) const fn low_half_of_arg(self, index: u32) -> u32 {
        let high_half_first = if matches!(self, Self::S390x) { 4 } else { 0 };
        16 + 8 * index + high_half_first
    }

    /// Which argument of `clone` holds the flags: the first, on IBM Z the second (clone(2), "C
    /// library").
    pub(crate) const fn clone_flags_arg(self) -> u32 {
        if matches!(self, Self::S390x) { 1 } else { 0 }
    }
}
