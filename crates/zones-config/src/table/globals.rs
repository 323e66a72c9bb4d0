//! Properties of the zone itself.

use crate::RctlAction;

use super::Prop;

/// A property that is kept as a resource control.
#[derive(Debug)]
pub struct Alias {
    /// The control.
    pub rctl: &'static str,
    /// What happens at the limit.
    pub action: RctlAction,
    /// The least value that makes sense.
    pub min: u64,
    /// Bytes, typed with a scale.
    pub size: bool,
}

/// One property of the zone itself.
#[derive(Debug)]
pub struct Global {
    /// Its name.
    pub prop: Prop,
    /// Whether `clear` takes it.
    pub clear: bool,
    /// Whether the host (`zonecfg -z global`) may have it.
    pub for_host: bool,
    /// Whether it may change while the zone runs; else a change waits for the next boot.
    pub live: bool,
    /// The control behind it; `None` for those that the document holds as an attribute.
    pub alias: Option<Alias>,
    /// One line for `help`.
    pub help: &'static str,
}

const fn plain(prop: Prop, clear: bool, for_host: bool, help: &'static str) -> Global {
    Global {
        prop,
        clear,
        for_host,
        live: false,
        alias: None,
        help,
    }
}

const fn alias(prop: Prop, alias: Alias, help: &'static str) -> Global {
    Global {
        prop,
        clear: true,
        for_host: true,
        live: true,
        alias: Some(alias),
        help,
    }
}

const fn deny(rctl: &'static str, min: u64) -> Alias {
    Alias {
        rctl,
        action: RctlAction::Deny,
        min,
        size: false,
    }
}

const fn none(rctl: &'static str) -> Alias {
    Alias {
        rctl,
        action: RctlAction::None,
        min: 0,
        size: false,
    }
}

/// What only the next boot looks at: it may change at any time.
const fn next_boot(prop: Prop, help: &'static str) -> Global {
    Global {
        prop,
        clear: true,
        for_host: false,
        live: true,
        alias: None,
        help,
    }
}

/// In the order of `info`.
pub const GLOBALS: &[Global] = &[
    plain(
        Prop::Zonename,
        false,
        false,
        "name of the zone; setting it renames the zone",
    ),
    plain(
        Prop::Zonepath,
        false,
        false,
        "absolute path of the folder that holds the zone",
    ),
    plain(
        Prop::Brand,
        false,
        false,
        "brand: how the zone is installed and booted",
    ),
    next_boot(Prop::Autoboot, "true or false: boot the zone with the host"),
    next_boot(
        Prop::Bootargs,
        "arguments for boot when the command line has none",
    ),
    plain(
        Prop::Pool,
        true,
        true,
        "name of a CPU pool (cpuset) of the host",
    ),
    plain(
        Prop::Limitpriv,
        true,
        false,
        "privileges the zone may ever have: default,PRIV,!PRIV",
    ),
    plain(
        Prop::SchedulingClass,
        true,
        false,
        "TS, IA, FSS, FX, RT or SDC",
    ),
    plain(
        Prop::IpType,
        true,
        false,
        "shared or exclusive: whose IP stack the zone uses",
    ),
    plain(Prop::Hostid, true, false, "emulated host id, hexadecimal"),
    plain(
        Prop::FsAllowed,
        true,
        false,
        "types of file systems the zone may mount, comma list",
    ),
    plain(
        Prop::Uuid,
        false,
        false,
        "identity of the zone, kept in the index",
    ),
    next_boot(
        Prop::BootPriority,
        "high, default or low: the order of zones that boot with the host",
    ),
    next_boot(
        Prop::Autoshutdown,
        "shutdown or halt: how the zone ends with the host",
    ),
    next_boot(
        Prop::FileMacProfile,
        "none, strict, fixed-configuration or flexible-configuration: what the zone may write",
    ),
    alias(
        Prop::MaxLwps,
        deny("zone.max-lwps", 100),
        "greatest number of threads, at least 100",
    ),
    alias(
        Prop::MaxProcesses,
        deny("zone.max-processes", 100),
        "greatest number of processes, at least 100",
    ),
    alias(
        Prop::MaxShmMemory,
        Alias {
            rctl: "zone.max-shm-memory",
            action: RctlAction::Deny,
            min: 0,
            size: true,
        },
        "System V shared memory, with a scale",
    ),
    alias(
        Prop::MaxShmIds,
        deny("zone.max-shm-ids", 0),
        "number of shared memory segments",
    ),
    alias(
        Prop::MaxMsgIds,
        deny("zone.max-msg-ids", 0),
        "number of message queues",
    ),
    alias(
        Prop::MaxSemIds,
        deny("zone.max-sem-ids", 0),
        "number of semaphore sets",
    ),
    alias(
        Prop::CpuShares,
        none("zone.cpu-shares"),
        "weight among the zones that want the CPU",
    ),
    alias(
        Prop::ZfsIoPriority,
        none("zone.zfs-io-priority"),
        "weight of disk I/O",
    ),
];
