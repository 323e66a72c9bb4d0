//! A socket that waits for its peer as long as a [`Pace`] allows, and no longer.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use super::pace::Pace;

/// A connected stream socket; its descriptor does not block.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    pub(crate) pace: Pace,
    /// Bytes sent so far.
    pub(crate) sent: u64,
}

/// What happened first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The socket has something to read, or an end.
    Ready,
    /// The other descriptor became readable.
    Stop,
    /// Nothing, for too long.
    Silence,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, pace: Pace) -> Self {
        Self { fd, pace, sent: 0 }
    }

    /// Waits for the peer to speak, for `stop`, or for `patience` to end.
    pub(crate) fn idle(&self, stop: BorrowedFd<'_>, patience: Duration) -> io::Result<Awaited> {
        let mut fds = [
            PollFd::new(&self.fd, PollFlags::IN),
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
        ];
        let pace = Pace::absolute(patience);
        loop {
            let Some(left) = pace.left() else {
                return Ok(Awaited::Silence);
            };
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Awaited::Ready),
                Ok(_) => return Ok(Awaited::Stop),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.fd, flags)];
        loop {
            let left = self.pace.left().ok_or(io::ErrorKind::TimedOut)?;
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does `call` until it does not say that it would block.
    fn again(
        &mut self,
        flags: PollFlags,
        mut call: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match call(self.fd.as_fd()) {
                Ok(bytes) => {
                    self.pace.moved(bytes);
                    return Ok(bytes);
                }
                Err(Errno::AGAIN) => self.wait(flags)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends all of `bytes`; `more` holds a part of a packet back for what follows.
    pub(crate) fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        let flags = match more {
            true => SendFlags::NOSIGNAL | SendFlags::MORE,
            false => SendFlags::NOSIGNAL,
        };
        while !bytes.is_empty() {
            let sent = self.again(PollFlags::OUT, |fd| rustix::net::send(fd, bytes, flags))?;
            self.sent += sent as u64;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends `length` bytes of `file` from `offset`, without copying them through this process.
    /// Source: sendfile(2).
    pub(crate) fn send_file(
        &mut self,
        file: &File,
        mut offset: u64,
        length: u64,
    ) -> io::Result<()> {
        /// What one call may move, so that deadlines are looked at.
        const STEP: u64 = 1 << 20;
        let end = offset + length;
        while offset < end {
            let count = usize::try_from((end - offset).min(STEP)).unwrap_or(usize::MAX);
            let sent = self.again(PollFlags::OUT, |fd| {
                rustix::fs::sendfile(fd, file, Some(&mut offset), count)
            })?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.sent += sent as u64;
        }
        Ok(())
    }

    /// Says the end, and reads what the peer still sends, so that the kernel does not answer it
    /// with a reset that would destroy the last reply.
    pub(crate) fn linger(&mut self, patience: Duration) {
        if rustix::net::shutdown(&self.fd, Shutdown::Write).is_err() {
            return;
        }
        self.pace = Pace::absolute(patience);
        let mut rest = [0; 4096];
        while matches!(self.read(&mut rest), Ok(1..)) {}
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.again(PollFlags::IN, |fd| rustix::io::read(fd, &mut *buf))
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let sent = self.again(PollFlags::OUT, |fd| {
            rustix::net::send(fd, buf, SendFlags::NOSIGNAL)
        })?;
        self.sent += sent as u64;
        Ok(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn timespec(left: Duration) -> Timespec {
    // Rounded up, so that the end of the time is not met by many short waits.
    let left = left + Duration::from_millis(1);
    Timespec::try_from(left).unwrap_or(Timespec {
        tv_sec: 3600,
        tv_nsec: 0,
    })
}
