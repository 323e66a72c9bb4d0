//! The processes of one zone and how they come to be.
//!
//! ```text
//! zoneadmd            host's namespaces; plans, joins control groups, plumbs the network
//!  `- zsched          makes the mount table, then moves into the zone; starts what zlogin asks for
//!      |- (builder)   lives for a millisecond: mounts the tree, inside the zone's pid namespace
//!      `- init        process 1: waits as `ready`, becomes the zone's init at `boot`
//! ```
//!
//! The tree is mounted with the host's rights and then copied into a mount namespace that belongs
//! to the zone's user namespace. By that copy the kernel locks every mount: root of the zone cannot
//! take a mask off, nor make read-only writable. Source: mount_namespaces(7), "Restrictions".

mod builder;
mod builtin;
mod derived;
pub(crate) mod graft;
mod init;
mod message;
mod sched;
mod session;
mod terminal;

pub(crate) use builder::matching_devices;
pub(crate) use message::{Argv, FromInit, FromSched, ToInit, ToSched};
pub use message::{Ending, Mode, SessionEvent, SessionRequest};
pub(crate) use sched::ending;
pub(crate) use sched::{Birth, Stage, enter};

use zones_sys::Channel;

/// Sends a message as JSON with descriptors.
pub(crate) fn send<T: serde::Serialize>(
    channel: &Channel,
    message: &T,
    fds: &[std::os::fd::BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(|_| rustix::io::Errno::INVAL)?;
    channel.send(&bytes, fds)
}

/// Receives one message; `None` when the other end is closed.
pub(crate) fn receive<T: serde::de::DeserializeOwned>(
    channel: &Channel,
) -> rustix::io::Result<Option<(T, Vec<std::os::fd::OwnedFd>)>> {
    let Some(packet) = channel.recv()? else {
        return Ok(None);
    };
    let message = serde_json::from_slice(&packet.bytes).map_err(|_| rustix::io::Errno::BADMSG)?;
    Ok(Some((message, packet.fds)))
}
