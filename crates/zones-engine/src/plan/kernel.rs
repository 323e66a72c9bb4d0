//! Properties that become settings of the kernel for one zone, and those that do not.

use zones_config::ZoneConfig;
use zones_sys::Scheduling;

/// Greatest number of System V objects that the kernel counts. Source: linux/ipc_namespace.h,
/// `IPCMNI`.
const IPC_IDS_MAX: u64 = 32_768;

/// System V and message queue limits of an ipc namespace; unset is the kernel's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpcLimits {
    /// Bytes of shared memory, together.
    pub shared_bytes: Option<u64>,
    /// Shared memory segments.
    pub segments: Option<u64>,
    /// Semaphore sets.
    pub semaphores: Option<u64>,
    /// Message queues.
    pub queues: Option<u64>,
}

impl IpcLimits {
    pub(super) fn new(config: &ZoneConfig) -> Self {
        let ids = |ids: Option<u64>| ids.map(|ids| ids.min(IPC_IDS_MAX));
        Self {
            shared_bytes: config.max_shm_memory().map(|bytes| bytes.0),
            segments: ids(config.max_shm_ids()),
            semaphores: ids(config.max_sem_ids()),
            queues: ids(config.max_msg_ids()),
        }
    }

    /// Files below `/proc/sys` with their values; `semaphores_now` is the text of `kernel/sem`,
    /// whose last number of four counts sets. Source: proc_sys_kernel(5), mq_overview(7).
    pub(crate) fn settings(&self, semaphores_now: &str) -> Vec<(&'static str, String)> {
        const PAGE: u64 = 4096;
        let mut settings = Vec::new();
        if let Some(bytes) = self.shared_bytes {
            settings.push(("kernel/shmmax", bytes.to_string()));
            settings.push(("kernel/shmall", bytes.div_ceil(PAGE).to_string()));
        }
        let mut one = |file, ids: Option<u64>| {
            settings.extend(ids.map(|ids| (file, ids.to_string())));
        };
        one("kernel/shmmni", self.segments);
        one("kernel/msgmni", self.queues);
        one("fs/mqueue/queues_max", self.queues);
        if let Some(sets) = self.semaphores {
            let others: Vec<&str> = semaphores_now.split_whitespace().take(3).collect();
            settings.push(("kernel/sem", format!("{} {sets}", others.join(" "))));
        }
        settings
    }
}

/// The class that processes of the zone start in. Source: priocntl(1), sched(7).
pub(super) fn scheduling(class: &str) -> Option<Scheduling> {
    match class {
        "FX" => Some(Scheduling::Batch),
        "RT" => Some(Scheduling::RoundRobin),
        // Time sharing, interactive and fair share are what Linux does by itself.
        _ => None,
    }
}

/// What `fs-allowed` names, split into what a zone may mount and what it may not: the kernel lets a
/// user namespace mount the first kind only, whoever asks. `mapped` says whether there is one.
/// Source: mount_namespaces(7); `FS_USERNS_MOUNT`.
pub(super) fn allowed_filesystems(list: &str, mapped: bool) -> (Vec<&str>, Vec<&str>) {
    const KINDS: [&str; 10] = [
        "tmpfs",
        "ramfs",
        "overlay",
        "fuse",
        "proc",
        "sysfs",
        "devpts",
        "mqueue",
        "cgroup2",
        "binfmt_misc",
    ];
    let names = list.trim_start_matches('-').split(',');
    let named = names.filter(|name| !name.is_empty() && *name != "lofs");
    named.partition(|name| {
        let kind = name.split('.').next().unwrap_or(name);
        mapped && KINDS.contains(&kind)
    })
}

/// Properties that nothing enforces, with the reason.
pub(super) fn announced(config: &ZoneConfig, mapped: bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut say = |set: bool, what: &str, why: &str| {
        if set {
            found.push((what.to_owned(), why.to_owned()));
        }
    };
    const LATER: &str = "stored and verified, but this release does not enforce it";
    let (_, refused) = allowed_filesystems(&config.fs_allowed, mapped);
    let refused = refused.join(",");
    let why = format!("the kernel lets no zone mount {refused}; add them as fs resources");
    say(!refused.is_empty(), "fs-allowed", &why);
    say(
        config.fs_allowed.starts_with('-'),
        "fs-allowed with a leading `-`",
        "what the kernel lets every zone mount cannot be taken away",
    );
    say(
        config.scheduling_class == "SDC",
        "scheduling-class",
        "Linux has no class SDC; processes start as usual",
    );
    let flags = config.security_flags.iter();
    let demands = flags.flat_map(|flags| flags.default.split(',').chain(flags.lower.split(',')));
    say(
        demands
            .into_iter()
            .any(|flag| matches!(flag, "noexecstack" | "all")),
        "security-flags: noexecstack",
        "on Linux each program says by itself whether its stack is executable \
         (aslr and forbidnullmap always hold)",
    );
    say(
        !config.admins.is_empty(),
        "admin",
        "only root of the host administers zones; give the users a rule of sudo or doas",
    );
    say(
        !config.datasets.is_empty() && !mapped,
        "dataset",
        "a zone with attr privileged has no namespace of users that ZFS could tell from the host's",
    );
    for anet in &config.anets {
        say(!anet.maxbw.is_empty(), "anet maxbw", LATER);
        say(!anet.bwshare.is_empty(), "anet bwshare", LATER);
        let factory = anet.mac_address == "factory";
        say(factory, "anet mac-address=factory", LATER);
    }
    say(
        !config.inherit_pkg_dirs.is_empty() && !zones_brand::sparse::is_sparse(config),
        "inherit-pkg-dir",
        "only zones of brand sparse have a base to share folders with",
    );
    const ENFORCED: [&str; 11] = [
        "zone.cpu-cap",
        "zone.cpu-shares",
        "zone.max-swap",
        "zone.max-lwps",
        "zone.max-processes",
        "zone.max-locked-memory",
        "zone.max-shm-memory",
        "zone.max-shm-ids",
        "zone.max-sem-ids",
        "zone.max-msg-ids",
        "zone.zfs-io-priority",
    ];
    for rctl in &config.rctls {
        say(!ENFORCED.contains(&rctl.name.as_str()), &rctl.name, LATER);
    }
    found
}

#[cfg(test)]
mod tests {
    use zones_config::RctlAction;

    use super::*;

    fn blank() -> ZoneConfig {
        ZoneConfig::blank("z".parse().unwrap())
    }

    #[test]
    fn ipc_limits_become_settings_of_the_namespace() {
        let mut config = blank();
        assert!(IpcLimits::new(&config).settings("1 2 3 4").is_empty());
        for (name, limit) in [
            ("zone.max-shm-memory", 5000),
            ("zone.max-shm-ids", 3),
            ("zone.max-sem-ids", 1 << 40),
            ("zone.max-msg-ids", 7),
        ] {
            config.set_rctl(name, limit, RctlAction::Deny);
        }
        let settings = IpcLimits::new(&config).settings("32000 1024000000 500 32000\n");
        let text: Vec<String> = settings
            .iter()
            .map(|(file, value)| format!("{file}={value}"))
            .collect();
        assert_eq!(
            text,
            [
                "kernel/shmmax=5000",
                "kernel/shmall=2",
                "kernel/shmmni=3",
                "kernel/msgmni=7",
                "fs/mqueue/queues_max=7",
                "kernel/sem=32000 1024000000 500 32768",
            ]
        );
        assert!(announced(&config, true).is_empty());
    }

    #[test]
    fn what_no_zone_may_mount_is_said() {
        let split = |list, mapped| allowed_filesystems(list, mapped);
        assert_eq!(
            split("tmpfs,fuse.sshfs,ext4", true),
            (vec!["tmpfs", "fuse.sshfs"], vec!["ext4"])
        );
        assert_eq!(split("tmpfs", false), (vec![], vec!["tmpfs"]));
        assert_eq!(split("", true), (vec![], vec![]));
        let mut config = blank();
        config.fs_allowed = "ext4,nfs".to_owned();
        let said = announced(&config, true);
        assert_eq!(said[0].0, "fs-allowed");
        assert!(said[0].1.contains("ext4,nfs"), "{said:?}");
    }
}
