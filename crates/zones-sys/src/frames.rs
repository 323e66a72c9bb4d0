//! Whole frames of a link.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::process::last_errno;

/// A socket for all frames of the link of that number, in the network namespace of this thread:
/// those that pass are read, and what is written leaves as it is. Needs `CAP_NET_RAW`. For tests of
/// what may pass.
///
/// # Errors
/// There is no such link, or the right is missing. Source: packet(7).
pub fn packet_socket(link: u32) -> Result<OwnedFd, Errno> {
    let all = u16::try_from(libc::ETH_P_ALL).map_err(|_| Errno::INVAL)?;
    // Nothing comes until the socket is bound: protocol 0.
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: the kernel has just made it for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all bytes zero is a valid address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(|_| Errno::INVAL)?;
    address.sll_protocol = all.to_be();
    address.sll_ifindex = i32::try_from(link).map_err(|_| Errno::INVAL)?;
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(|_| Errno::INVAL)?;
    // SAFETY: address and length are those of a living local of the right kind.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound < 0 {
        Err(last_errno())
    } else {
        Ok(socket)
    }
}
