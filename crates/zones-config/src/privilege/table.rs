//! The known privileges.

/// What a zone may do with a privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Every zone needs it.
    Required,
    /// In `default`.
    Default,
    /// May be added.
    Optional,
    /// Never.
    Prohibited,
}

#[derive(Debug)]
pub(super) struct Privilege {
    pub(super) name: &'static str,
    /// In the set `basic`.
    pub(super) basic: bool,
    /// In a zone on the host's IP stack.
    pub(super) shared: Class,
    /// In a zone with its own.
    pub(super) exclusive: Class,
    /// What it is on Linux; empty where the kernel needs no capability or cannot express it.
    pub(super) capabilities: &'static [&'static str],
}

use Class::{Default, Optional, Prohibited, Required};

const fn basic(name: &'static str, class: Class) -> Privilege {
    Privilege {
        name,
        basic: true,
        shared: class,
        exclusive: class,
        capabilities: &[],
    }
}

const fn same(
    name: &'static str,
    class: Class,
    capabilities: &'static [&'static str],
) -> Privilege {
    Privilege {
        name,
        basic: false,
        shared: class,
        exclusive: class,
        capabilities,
    }
}

/// Belongs to the owner of an IP stack.
const fn stack(
    name: &'static str,
    shared: Class,
    exclusive: Class,
    capabilities: &'static [&'static str],
) -> Privilege {
    Privilege {
        name,
        basic: false,
        shared,
        exclusive,
        capabilities,
    }
}

/// By name.
pub(super) const PRIVILEGES: &[Privilege] = &[
    same("contract_event", Default, &[]),
    same("contract_identity", Default, &[]),
    same("contract_observer", Default, &[]),
    same("cpc_cpu", Optional, &["CAP_PERFMON"]),
    same("dtrace_kernel", Prohibited, &[]),
    same("dtrace_proc", Optional, &["CAP_PERFMON"]),
    same("dtrace_user", Optional, &["CAP_PERFMON", "CAP_BPF"]),
    same("file_chown", Default, &["CAP_CHOWN"]),
    same("file_chown_self", Default, &[]),
    same("file_dac_execute", Default, &["CAP_DAC_OVERRIDE"]),
    same("file_dac_read", Default, &["CAP_DAC_READ_SEARCH"]),
    same("file_dac_search", Default, &["CAP_DAC_READ_SEARCH"]),
    same("file_dac_write", Default, &["CAP_DAC_OVERRIDE"]),
    same("file_downgrade_sl", Optional, &[]),
    same("file_flag_set", Optional, &["CAP_LINUX_IMMUTABLE"]),
    basic("file_link_any", Default),
    same("file_owner", Default, &["CAP_FOWNER"]),
    basic("file_read", Default),
    same("file_setid", Default, &["CAP_FSETID"]),
    same("file_upgrade_sl", Optional, &[]),
    basic("file_write", Default),
    same("graphics_access", Optional, &[]),
    same("graphics_map", Optional, &[]),
    same("hyprlofs_control", Optional, &[]),
    same("ipc_dac_read", Default, &["CAP_IPC_OWNER"]),
    same("ipc_dac_write", Default, &["CAP_IPC_OWNER"]),
    same("ipc_owner", Default, &["CAP_IPC_OWNER"]),
    basic("net_access", Default),
    same("net_bindmlp", Default, &[]),
    same("net_icmpaccess", Default, &[]),
    same("net_mac_aware", Default, &[]),
    same("net_mac_implicit", Optional, &[]),
    same("net_observability", Default, &[]),
    same("net_privaddr", Default, &["CAP_NET_BIND_SERVICE"]),
    stack("net_rawaccess", Optional, Default, &["CAP_NET_RAW"]),
    same("proc_audit", Default, &["CAP_AUDIT_WRITE"]),
    same("proc_chroot", Default, &["CAP_SYS_CHROOT"]),
    same("proc_clock_highres", Optional, &["CAP_WAKE_ALARM"]),
    basic("proc_exec", Required),
    basic("proc_fork", Required),
    basic("proc_info", Default),
    same("proc_lock_memory", Default, &["CAP_IPC_LOCK"]),
    same("proc_owner", Default, &["CAP_KILL", "CAP_SYS_PTRACE"]),
    same("proc_priocntl", Optional, &["CAP_SYS_NICE"]),
    same("proc_prioup", Optional, &["CAP_SYS_NICE"]),
    basic("proc_secflags", Default),
    basic("proc_session", Default),
    same("proc_setid", Default, &["CAP_SETUID", "CAP_SETGID"]),
    same("proc_taskid", Default, &[]),
    same("proc_zone", Prohibited, &[]),
    same("sys_acct", Default, &["CAP_SYS_PACCT"]),
    same("sys_admin", Default, &["CAP_SYS_ADMIN"]),
    same("sys_audit", Default, &["CAP_AUDIT_WRITE"]),
    same("sys_config", Prohibited, &[]),
    same("sys_devices", Prohibited, &[]),
    stack("sys_dl_config", Prohibited, Optional, &["CAP_NET_ADMIN"]),
    stack("sys_flow_config", Prohibited, Optional, &["CAP_NET_ADMIN"]),
    same("sys_fs_import", Optional, &[]),
    stack("sys_ip_config", Prohibited, Required, &["CAP_NET_ADMIN"]),
    same("sys_ipc_config", Optional, &["CAP_SYS_RESOURCE"]),
    stack("sys_iptun_config", Prohibited, Default, &["CAP_NET_ADMIN"]),
    same("sys_linkdir", Prohibited, &[]),
    // A mount needs CAP_SYS_ADMIN over the zone's own mount namespace, which sys_admin brings.
    same("sys_mount", Required, &[]),
    same("sys_net_config", Prohibited, &[]),
    same("sys_nfs", Default, &[]),
    stack("sys_ppp_config", Prohibited, Default, &["CAP_NET_ADMIN"]),
    same("sys_res_bind", Optional, &["CAP_SYS_NICE"]),
    same("sys_res_config", Prohibited, &[]),
    same("sys_resource", Default, &["CAP_SYS_RESOURCE"]),
    same("sys_share", Optional, &[]),
    same("sys_smb", Prohibited, &[]),
    same("sys_suser_compat", Prohibited, &[]),
    same("sys_time", Optional, &["CAP_SYS_TIME"]),
    same("sys_trans_label", Optional, &[]),
    same("virt_manage", Prohibited, &[]),
    same("win_colormap", Optional, &[]),
    same("win_config", Optional, &[]),
];
