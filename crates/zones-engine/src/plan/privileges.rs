//! Capabilities and system calls of a zone.

use zones_config::IpType;
use zones_seccomp::{FilterOptions, Machine};

use super::PlanError;

/// What processes of a zone may ever do.
#[derive(Debug, Clone)]
pub struct Privileges {
    /// The bounding set, bit n for capability n.
    pub bounding: u64,
    /// The system call filter, `(code, jt, jf, k)` a step.
    pub filter: Vec<(u16, u8, u8, u32)>,
}

/// All capabilities by number. Source: capabilities(7), `linux/capability.h`.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Never in a zone: they act on the machine, not on the zone.
const NEVER: [&str; 14] = [
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_PACCT",
    "CAP_SYS_TIME",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_AUDIT_CONTROL",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_SYS_TTY_CONFIG",
];

/// Kept from zones without a user namespace of their own, where they would act on the host.
const NEVER_ON_HOST_IDS: [&str; 4] = [
    "CAP_MKNOD",
    "CAP_LINUX_IMMUTABLE",
    "CAP_SYS_BOOT",
    "CAP_DAC_READ_SEARCH",
];

/// The number of a capability.
#[must_use]
pub fn capability_number(name: &str) -> Option<u32> {
    let at = CAPABILITIES.iter().position(|known| *known == name)?;
    u32::try_from(at).ok()
}

fn mask(names: &[&str]) -> u64 {
    names
        .iter()
        .filter_map(|name| capability_number(name))
        .fold(0, |bits, bit| bits | 1 << bit)
}

impl Privileges {
    /// Translates `limitpriv`; `mapped` says whether the zone has user ids of its own.
    ///
    /// # Errors
    /// Unknown and prohibited privileges, by name.
    pub fn new(limitpriv: &str, ip_type: IpType, mapped: bool) -> Result<Self, PlanError> {
        let mut bounding = mask(&CAPABILITIES) & !mask(&NEVER);
        if !mapped {
            bounding &= !mask(&NEVER_ON_HOST_IDS);
        }
        let change = zones_config::limitpriv_capabilities(limitpriv, ip_type)
            .map_err(|error| PlanError::Privilege(error.to_string()))?;
        bounding |= change
            .added
            .into_iter()
            .fold(0, |bits, name| bits | mask(&[name]));
        bounding &= !change
            .removed
            .into_iter()
            .fold(0, |bits, name| bits | mask(&[name]));
        let allow_time = bounding & mask(&["CAP_SYS_TIME"]) != 0;
        let allow_tracing = bounding & mask(&["CAP_BPF", "CAP_PERFMON"]) != 0;
        let options = FilterOptions {
            allow_time,
            allow_tracing,
            ..FilterOptions::default()
        };
        let unknown = || PlanError::Privilege("no system call filter for this machine".to_owned());
        let machine = Machine::native().ok_or_else(unknown)?;
        let program = zones_seccomp::compile(machine, &options);
        let program = program.map_err(|error| PlanError::Privilege(error.to_string()))?;
        let filter = program
            .iter()
            .map(|step| (step.code, step.jt, step.jf, step.k))
            .collect();
        Ok(Self { bounding, filter })
    }
}
