//! What a zone must not call, and why: the one table that programs and explanations are made of.
//!
//! Allowed on purpose, because a zone is a whole system: `mount` and its family, `ptrace`,
//! `io_uring_setup` (an administrator turns it off with `kernel.io_uring_disabled`), `modify_ldt`
//! (wine), `personality` (`setarch`, 32-bit builds), `adjtimex` and `clock_adjtime` (the mode is
//! behind a pointer; the kernel asks for `CAP_SYS_TIME` on the host before it sets anything), and
//! `reboot` (inside a pid namespace it only ends init with a signal that says which kind).

const EPERM: u16 = 1;
const ENOSYS: u16 = 38;

/// What the caller gets instead of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// "Operation not permitted": the facility exists, not for a zone.
    NotPermitted,
    /// "Function not implemented": programs fall back to an older way.
    NotImplemented,
}

impl Answer {
    /// The error number, the same on every supported machine.
    #[must_use]
    pub const fn errno(self) -> u16 {
        match self {
            Self::NotPermitted => EPERM,
            Self::NotImplemented => ENOSYS,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotPermitted => "EPERM",
            Self::NotImplemented => "ENOSYS",
        }
    }
}

/// When a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Whatever the arguments are.
    Always,
    /// The low 32 bits of argument `arg` (from 0) are one of `values`.
    ArgIsOneOf {
        /// Which argument.
        arg: u32,
        /// The refused values.
        values: &'static [u32],
    },
    /// The low 32 bits of argument `arg` hold one of the bits of `mask`.
    ArgHasBit {
        /// Which argument.
        arg: u32,
        /// The refused bits.
        mask: u32,
    },
    /// The flags of `clone` hold one of the bits; which argument that is differs by machine.
    CloneFlagsHave(u32),
}

/// Which option lifts a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// None does.
    Never,
    /// The zone may set the clock of the host (`limitpriv` holds `sys_time`).
    TimeGranted,
    /// The zone may observe the kernel (`limitpriv` holds a `dtrace_*` privilege).
    TracingGranted,
    /// Processes of the zone may make user namespaces of their own; this is the default.
    NestedUsersGranted,
    /// The zone may change its mount table; this is the default, and harmless where the table is
    /// locked by a user namespace.
    MountsGranted,
}

/// One refusal that covers calls refused for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The calls, by the names of the kernel's tables.
    pub calls: &'static [&'static str],
    /// When.
    pub when: Condition,
    /// What the caller gets.
    pub answer: Answer,
    /// What lifts it.
    pub unless: Unless,
    /// Why, for `explain`.
    pub reason: &'static str,
}

const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;
const CLONE_NEWUSER: u32 = 0x1000_0000;

const fn deny(calls: &'static [&'static str], answer: Answer, reason: &'static str) -> Rule {
    Rule {
        calls,
        when: Condition::Always,
        answer,
        unless: Unless::Never,
        reason,
    }
}

/// The rules, by subject.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    deny(&["kexec_load", "kexec_file_load"], Answer::NotPermitted,
        "another kernel would replace the one of the host"),
    deny(&["init_module", "finit_module", "delete_module"], Answer::NotPermitted,
        "kernel modules belong to the host"),
    deny(&["create_module", "query_module", "get_kernel_syms"], Answer::NotImplemented,
        "left over from kernel 2.4"),
    deny(&["open_by_handle_at"], Answer::NotPermitted,
        "a guessed handle opens a file outside the root of the zone"),
    deny(&["swapon", "swapoff"], Answer::NotPermitted,
        "swap space belongs to the host"),
    deny(&["quotactl", "quotactl_fd"], Answer::NotPermitted,
        "disk quotas of the host file system are set from outside"),
    deny(&["acct"], Answer::NotPermitted,
        "process accounting would record the whole host"),
    deny(&["syslog"], Answer::NotPermitted,
        "the kernel log names addresses and devices of the host and of other zones"),
    deny(&["add_key", "request_key", "keyctl"], Answer::NotImplemented,
        "kernel keyrings are not divided between zones"),
    deny(&["iopl", "ioperm", "pciconfig_read", "pciconfig_write", "pciconfig_iobase",
           "s390_pci_mmio_read", "s390_pci_mmio_write"], Answer::NotPermitted,
        "raw access to ports and buses"),
    deny(&["vm86", "vm86old"], Answer::NotPermitted,
        "real mode emulation has a history of kernel holes"),
    deny(&["userfaultfd"], Answer::NotPermitted,
        "stops the kernel at a moment of the caller's choice, which turns races into holes"),
    deny(&["lookup_dcookie", "nfsservctl", "uselib", "ustat", "_sysctl", "sysfs"],
        Answer::NotImplemented,
        "obsolete, unused and still reachable in old kernels"),
    Rule { calls: &["bpf", "perf_event_open"],
        when: Condition::Always, answer: Answer::NotPermitted, unless: Unless::TracingGranted,
        reason: "observes or changes the kernel of the whole host" },
    Rule { calls: &["settimeofday", "stime", "clock_settime", "clock_settime64"],
        when: Condition::Always, answer: Answer::NotPermitted, unless: Unless::TimeGranted,
        reason: "there is one clock, and it belongs to the host" },
    Rule { calls: &["ioctl"],
        when: Condition::ArgIsOneOf { arg: 1, values: &[TIOCSTI, TIOCLINUX] },
        answer: Answer::NotPermitted, unless: Unless::Never,
        reason: "typing into the terminal of whoever entered the zone" },
    Rule { calls: &["clone"],
        when: Condition::CloneFlagsHave(CLONE_NEWUSER),
        answer: Answer::NotPermitted, unless: Unless::NestedUsersGranted,
        reason: "user namespaces inside the zone open more of the kernel" },
    Rule { calls: &["unshare"],
        when: Condition::ArgHasBit { arg: 0, mask: CLONE_NEWUSER },
        answer: Answer::NotPermitted, unless: Unless::NestedUsersGranted,
        reason: "user namespaces inside the zone open more of the kernel" },
    Rule { calls: &["mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree",
           "open_tree_attr", "fsopen", "fspick", "fsconfig", "fsmount", "mount_setattr", "setns"],
        when: Condition::Always, answer: Answer::NotPermitted, unless: Unless::MountsGranted,
        reason: "without a user namespace nothing else locks the masks of the zone" },
    // Its flags are behind a pointer that a filter cannot read; the C library falls back to clone.
    Rule { calls: &["clone3"],
        when: Condition::Always, answer: Answer::NotImplemented, unless: Unless::NestedUsersGranted,
        reason: "its flags cannot be looked at, and could hold a user namespace" },
];
