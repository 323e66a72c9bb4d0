//! The console of a zone: its terminal, the log, and at most one client.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use zones_store::Layout;
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::runtime::console_path;

/// A log of this size is set aside once, as `console.log.0`.
const LOG_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Console {
    listener: UnixListener,
    log: Option<File>,
    log_path: std::path::PathBuf,
    log_bytes: u64,
    master: Option<OwnedFd>,
    /// Held so that the terminal is never without a reader on its other side: its master would
    /// report a hang-up without end.
    _slave: Option<OwnedFd>,
    client: Option<Client>,
}

struct Client {
    stream: UnixStream,
    pid: i32,
    /// `zlogin -d`: let go when the zone halts.
    leaves_at_halt: bool,
}

impl Console {
    pub(super) fn open(layout: &Layout, zone: &ZoneName) -> Result<Self, EngineError> {
        let path = console_path(layout, zone);
        let _ = std::fs::remove_file(&path);
        let listener = zones_sys::ShortPath::of(&path).map_err(std::io::Error::from);
        let listener = listener.and_then(|short| UnixListener::bind(short.path()));
        let listener = listener.map_err(EngineError::file("listen at", &path))?;
        listener
            .set_nonblocking(true)
            .map_err(EngineError::file("listen at", &path))?;
        let folder = layout.log_zone(zone);
        crate::folder::private(&folder).map_err(EngineError::file("make", &folder))?;
        let log_path = folder.join("console.log");
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log_path)
            .ok();
        let log_bytes = log
            .as_ref()
            .and_then(|log| log.metadata().ok())
            .map_or(0, |meta| meta.len());
        Ok(Self {
            listener,
            log,
            log_path,
            log_bytes,
            master: None,
            _slave: None,
            client: None,
        })
    }

    /// The terminal of a new life of the zone.
    pub(super) fn connect(&mut self, master: BorrowedFd<'_>) {
        use rustix::pty::OpenptFlags as F;
        self.master = rustix::io::fcntl_dupfd_cloexec(master, 0).ok();
        self._slave = rustix::pty::ioctl_tiocgptpeer(master, F::RDWR | F::NOCTTY | F::CLOEXEC).ok();
        let _ = rustix::io::ioctl_fionbio(master, true);
    }

    /// The zone is going: what it wrote last is still delivered.
    pub(super) fn disconnect(&mut self) {
        self.read_zone();
        self.master = None;
        self._slave = None;
    }

    pub(super) fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// What the daemon waits on for the console.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.listener.as_fd()];
        fds.extend(self.master.as_ref().map(AsFd::as_fd));
        fds.extend(self.client.as_ref().map(|client| client.stream.as_fd()));
        fds
    }

    /// Moves what is there to be moved; never blocks.
    pub(super) fn pump(&mut self) {
        self.read_zone();
        self.read_client();
        while let Ok((stream, _)) = self.listener.accept() {
            self.greet(stream);
        }
    }

    fn read_zone(&mut self) {
        let mut bytes = [0; 4096];
        while let Some(master) = &self.master {
            match rustix::io::read(master, &mut bytes) {
                Ok(count) if count > 0 => self.show(&bytes[..count]),
                _ => break,
            }
        }
    }

    fn read_client(&mut self) {
        let mut bytes = [0; 1024];
        let Some(client) = &mut self.client else {
            return;
        };
        match client.stream.read(&mut bytes) {
            Ok(0) => self.client = None,
            Ok(count) => {
                // A terminal takes what fits; the zone that does not read loses keystrokes only.
                if let Some(master) = &self.master {
                    let _ = rustix::io::write(master, &bytes[..count]);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.client = None,
        }
    }

    /// `IDENT <locale> <flags>`, then `OK` or the pid of the client that is there already.
    fn greet(&mut self, mut stream: UnixStream) {
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let mut line = [0; 256];
        let Ok(count) = stream.read(&mut line) else {
            return;
        };
        let Some(rest) = line[..count].strip_prefix(b"IDENT ") else {
            return;
        };
        let leaves_at_halt = rest
            .split(|&byte| byte == b' ')
            .nth(1)
            .is_some_and(|flags| flags.contains(&b'd'));
        if let Some(holder) = self.holder() {
            let _ = stream.write_all(format!("{holder}\n").as_bytes());
            return;
        }
        let credentials = rustix::net::sockopt::socket_peercred(&stream);
        let pid = credentials.map_or(0, |peer| peer.pid.as_raw_nonzero().get());
        if stream.write_all(b"OK\n").is_ok() && stream.set_nonblocking(true).is_ok() {
            self.client = Some(Client {
                stream,
                pid,
                leaves_at_halt,
            });
        }
    }

    /// The pid of a client that still lives; a dead one is displaced.
    fn holder(&self) -> Option<i32> {
        let client = self.client.as_ref()?;
        let mut byte = [0u8; 1];
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        match rustix::net::recv(&client.stream, &mut byte[..], flags) {
            Ok((0, _)) => None,
            Ok(_) | Err(Errno::AGAIN) => Some(client.pid),
            Err(_) => None,
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        self.write_log(bytes);
        if let Some(client) = &mut self.client
            && client.stream.write_all(bytes).is_err()
        {
            // It does not keep up or is gone; the log has it all.
            self.client = None;
        }
    }

    fn write_log(&mut self, bytes: &[u8]) {
        if self.log_bytes > LOG_BYTES_MAX {
            let _ = std::fs::rename(&self.log_path, self.log_path.with_extension("log.0"));
            let fresh = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.log_path);
            self.log = fresh.ok();
            self.log_bytes = 0;
        }
        if let Some(log) = &mut self.log {
            let _ = log.write_all(bytes);
            self.log_bytes += bytes.len() as u64;
        }
    }

    /// A line of the daemon in the log only.
    pub(super) fn log(&mut self, text: &str) {
        self.write_log(format!("\r\n[zoneadmd: {text}]\r\n").as_bytes());
    }

    /// A notice, framed as Zones frame it.
    pub(super) fn notice(&mut self, text: &str) {
        let halted = text.ends_with("halted") || text.ends_with("failed");
        if halted
            && self
                .client
                .as_ref()
                .is_some_and(|client| client.leaves_at_halt)
        {
            return self.farewell(&format!("{text}.  Disconnecting..."));
        }
        self.show(format!("\r\n[{text}]\r\n").as_bytes());
    }

    /// A last notice; the client is let go.
    pub(super) fn farewell(&mut self, text: &str) {
        self.show(format!("\r\n[{text}]\r\n").as_bytes());
        self.client = None;
    }

    pub(super) fn close(&mut self, layout: &Layout, zone: &ZoneName) {
        let _ = std::fs::remove_file(console_path(layout, zone));
    }
}
