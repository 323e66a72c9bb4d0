//! Listens, and gives each connection a thread.

mod connection;
mod listener;
mod pool;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustls::ServerConfig;

use crate::error::DepotError;
use crate::limits::Limits;
use crate::log::Logs;
use crate::metrics::Metrics;
pub(crate) use connection::{Answer, Request};
pub use listener::Address;
use listener::Listener;
use pool::Pool;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) site: Arc<dyn Answer>,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) metrics: Arc<Metrics>,
    /// Becomes readable when the server stops, for those who wait.
    pub(crate) quit: OwnedFd,
    /// Whether it stops, for those who work.
    pub(crate) is_stopping: AtomicBool,
}

/// A depot that listens.
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the sockets; from here on clients can connect, and wait.
    pub(crate) fn new(
        addresses: &[Address],
        site: Arc<dyn Answer>,
        limits: Limits,
        tls: Option<Arc<ServerConfig>>,
        logs: Arc<Logs>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, DepotError> {
        let listeners: Result<_, _> = addresses.iter().map(Listener::open).collect();
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let quit = eventfd(0, flags).map_err(|error| DepotError::Start(error.into()))?;
        Ok(Self {
            listeners: listeners?,
            shared: Arc::new(Shared {
                site,
                limits,
                tls,
                logs,
                metrics,
                quit,
                is_stopping: AtomicBool::new(false),
            }),
        })
    }

    /// Where it listens, as URLs; ports that were chosen by the kernel are in them.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let scheme = match self.shared.tls {
            Some(_) => "https",
            None => "http",
        };
        self.listeners.iter().map(|one| one.url(scheme)).collect()
    }

    /// Serves until `stop` is readable; then requests under way get a while to finish.
    ///
    /// # Errors
    /// The sockets cannot be waited for.
    pub fn run(self, stop: BorrowedFd<'_>) -> Result<(), DepotError> {
        let pool = Pool::new(Arc::clone(&self.shared));
        let result = self.accept(&pool, stop);
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        let _ = rustix::io::write(&self.shared.quit, &1u64.to_ne_bytes());
        drop(self.listeners);
        pool.stop(self.shared.limits.stop);
        result.map_err(DepotError::Serve)
    }

    fn accept(&self, pool: &Pool, stop: BorrowedFd<'_>) -> io::Result<()> {
        let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        let sockets = self.listeners.iter().map(AsFd::as_fd);
        fds.extend(sockets.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        loop {
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
            for (listener, fd) in self.listeners.iter().zip(&fds[1..]) {
                if !fd.revents().is_empty() {
                    self.accept_all(listener, pool, stop)?;
                }
            }
        }
    }

    /// Takes what waits at one socket.
    fn accept_all(&self, listener: &Listener, pool: &Pool, stop: BorrowedFd<'_>) -> io::Result<()> {
        /// So that one busy socket does not starve another.
        const TURN: usize = 64;
        for _ in 0..TURN {
            match listener.accept() {
                Ok(job) => pool.submit(job),
                Err(Errno::AGAIN) => break,
                // Descriptors or memory are used up: connections wait in the kernel for a moment.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.shared
                        .logs
                        .error("out of descriptors or memory: clients have to wait");
                    let mut fds = [PollFd::from_borrowed_fd(stop, PollFlags::IN)];
                    let pause = Timespec::try_from(Duration::from_millis(100)).ok();
                    poll(&mut fds, pause.as_ref())?;
                    break;
                }
                // It went away while it waited; see accept(2).
                Err(_) => {}
            }
        }
        Ok(())
    }
}
