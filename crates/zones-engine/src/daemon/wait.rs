//! The one place where the daemon waits.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd;

use super::Daemon;

/// What happened; one at a time.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Signals,
    Connection,
    Client(usize),
    FrozenClient,
    Console,
    InitEnded,
    SchedSaid,
    SchedEnded,
    Probe,
    Timeout,
    TrialDue,
}

pub(super) use crate::ready::now_ms;

impl Daemon {
    /// Blocks until something happens.
    pub(super) fn wait(&self) -> Event {
        loop {
            if let Some(event) = self.wait_once() {
                return event;
            }
        }
    }

    fn wait_once(&self) -> Option<Event> {
        let mut fds = Vec::with_capacity(12);
        let mut events = Vec::with_capacity(12);
        // The helper's word comes before the bare fact that init ended: it says how.
        if let Some(live) = &self.live {
            if let Some(sched) = live.sched_channel() {
                fds.push(PollFd::new(sched, PollFlags::IN));
                events.push(Event::SchedSaid);
            }
            if let Some(sched) = live.sched_pidfd() {
                fds.push(PollFd::new(sched, PollFlags::IN));
                events.push(Event::SchedEnded);
            }
            fds.push(PollFd::new(live.init_pidfd(), PollFlags::IN));
            events.push(Event::InitEnded);
        }
        fds.push(PollFd::new(&self.signals, PollFlags::IN));
        events.push(Event::Signals);
        for fd in self.console.descriptors() {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            events.push(Event::Console);
        }
        fds.push(PollFd::from_borrowed_fd(
            self.control.as_fd(),
            PollFlags::IN,
        ));
        events.push(Event::Connection);
        if let Some(frozen) = &self.frozen {
            fds.push(PollFd::new(&frozen.client, PollFlags::IN));
            events.push(Event::FrozenClient);
        }
        if let Some(probe) = self.trial.as_ref().and_then(super::trial::Watch::probe) {
            fds.push(PollFd::new(probe, PollFlags::IN));
            events.push(Event::Probe);
        }
        let first_client = fds.len();
        for client in &self.clients {
            fds.push(PollFd::new(client, PollFlags::IN));
        }
        let now = now_ms();
        let shutdown = self.shutdown.as_ref().map(|shutdown| shutdown.deadline_ms);
        let trial = self.trial.as_ref().filter(|_| self.frozen.is_none());
        let trial = trial.map(super::trial::Watch::due_ms);
        if shutdown.is_some_and(|at| at <= now) {
            return Some(Event::Timeout);
        }
        if trial.is_some_and(|at| at <= now) {
            return Some(Event::TrialDue);
        }
        let first = [shutdown, trial].into_iter().flatten().min();
        let left = first.map(|at| at - now);
        let timeout = left.map(|left| Timespec {
            tv_sec: left / 1000,
            tv_nsec: (left % 1000) * 1_000_000,
        });
        rustix::event::poll(&mut fds, timeout.as_ref()).ok()?;
        let at = fds.iter().position(|fd| !fd.revents().is_empty())?;
        Some(if at < first_client {
            events[at]
        } else {
            Event::Client(at - first_client)
        })
    }
}
