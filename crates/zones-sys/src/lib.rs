//! All system calls that need `unsafe`, and descriptors for hostile trees.
//!
//! Everything else in the workspace is safe Rust; each block here says why it is sound. Most calls
//! come from `rustix`; here stand the few that it lacks, and small types over descriptors.
#![allow(unsafe_code)]

pub mod bpf;
mod btrfs;
mod channel;
mod exec;
mod extents;
mod filelock;
mod frames;
mod mount;
mod process;
mod procfs;
mod project;
mod rootfd;
mod scheduling;
mod sealed;
mod seccomp;
mod signal;
mod title;

pub use btrfs::{
    btrfs_enable_quotas, btrfs_is_read_only, btrfs_is_subvolume, btrfs_join_group,
    btrfs_leave_group, btrfs_limit_group, btrfs_make_group, btrfs_recount, btrfs_remove_group,
    btrfs_send_names, btrfs_snapshot, btrfs_subvolume_create, btrfs_subvolume_delete,
    btrfs_subvolume_id, btrfs_uuid,
};
pub use channel::{Channel, MAX_FDS, MAX_PACKET, Packet, ShortPath};
pub use exec::{CStrings, exec};
pub use extents::allocated;
pub use filelock::lock_file;
pub use frames::packet_socket;
pub use mount::{MountAttr, can_map_owners, mount_setattr};
pub use process::{
    CloneFlags, Fork, ProcessId, clone_process, close_all_except, close_all_on_exec,
    end_with_parent, exit_now, kill_everybody, personality_32bit, pidfd_signal, set_fs_ids,
    trim_memory, unshare,
};
pub use procfs::{start_time, thread_count};
pub use project::{limit_project, project_of, project_usage, set_project};
pub use rootfd::{Dir, DirItem, RootFd, Stamp};
pub use scheduling::{Scheduling, set_scheduling};
pub use sealed::{exec_file, is_sealed, sealed_copy};
pub use seccomp::{load_seccomp, skip_syncs};
pub use signal::{SignalFd, block_signals, ignore_signals, reset_signals};
pub use title::set_title;
