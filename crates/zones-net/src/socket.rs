//! A netlink socket. It stays in the network namespace where it was made.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::NetError;
use crate::codec::{Message, messages, u32_at};

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;

const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The kernel makes its own dump messages at most this long.
const BUFFER: usize = 32 * 1024;

/// A routing socket in one network namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the namespace of this thread.
    pub fn open() -> Result<Self, NetError> {
        Self::speaking(None)
    }

    /// The same for the packet filter.
    pub(crate) fn open_filter() -> Result<Self, NetError> {
        Self::speaking(Some(rustix::net::netlink::NETFILTER))
    }

    fn speaking(protocol: Option<Protocol>) -> Result<Self, NetError> {
        let family = AddressFamily::NETLINK;
        let flags = SocketFlags::CLOEXEC;
        rustix::net::socket_with(family, SocketType::RAW, flags, protocol)
            .map(|socket| Self {
                socket,
                sequence: 0,
            })
            .map_err(NetError::new("open", "netlink socket"))
    }

    /// Opens a socket in another namespace; this thread is back in its own when the call returns.
    ///
    /// Errors: the namespace cannot be entered, which needs `CAP_SYS_ADMIN` here and in the user
    /// namespace that owns it.
    ///
    /// # Panics
    ///
    /// When the thread cannot get back: all that it would do from then on would hit the wrong host.
    pub fn open_in(netns: BorrowedFd<'_>) -> Result<Self, NetError> {
        let home = current_netns()?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(netns, network)
            .map_err(NetError::new("enter", "network namespace of the zone"))?;
        let socket = Self::open();
        let back = move_into_link_name_space(home.as_fd(), network);
        assert!(
            back.is_ok(),
            "the namespace that was left a moment ago can be entered again"
        );
        socket
    }

    /// Sends a request and waits until it is done.
    pub(crate) fn run(&mut self, message: Message) -> Result<(), Errno> {
        self.ask(message, |_, _| {})
    }

    /// Sends a request and passes the body of each answer on.
    pub(crate) fn ask(
        &mut self,
        message: Message,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<(), Errno> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, &bytes, SendFlags::empty(), &kernel)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let flags = RecvFlags::empty();
            let (length, _) = match rustix::net::recv(&self.socket, &mut buffer[..], flags) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for received in messages(&buffer[..length]) {
                if received.sequence != self.sequence {
                    continue;
                }
                match received.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let code = u32_at(received.body, 0).ok_or(Errno::BADMSG)?.cast_signed();
                        return match code {
                            0 => Ok(()),
                            code => Err(Errno::from_raw_os_error(-code)),
                        };
                    }
                    kind => each(kind, received.body),
                }
            }
        }
    }
}

impl Netlink {
    /// Sends messages that are one change. Only the last but one, and whatever fails, is answered;
    /// a refusal of the whole answers the first.
    pub(crate) fn run_all(&mut self, messages: Vec<Message>) -> Result<(), Errno> {
        let first = self.sequence + 1;
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence += 1;
            bytes.extend(message.finish(self.sequence));
        }
        let last = self.sequence - 1;
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, &bytes, SendFlags::empty(), &kernel)?;
        let mut buffer = vec![0; BUFFER];
        let mut result = Ok(());
        loop {
            let length = match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty())
            {
                Err(Errno::INTR) => continue,
                other => other?.0,
            };
            for received in messages_of(&buffer[..length], first..=last) {
                let code = u32_at(received.body, 0).ok_or(Errno::BADMSG)?.cast_signed();
                if code != 0 && result.is_ok() {
                    result = Err(Errno::from_raw_os_error(-code));
                }
                if received.sequence == last || (received.sequence == first && code != 0) {
                    return result;
                }
            }
        }
    }
}

/// The answers to these requests.
fn messages_of(
    bytes: &[u8],
    wanted: std::ops::RangeInclusive<u32>,
) -> impl Iterator<Item = crate::codec::Received<'_>> {
    messages(bytes)
        .filter(move |received| received.kind == ERROR && wanted.contains(&received.sequence))
}

/// The network namespace of this thread.
pub(crate) fn current_netns() -> Result<OwnedFd, NetError> {
    use rustix::fs::{Mode, OFlags};
    const PATH: &str = "/proc/thread-self/ns/net";
    rustix::fs::open(PATH, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(NetError::new("open", PATH))
}
