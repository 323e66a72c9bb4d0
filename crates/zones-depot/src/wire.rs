//! One connection as bytes: plain or TLS, with deadlines, and with what was read too early.

mod pace;
mod socket;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

pub(crate) use pace::Pace;
pub(crate) use socket::{Awaited, Socket};

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    tls: Option<Box<ServerConnection>>,
    /// Read from the wire and not yet used.
    pub(crate) ahead: Vec<u8>,
}

/// Bytes read from the wire at once.
const READ: usize = 8 * 1024;
/// Files up to this size go out in one call with their headers.
const TOGETHER: u64 = 16 * 1024;
/// What a copy through TLS takes at once.
const COPY: u64 = 64 * 1024;

impl Wire {
    pub(crate) fn plain(socket: Socket) -> Self {
        Self {
            socket,
            tls: None,
            ahead: Vec::new(),
        }
    }

    /// Does the handshake; its end is that of the socket's pace.
    pub(crate) fn accept(mut socket: Socket, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut socket) {
                let _ = tls.write_tls(&mut socket); // the alert that says why
                socket.linger(Duration::from_millis(500));
                return Err(error);
            }
        }
        Ok(Self {
            socket,
            tls: Some(Box::new(tls)),
            ahead: Vec::new(),
        })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The end entity's certificate that the client has shown, verified.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        let chain = self.tls.as_ref()?.peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.socket.pace = pace;
    }

    /// Bytes sent since the connection was made.
    pub(crate) fn sent(&self) -> u64 {
        self.socket.sent
    }

    /// Waits for the next request.
    pub(crate) fn idle(&mut self, stop: BorrowedFd<'_>, patience: Duration) -> io::Result<Awaited> {
        let has_plaintext = match &mut self.tls {
            Some(tls) => {
                let state = tls.process_new_packets().map_err(io::Error::other)?;
                state.plaintext_bytes_to_read() > 0
            }
            None => false,
        };
        if has_plaintext || !self.ahead.is_empty() {
            return Ok(Awaited::Ready);
        }
        self.socket.idle(stop, patience)
    }

    /// Reads more into `ahead`. Zero is the end.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let start = self.ahead.len();
        self.ahead.resize(start + READ, 0);
        let result = match &mut self.tls {
            Some(tls) => {
                rustls::Stream::new(&mut **tls, &mut self.socket).read(&mut self.ahead[start..])
            }
            None => self.socket.read(&mut self.ahead[start..]),
        };
        self.ahead
            .truncate(start + result.as_ref().copied().unwrap_or(0));
        result
    }

    /// Sends all of `bytes`; `more` says that more will follow at once.
    pub(crate) fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write_all(bytes),
            None => self.socket.send(bytes, more),
        }
    }

    /// Sends `head` and then `length` bytes of `file` from `offset`.
    pub(crate) fn send_file(
        &mut self,
        mut head: Vec<u8>,
        file: &File,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let used = head.len();
        if length <= TOGETHER {
            head.resize(used + usize::try_from(length).unwrap_or(0), 0);
            file.read_exact_at(&mut head[used..], offset)?;
            return self.send(&head, false);
        }
        self.send(&head, true)?;
        if self.tls.is_none() {
            return self.socket.send_file(file, offset, length);
        }
        let mut chunk = Vec::new();
        let (mut at, end) = (offset, offset + length);
        while at < end {
            let step = (end - at).min(COPY);
            chunk.resize(usize::try_from(step).unwrap_or(0), 0);
            file.read_exact_at(&mut chunk, at)?;
            self.send(&chunk, false)?;
            at += step;
        }
        Ok(())
    }

    /// Ends the connection so that the last reply arrives.
    pub(crate) fn close(mut self, patience: Duration) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.complete_io(&mut self.socket);
        }
        self.socket.linger(patience);
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() && self.fill()? == 0 {
            return Ok(0);
        }
        let count = buf.len().min(self.ahead.len());
        buf[..count].copy_from_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        Ok(count)
    }
}
