//! How far a stream is, on the terminal of standard error; elsewhere nothing.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::event::{PollFd, PollFlags, poll};
use zones_archive::{Phase, Progress};
use zones_sys::SignalFd;

pub(super) struct Meter {
    label: &'static str,
    terminal: bool,
    bar: Mutex<Option<ProgressBar>>,
    signals: Option<SignalFd>,
    cancelled: AtomicBool,
}

impl Meter {
    /// SIGINT and SIGTERM become a wish to stop.
    pub(super) fn new(label: &'static str) -> Self {
        Self {
            label,
            terminal: std::io::stderr().is_terminal(),
            bar: Mutex::new(None),
            signals: SignalFd::new(&[2, 15]).ok(),
            cancelled: AtomicBool::new(false),
        }
    }
}

impl Progress for Meter {
    fn begin(&self, phase: Phase, _total: u64) {
        if !self.terminal || phase != Phase::Stream {
            return;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:>12}: {spinner} {bytes} {bytes_per_sec}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(self.label);
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some(bar);
        }
    }

    fn advance(&self, phase: Phase, amount: u64) {
        if phase == Phase::Stream
            && let Ok(slot) = self.bar.lock()
            && let Some(bar) = &*slot
        {
            bar.inc(amount);
        }
    }

    fn end(&self, phase: Phase) {
        if phase == Phase::Stream
            && let Ok(mut slot) = self.bar.lock()
            && let Some(bar) = slot.take()
        {
            bar.finish_and_clear();
        }
    }

    fn cancelled(&self) -> bool {
        let signals = self.signals.as_ref();
        if signals.is_some_and(|signals| signals.next().is_some()) {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Reads a file or a pipe; a signal ends the wait for bytes that do not come.
pub(super) struct Patient<'a> {
    pub(super) from: File,
    pub(super) meter: &'a Meter,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(signals) = &self.meter.signals {
            let mut both = [
                PollFd::from_borrowed_fd(self.from.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            ];
            poll(&mut both, None)?;
        }
        if self.meter.cancelled() {
            return Err(io::Error::other("stopped"));
        }
        self.from.read(buffer)
    }
}
