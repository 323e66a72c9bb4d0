//! Long work on the screen: bars on a terminal, plain lines elsewhere; all of it in the log.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use zones_archive::{Phase, Progress};
use zones_sys::SignalFd;

/// Shows an installation as it goes.
pub(crate) struct Screen {
    log: Mutex<File>,
    bar: Mutex<Option<(Phase, ProgressBar)>>,
    started: Mutex<Vec<(Phase, Instant)>>,
    terminal: bool,
    signals: Option<SignalFd>,
    cancelled: AtomicBool,
}

/// How a phase reads on the screen, right-aligned like the classic lines, and its unit.
fn words(phase: Phase) -> (&'static str, bool) {
    match phase {
        Phase::Index => ("Catalog", true),
        Phase::Resolve => ("Resolve", false),
        Phase::Fetch => ("Download", true),
        Phase::Unpack => ("Unpack", true),
        Phase::Database => ("Database", false),
        Phase::Copy => ("Copy", false),
        Phase::Compare => ("Compare", false),
        Phase::Stream => ("Stream", true),
    }
}

impl Screen {
    /// Writes to standard output and to `log`. SIGINT and SIGTERM become a wish to stop.
    pub(crate) fn new(log: File) -> Self {
        Self {
            log: Mutex::new(log),
            bar: Mutex::new(None),
            started: Mutex::new(Vec::new()),
            terminal: std::io::stdout().is_terminal(),
            signals: SignalFd::new(&[2, 15]).ok(),
            cancelled: AtomicBool::new(false),
        }
    }

    /// One line, `label: text`, label right-aligned as in the classic transcripts.
    pub(crate) fn line(&self, label: &str, text: &str) {
        self.say(&format!("{label:>12}: {text}"));
    }

    /// One line as it is, above a bar, and into the log.
    pub(crate) fn say(&self, line: &str) {
        self.record(line);
        match self.bar.lock() {
            Ok(bar) if bar.is_some() => bar.iter().for_each(|(_, bar)| bar.println(line)),
            _ => println!("{line}"),
        }
    }

    /// Into the log alone.
    pub(crate) fn record(&self, line: &str) {
        if let Ok(mut log) = self.log.lock() {
            let _ = writeln!(log, "{line}");
        }
    }

    /// A second handle of the log, for the output of commands.
    pub(crate) fn log(&self) -> std::io::Result<File> {
        match self.log.lock() {
            Ok(log) => log.try_clone(),
            Err(_) => Err(std::io::Error::other("the log is not usable")),
        }
    }
}

impl Progress for Screen {
    fn begin(&self, phase: Phase, total: u64) {
        if let Ok(mut started) = self.started.lock() {
            started.push((phase, Instant::now()));
        }
        if !self.terminal {
            return;
        }
        let (label, bytes) = words(phase);
        let bar = if total == 0 {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::new(total)
        };
        let template = match (bytes, total) {
            (true, 0) => "{prefix:>12}: {spinner} {bytes}",
            (true, _) => "{prefix:>12}: [{bar:30}] {bytes}/{total_bytes}",
            (false, 0) => "{prefix:>12}: {spinner} {pos}",
            (false, _) => "{prefix:>12}: [{bar:30}] {pos}/{len}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label);
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some((phase, bar));
        }
    }

    fn advance(&self, phase: Phase, amount: u64) {
        if let Ok(slot) = self.bar.lock()
            && let Some((shown, bar)) = &*slot
            && *shown == phase
        {
            bar.inc(amount);
        }
    }

    fn end(&self, phase: Phase) {
        let since = self.started.lock().ok().and_then(|mut started| {
            let at = started.iter().rposition(|(begun, _)| *begun == phase)?;
            Some(started.remove(at).1)
        });
        if let Ok(mut slot) = self.bar.lock()
            && slot.as_ref().is_some_and(|(shown, _)| *shown == phase)
            && let Some((_, bar)) = slot.take()
        {
            bar.finish_and_clear();
        }
        let seconds = since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        self.line(words(phase).0, &format!("done in {seconds:.2} s"));
    }

    fn note(&self, text: &str) {
        self.line("Note", text);
    }

    fn cancelled(&self) -> bool {
        if self
            .signals
            .as_ref()
            .is_some_and(|signals| signals.next().is_some())
        {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// A copy that may take a while: a line when it begins, and SIGINT and SIGTERM end it in order.
pub(crate) struct Waiting {
    line: Option<String>,
    signals: Option<SignalFd>,
    cancelled: AtomicBool,
}

impl Waiting {
    /// `line` is printed when files are copied one by one.
    pub(crate) fn new(line: Option<String>) -> Self {
        Self {
            line,
            signals: SignalFd::new(&[2, 15]).ok(),
            cancelled: AtomicBool::new(false),
        }
    }
}

impl Progress for Waiting {
    fn begin(&self, phase: Phase, _total: u64) {
        if let (Phase::Copy, Some(line)) = (phase, &self.line) {
            println!("{line}");
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
