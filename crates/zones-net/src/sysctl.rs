//! Settings of an interface below `/proc/sys/net`, in the network namespace of this thread.

use rustix::fs::{Mode, OFlags};

use crate::{IfName, NetError};

/// Writes `/proc/sys/net/FAMILY/conf/LINK/KEY`.
pub(crate) fn set(family: &str, link: &IfName, key: &str, value: &str) -> Result<(), NetError> {
    let path = format!("/proc/sys/net/{family}/conf/{link}/{key}");
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty())
        .and_then(|file| rustix::io::write(&file, value.as_bytes()).map(drop))
        .map_err(NetError::new("write", path))
}
