//! Capabilities and system calls of a zone.

use std::collections::BTreeSet;

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

/// All that a zone on the host's user ids has unless `limitpriv` names more: each acts on the
/// zone's own files, processes and namespaces only. What is not here reaches past it there: mounts,
/// tracing, real-time scheduling, file handles, reserved disk blocks, locked memory.
const ON_HOST_IDS: [&str; 15] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_IPC_OWNER",
    "CAP_SYS_CHROOT",
    // In a pid namespace reboot(2) ends that namespace; kexec is behind the filter.
    "CAP_SYS_BOOT",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// On top of that with a network of its own.
const ON_HOST_IDS_EXCLUSIVE: [&str; 3] = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BROADCAST"];

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
        let mut bounding = match (mapped, ip_type) {
            (true, _) => mask(&CAPABILITIES) & !mask(&NEVER),
            (false, IpType::Shared) => mask(&ON_HOST_IDS),
            (false, IpType::Exclusive) => mask(&ON_HOST_IDS) | mask(&ON_HOST_IDS_EXCLUSIVE),
        };
        let change = zones_config::limitpriv_capabilities(limitpriv, ip_type)
            .map_err(|error| PlanError::Privilege(error.to_string()))?;
        let of = |names: &BTreeSet<&str>| names.iter().fold(0, |bits, name| bits | mask(&[name]));
        bounding |= of(&change.added);
        if !mapped {
            bounding |= of(&zones_config::named_capabilities(limitpriv));
        }
        bounding &= !of(&change.removed);
        let has = |names: &[&str]| bounding & mask(names) != 0;
        let options = FilterOptions {
            allow_time: has(&["CAP_SYS_TIME"]),
            allow_tracing: has(&["CAP_BPF", "CAP_PERFMON"]),
            allow_nested_users: mapped,
            allow_mounts: mapped || has(&["CAP_SYS_ADMIN"]),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bounding(limitpriv: &str, ip_type: IpType, mapped: bool) -> u64 {
        Privileges::new(limitpriv, ip_type, mapped)
            .unwrap()
            .bounding
    }

    #[test]
    fn on_host_ids_only_what_is_named_reaches_past_the_zone() {
        let reaching = mask(&[
            "CAP_SYS_ADMIN",
            "CAP_SYS_MODULE",
            "CAP_SYS_RAWIO",
            "CAP_SYS_PTRACE",
            "CAP_SYS_RESOURCE",
            "CAP_SYS_NICE",
            "CAP_MKNOD",
            "CAP_DAC_READ_SEARCH",
            "CAP_IPC_LOCK",
        ]);
        for text in ["", "default"] {
            assert_eq!(
                bounding(text, IpType::Exclusive, false) & reaching,
                0,
                "{text}"
            );
        }
        let net = mask(&ON_HOST_IDS_EXCLUSIVE);
        assert_eq!(bounding("", IpType::Shared, false) & net, 0);
        assert_eq!(bounding("", IpType::Exclusive, false) & net, net);
        let asked = bounding("default,sys_admin,proc_owner", IpType::Shared, false);
        assert_eq!(asked & reaching, mask(&["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]));
        // Under a user namespace they act on the zone alone, so it has them.
        assert_ne!(
            bounding("", IpType::Shared, true) & mask(&["CAP_SYS_ADMIN"]),
            0
        );
    }

    #[test]
    fn the_filter_knows_who_may_mount() {
        let filter = |text, mapped| {
            let made = Privileges::new(text, IpType::Shared, mapped).unwrap();
            made.filter.len()
        };
        assert!(filter("", false) > filter("default,sys_admin", false));
        assert!(filter("default,sys_admin", false) > filter("", true));
    }
}
