//! A small repository, a depot that serves it on loopback, and a client that checks bytes.
#![allow(dead_code, reason = "each suite uses its part")]

pub(crate) mod client;
pub(crate) mod fixture;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use zones_depot::{Address, Config, Depot, DepotError, Logs};

/// A depot that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) access: Text,
    stop: OwnedFd,
    thread: Option<JoinHandle<Result<(), DepotError>>>,
}

/// What a log has said.
#[derive(Clone, Default)]
pub(crate) struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    pub(crate) fn get(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Text {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Running {
    /// A depot of the usual fixture.
    pub(crate) fn new() -> Self {
        Self::with(fixture::publishers_one, |_, _| {})
    }

    /// A depot of what `make` makes, configured by `change`, which gets the folder of the test,
    /// too.
    pub(crate) fn with(make: impl Fn(&Path), change: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository: PathBuf = folder.path().join("repo");
        make(&repository);
        let mut config = Config {
            repository,
            addresses: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
            ..Config::default()
        };
        change(&mut config, folder.path());
        let access = Text::default();
        let logs = Logs::new(
            Some(Box::new(access.clone())),
            Some(Box::new(std::io::stderr())),
        );
        let server = Depot::open(config, logs).unwrap().bind().unwrap();
        let url = server.addresses().remove(0);
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        let stop = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let theirs = stop.try_clone().unwrap();
        Self {
            port: port.parse().unwrap_or(0),
            folder,
            access,
            stop,
            thread: Some(std::thread::spawn(move || server.run(theirs.as_fd()))),
        }
    }

    /// The access log, which is written just after the reply: once it has anything.
    pub(crate) fn logged(&self) -> String {
        self.logged_with("\n")
    }

    /// The same, once it has `part`.
    pub(crate) fn logged_with(&self, part: &str) -> String {
        let start = std::time::Instant::now();
        while !self.access.get().contains(part) && start.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        self.access.get()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repo")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap().unwrap();
        }
    }
}
