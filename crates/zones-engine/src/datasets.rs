//! Datasets that a zone administers itself, for as long as it runs. Source: zfs-zone(8).

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use rustix::process::Pid;
use zones_config::ZoneConfig;

use crate::plan::NotEnforced;

/// What a zone was given, and its user namespace, which outlives it here: without it ZFS would not
/// know from whom to take them again.
#[derive(Debug, Default)]
pub(crate) struct Datasets {
    names: Vec<String>,
    users: Option<File>,
}

fn users_of(init: Pid) -> PathBuf {
    format!("/proc/{}/ns/user", init.as_raw_nonzero()).into()
}

impl Datasets {
    /// Gives a zone whose process 1 is there what its configuration names; what it does not get is
    /// noted in `missing`.
    pub(crate) fn give(config: &ZoneConfig, init: Pid, missing: &mut Vec<NotEnforced>) -> Self {
        let mut given = Self::of(config, init);
        let users = users_of(init);
        given.names.retain(|name| {
            let what = || format!("dataset '{name}'");
            let done = match zones_storage::has_zfs() {
                true => zones_storage::delegate_dataset(name, &users)
                    .map_err(|error| crate::chain(&error)),
                false => Err("this host has no ZFS: neither /dev/zfs nor the command zfs".into()),
            };
            let why = done.err();
            missing.extend(why.iter().map(|why| NotEnforced {
                what: what(),
                why: why.clone(),
            }));
            why.is_none()
        });
        given
    }

    /// What a zone that runs was given by a daemon that died.
    pub(crate) fn of(config: &ZoneConfig, init: Pid) -> Self {
        if config.datasets.is_empty() || crate::host::is_privileged(config) {
            return Self::default();
        }
        let names = config.datasets.iter().map(|it| it.name.clone());
        Self {
            names: names.collect(),
            users: File::open(users_of(init)).ok(),
        }
    }

    /// Takes them again, also when the processes of the zone are gone already.
    pub(crate) fn take_back(&self) {
        let Some(users) = &self.users else { return };
        let path = format!("/proc/{}/fd/{}", std::process::id(), users.as_raw_fd());
        for name in &self.names {
            // A zone that is gone has nothing any more, whatever ZFS says.
            let _ = zones_storage::withdraw_dataset(name, path.as_ref());
        }
    }
}
