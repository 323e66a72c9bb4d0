//! Sockets that clients connect to.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::connection::Peer;
use super::pool::Job;
use crate::error::DepotError;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port; port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// A socket of the file system, for the owner and the group of this process.
    Unix(PathBuf),
}

/// Connections that may wait in the kernel.
const BACKLOG: i32 = 1024;

#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    bound: Address,
}

impl Listener {
    pub(super) fn open(address: &Address) -> Result<Self, DepotError> {
        let failed = |source: std::io::Error| DepotError::Listen {
            address: address.to_string(),
            source,
        };
        let (fd, bound) = match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                (OwnedFd::from(listener), Address::Tcp(bound))
            }
            Address::Unix(path) => (unix(path).map_err(failed)?, Address::Unix(path.clone())),
        };
        rustix::net::listen(&fd, BACKLOG).map_err(|errno| failed(errno.into()))?;
        rustix::io::ioctl_fionbio(&fd, true).map_err(|errno| failed(errno.into()))?;
        Ok(Self { fd, bound })
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        match &self.bound {
            Address::Tcp(address) => format!("{scheme}://{address}/"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Whether only programs of this host can connect.
    fn is_local(&self) -> bool {
        match &self.bound {
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
        }
    }

    pub(super) fn accept(&self) -> Result<Job, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (fd, from) = rustix::net::acceptfrom_with(&self.fd, flags)?;
        let host = match &self.bound {
            Address::Tcp(_) => {
                rustix::net::sockopt::set_tcp_nodelay(&fd, true)?;
                from.and_then(|from| SocketAddr::try_from(from).ok())
                    .map_or_else(
                        || "-".to_owned(),
                        |from| from.ip().to_canonical().to_string(),
                    )
            }
            Address::Unix(_) => "unix".to_owned(),
        };
        let peer = Peer {
            host,
            is_local: self.is_local(),
            is_unix: matches!(self.bound, Address::Unix(_)),
            is_tls: false,
            certificate: None,
        };
        Ok(Job { fd, peer })
    }
}

/// A socket file that nobody listens on any more is replaced.
fn unix(path: &Path) -> std::io::Result<OwnedFd> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // A new socket can be reached by its owner at most, so this opens it and never closes it late.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener.into())
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.bound {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
