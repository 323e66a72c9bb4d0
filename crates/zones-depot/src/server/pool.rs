//! Threads for connections: made when they are needed, kept for a while, never more than allowed.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::connection::{Peer, refuse, serve};

/// One connection that waits for a thread.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) fd: OwnedFd,
    pub(super) peer: Peer,
}

/// Threads beyond the limit, which tell clients that there are too many of them.
const REFUSERS: usize = 16;
/// What a thread without work waits for some.
const KEPT: Duration = Duration::from_secs(10);
/// Handlers are flat; a manifest is parsed line by line.
const STACK: usize = 512 * 1024;

pub(super) struct Pool(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// There is work, or the end.
    work: Condvar,
    /// A thread has ended.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// With each: whether it came beyond the limit.
    queue: VecDeque<(Job, bool)>,
    threads: usize,
    idle: usize,
    stopping: bool,
}

impl Pool {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            shared,
            state: Mutex::default(),
            work: Condvar::new(),
            gone: Condvar::new(),
        }))
    }

    /// Gives a connection to a thread, or closes it when there are far too many.
    pub(super) fn submit(&self, job: Job) {
        let limit = self.0.shared.limits.connections;
        let mut state = self.0.lock();
        let busy = state.threads - state.idle + state.queue.len();
        if busy >= limit + REFUSERS {
            self.0.shared.metrics.dropped();
            return;
        }
        state.queue.push_back((job, busy >= limit));
        if state.idle >= state.queue.len() {
            self.0.work.notify_one();
            return;
        }
        let inner = Arc::clone(&self.0);
        let thread = std::thread::Builder::new()
            .name("depot".to_owned())
            .stack_size(STACK);
        match thread.spawn(move || inner.work()) {
            Ok(_) => state.threads += 1,
            Err(error) => {
                state.queue.pop_back();
                self.0.shared.metrics.dropped();
                let logs = &self.0.shared.logs;
                logs.error(&format!("cannot start a thread: {error}"));
            }
        }
    }

    /// Has all threads end; those that are busy have `patience`.
    pub(super) fn stop(self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.0.lock();
        state.stopping = true;
        self.0.work.notify_all();
        while state.threads > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.gone.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        /// Counts the thread out, even when it panics.
        struct Leave<'i>(&'i Inner);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.lock().threads -= 1;
                self.0.gone.notify_all();
            }
        }
        let _leave = Leave(self);
        while let Some((job, is_excess)) = self.next() {
            if is_excess {
                refuse(&self.shared, job.fd);
            } else {
                serve(&self.shared, job.fd, job.peer);
            }
        }
    }

    fn next(&self) -> Option<(Job, bool)> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.stopping {
                return None;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, KEPT);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                return None;
            }
        }
    }
}
