//! Whole messages with descriptors between processes of one host.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

/// The greatest message, in bytes.
pub const MAX_PACKET: usize = 128 * 1024;
/// The most descriptors in one message.
pub const MAX_FDS: usize = 16;

/// A connected `SOCK_SEQPACKET` socket: a message arrives whole or not at all. Source: unix(7).
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A name for a socket that bind(2) and connect(2) take, however deep its folder is: an address has
/// room for 107 bytes. Source: unix(7).
#[derive(Debug)]
pub struct ShortPath {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl ShortPath {
    /// `path` itself or, where that is too long, one that goes by a descriptor of its folder and
    /// holds as long as this lives.
    ///
    /// # Errors
    /// Whatever open(2) says of the folder.
    pub fn of(path: &Path) -> Result<Self> {
        const ROOM: usize = 107;
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if path.as_os_str().len() > ROOM => (folder, name),
            _ => {
                let (path, _folder) = (path.to_owned(), None);
                return Ok(Self { path, _folder });
            }
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let number = folder.as_raw_fd();
        let path = Path::new("/proc/self/fd").join(number.to_string());
        Ok(Self {
            path: path.join(name),
            _folder: Some(folder),
        })
    }

    /// The path to use.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One message.
#[derive(Debug, Default)]
pub struct Packet {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptors that came with them.
    pub fds: Vec<OwnedFd>,
}

impl Channel {
    /// Two ends of one connection.
    ///
    /// # Errors
    /// Whatever socketpair(2) says.
    pub fn pair() -> Result<(Self, Self)> {
        let (flags, kind) = (SocketFlags::CLOEXEC, SocketType::SEQPACKET);
        let (one, two) = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)?;
        Ok((Self(one), Self(two)))
    }

    /// Takes over a connected socket.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The socket itself.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// `NOENT` and `CONNREFUSED` when nobody listens there.
    pub fn connect(path: &Path) -> Result<Self> {
        let kind = SocketType::SEQPACKET;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        let short = ShortPath::of(path)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(short.path())?)?;
        Ok(Self(socket))
    }

    /// A socket that listens at `path`, which is made anew; not blocking.
    ///
    /// # Errors
    /// Whatever bind(2) says.
    pub fn listen(path: &Path) -> Result<OwnedFd> {
        match rustix::fs::unlink(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let short = ShortPath::of(path)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(short.path())?)?;
        rustix::net::listen(&socket, 64)?;
        Ok(socket)
    }

    /// The next connection to a listening socket.
    ///
    /// # Errors
    /// `AGAIN` when nobody waits.
    pub fn accept(listener: BorrowedFd<'_>) -> Result<Self> {
        rustix::net::accept_with(listener, SocketFlags::CLOEXEC).map(Self)
    }

    /// Sends one message with at most [`MAX_FDS`] descriptors.
    ///
    /// # Errors
    /// `PIPE` when the other end is closed, `MSGSIZE` above [`MAX_PACKET`].
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
        if bytes.len() > MAX_PACKET || fds.len() > MAX_FDS {
            return Err(Errno::MSGSIZE);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        let sent = rustix::net::sendmsg(
            &self.0,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(Errno::MSGSIZE)
        }
    }

    /// Receives one message; `None` when the other end is closed.
    ///
    /// # Errors
    /// Whatever recvmsg(2) says; `MSGSIZE` for a message that is too large.
    pub fn recv(&self) -> Result<Option<Packet>> {
        let mut bytes = vec![0; 4096];
        // Peeking tells the true length first: most messages are small, and so stays the heap.
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
        let (_, length) =
            rustix::io::retry_on_intr(|| rustix::net::recv(&self.0, &mut bytes[..], flags))?;
        if length > MAX_PACKET {
            return Err(Errno::MSGSIZE);
        }
        bytes.resize(length.max(1), 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::io::retry_on_intr(|| {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.0, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let mut fds = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                fds.extend(rights);
            }
        }
        if message.flags.contains(ReturnFlags::TRUNC) {
            return Err(Errno::MSGSIZE);
        }
        if message.bytes == 0 && fds.is_empty() {
            return Ok(None);
        }
        bytes.truncate(message.bytes);
        Ok(Some(Packet { bytes, fds }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (one, two) = Channel::pair().unwrap();
        let big = vec![7u8; 100_000];
        let null = std::fs::File::open("/dev/null").unwrap();
        one.send(b"hello", &[null.as_fd(), null.as_fd()]).unwrap();
        one.send(&big, &[]).unwrap();
        let packet = two.recv().unwrap().unwrap();
        assert_eq!(
            (packet.bytes.as_slice(), packet.fds.len()),
            (&b"hello"[..], 2)
        );
        assert_eq!(two.recv().unwrap().unwrap().bytes, big);
        drop(one);
        assert!(two.recv().unwrap().is_none());
        assert_eq!(two.send(b"x", &[]).unwrap_err(), Errno::PIPE);
    }

    #[test]
    fn a_socket_may_be_deep_below() {
        let top = std::env::temp_dir().join(format!("zones-channel-{}", std::process::id()));
        let folder = top.join("d".repeat(120));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let listener = Channel::listen(&path).unwrap();
        let client = Channel::connect(&path).unwrap();
        client.send(b"hello", &[]).unwrap();
        let server = Channel::accept(listener.as_fd()).unwrap();
        assert_eq!(server.recv().unwrap().unwrap().bytes, b"hello");
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn too_large_messages_are_refused() {
        let (one, _two) = Channel::pair().unwrap();
        assert_eq!(
            one.send(&vec![0; MAX_PACKET + 1], &[]).unwrap_err(),
            Errno::MSGSIZE
        );
    }
}
