//! What an operation tells, on the screen: rewritten lines on a terminal, plain ones elsewhere.

use std::io::{IsTerminal, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use zones_image::apply::Phase;
use zones_image::{Download, Event};

use super::text::{megabytes, size};

/// How much is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing.
    Quiet,
    /// One line for each thing, for logs.
    Plain,
    /// Lines that change in place.
    Terminal,
}

/// Shows events.
pub(crate) struct Tracker {
    style: Style,
    state: Mutex<State>,
}

struct State {
    /// Heading and words of a stage that is under way.
    stage: Option<(&'static str, String, Instant)>,
    planning: Option<Instant>,
    download: Option<Instant>,
    apply: Option<(Phase, usize, Instant)>,
    actions: usize,
    actions_since: Option<Instant>,
    shown: Instant,
    has_table: bool,
}

/// Lines that change in place change at most this often.
const PAUSE: Duration = Duration::from_millis(100);
/// Plain lines come at most this often.
const PLAIN_PAUSE: Duration = Duration::from_secs(5);

impl Tracker {
    pub(crate) fn new(is_quiet: bool) -> Self {
        let style = match is_quiet {
            true => Style::Quiet,
            false if std::io::stdout().is_terminal() => Style::Terminal,
            false => Style::Plain,
        };
        Self::with(style)
    }

    pub(super) fn with(style: Style) -> Self {
        let state = State {
            stage: None,
            planning: None,
            download: None,
            apply: None,
            actions: 0,
            actions_since: None,
            shown: Instant::now() - PLAIN_PAUSE,
            has_table: false,
        };
        Self {
            style,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        if self.style == Style::Quiet {
            return;
        }
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let is_terminal = self.style == Style::Terminal;
        match event {
            Event::Refresh(publisher) => {
                state.begin(
                    "Startup",
                    format!("Refreshing catalog '{publisher}'"),
                    is_terminal,
                );
            }
            Event::Stage(stage) => {
                state.planning.get_or_insert_with(Instant::now);
                state.begin("Planning", stage.label().to_owned(), is_terminal);
            }
            Event::Manifests(done, total) => state.manifests(done, total, is_terminal),
            Event::Download(download) => state.download(&download, is_terminal),
            Event::Apply(progress) => {
                let row = (progress.phase, progress.done, progress.total);
                state.apply(row, is_terminal);
            }
            Event::Finish(finish) => {
                state.end_apply(is_terminal);
                state.begin("Finalize", finish.label().to_owned(), is_terminal);
            }
            Event::Verify(it) if is_terminal => {
                state.rewrite(&format!("{:<40} {:>7}/{}", "Verifying", it.done, it.total));
            }
            Event::Verify(..) => {}
        }
    }

    /// Planning is over: what was begun ends, and its time is told.
    pub(crate) fn planned(&self) {
        if self.style == Style::Quiet {
            return;
        }
        if let Ok(mut state) = self.state.lock() {
            state.end(self.style == Style::Terminal);
            if let Some(since) = state.planning.take()
                && self.style == Style::Plain
            {
                let seconds = since.elapsed().as_secs_f64();
                println!("Planning: Planning completed in {seconds:.2} seconds");
            }
        }
    }

    /// All is over.
    pub(crate) fn end(&self) {
        if self.style == Style::Quiet {
            return;
        }
        if let Ok(mut state) = self.state.lock() {
            state.end_apply(self.style == Style::Terminal);
            state.end(self.style == Style::Terminal);
            let _ = std::io::stdout().flush();
        }
    }
}

impl State {
    /// Begins a stage; the one before it ends.
    fn begin(&mut self, head: &'static str, words: String, is_terminal: bool) {
        self.end(is_terminal);
        if is_terminal {
            if head == "Finalize" {
                if !self.has_table {
                    println!("\n{:<40} {:>11}", "PHASE", "ITEMS");
                    self.has_table = true;
                }
            } else {
                self.rewrite(&format!("{head}: {words}"));
            }
        }
        self.stage = Some((head, words, Instant::now()));
    }

    fn end(&mut self, is_terminal: bool) {
        let Some((head, words, since)) = self.stage.take() else {
            return;
        };
        let seconds = since.elapsed().as_secs_f64();
        match (is_terminal, head) {
            (true, "Finalize") => println!("{words:<40} {:>11}", "Done"),
            (true, _) => self.rewrite(""),
            (false, "Startup") => println!("{head:>8}: {words} ... Done"),
            (false, _) => println!("{head:>8}: {words} ... Done ({seconds:.3}s)"),
        }
    }

    fn rewrite(&mut self, text: &str) {
        print!("\r\x1b[K{}", crate::plain::plain(text));
        let _ = std::io::stdout().flush();
    }

    /// Whether it is time to show something again.
    fn is_due(&mut self, is_terminal: bool) -> bool {
        let pause = if is_terminal { PAUSE } else { PLAIN_PAUSE };
        let is_due = self.shown.elapsed() >= pause;
        if is_due {
            self.shown = Instant::now();
        }
        is_due
    }

    fn manifests(&mut self, done: usize, total: usize, is_terminal: bool) {
        if done != total && !self.is_due(is_terminal) {
            return;
        }
        let percent = done * 100 / total.max(1);
        if is_terminal {
            self.rewrite(&format!(
                "Planning: Fetching manifests: {done}/{total}  {percent}% complete"
            ));
        } else {
            self.end(false);
            println!("Planning: Fetching manifests: {done}/{total}  {percent}% complete");
        }
    }

    fn download(&mut self, it: &Download<'_>, is_terminal: bool) {
        let is_first = self.download.is_none();
        let since = *self.download.get_or_insert_with(Instant::now);
        if it.files.1 == 0 {
            return;
        }
        let is_last = it.package.is_none();
        if !is_first && !is_last && !self.is_due(is_terminal) {
            return;
        }
        let seconds = since.elapsed().as_secs_f64().max(0.01);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = it.bytes.0 as f64 / seconds;
        if is_terminal {
            if is_first {
                println!(
                    "{:<34} {:>9} {:>13} {:>12} {:>7}",
                    "DOWNLOAD", "PKGS", "FILES", "XFER (MB)", "SPEED"
                );
            }
            let name = it.package.map_or("Completed", |fmri| fmri.stem().as_str());
            let packages = format!("{}/{}", it.packages.0, it.packages.1);
            let files = format!("{}/{}", it.files.0, it.files.1);
            let bytes = format!("{}/{}", megabytes(it.bytes.0), megabytes(it.bytes.1));
            let speed = format!("{}/s", short(rate));
            self.rewrite(&format!(
                "{name:<34.34} {packages:>9} {files:>13} {bytes:>12} {speed:>7}"
            ));
            if is_last {
                println!();
            }
        } else if is_last {
            println!(
                "Download: Completed {} in {seconds:.2} seconds ({}/s)",
                size(it.bytes.1),
                short(rate)
            );
        } else {
            let percent = it.bytes.0 * 100 / it.bytes.1.max(1);
            println!(
                "Download: {}/{} items  {}/{}MB  {percent}% complete ",
                it.files.0,
                it.files.1,
                megabytes(it.bytes.0),
                megabytes(it.bytes.1)
            );
        }
    }

    fn apply(&mut self, (phase, done, total): (Phase, usize, usize), is_terminal: bool) {
        if total == 0 {
            return;
        }
        self.actions_since.get_or_insert_with(Instant::now);
        let is_new = self.apply.is_none_or(|(old, ..)| old != phase);
        if is_new {
            self.actions += total;
        }
        self.apply = Some((phase, done, Instant::now()));
        let is_last = done == total;
        if is_terminal {
            if !self.has_table {
                println!("\n{:<40} {:>11}", "PHASE", "ITEMS");
                self.has_table = true;
            }
            if is_new || is_last || self.is_due(true) {
                let items = format!("{done}/{total}");
                self.rewrite(&format!("{:<40} {items:>11}", phase.label()));
            }
            if is_last {
                println!();
            }
        } else if is_new || self.is_due(false) {
            println!(" Actions: {done:>2}/{total} actions ({})", phase.label());
        }
    }

    fn end_apply(&mut self, is_terminal: bool) {
        if let Some(since) = self.actions_since.take()
            && !is_terminal
        {
            let seconds = since.elapsed().as_secs_f64();
            println!(
                " Actions: Completed {} actions in {seconds:.2} seconds.",
                self.actions
            );
        }
        self.apply = None;
    }
}

/// A rate with one digit behind the point and its unit: `1.4M`.
fn short(rate: f64) -> String {
    let units = ["B", "k", "M", "G"];
    let mut rate = rate;
    let mut unit = 0;
    while rate >= 1024.0 && unit + 1 < units.len() {
        rate /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{rate:.0}B"),
        _ => format!("{rate:.1}{}", units[unit]),
    }
}
