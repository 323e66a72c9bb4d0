//! A run as it goes: lines, a picture on a terminal, or events for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zones_matrix::journal::{Line, Moment, Record};
use zones_matrix::{Counts, History, State, Verdict};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A line for each verdict.
    Lines,
    /// A picture that is drawn again.
    Picture,
    /// Each record as JSON.
    Json,
}

impl Style {
    /// What `--message-format` and the terminal ask for.
    pub(super) fn of(format: Option<&str>) -> Result<Self, String> {
        match format {
            Some("json") => Ok(Self::Json),
            None | Some("human") if std::io::stdout().is_terminal() => Ok(Self::Picture),
            None | Some("human") => Ok(Self::Lines),
            Some(other) => Err(format!("unknown format `{other}`; known: human, json")),
        }
    }
}

/// The picture is drawn at most this often.
const FRAME: Duration = Duration::from_millis(100);
const BAR: usize = 60;
/// Cells that run, of which a line is shown.
const ROWS: usize = 12;

/// Shows a run.
pub(super) struct Screen<'a> {
    style: Style,
    title: String,
    history: &'a History,
    state: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    cells: BTreeMap<String, Vec<String>>,
    running: BTreeMap<String, (State, Duration)>,
    done: BTreeMap<Verdict, usize>,
    count: usize,
    drawn: usize,
    drawn_at: Option<Duration>,
}

/// What a cell of these steps does, in this state.
pub(super) fn doing(state: State, steps: &[&str]) -> String {
    match state {
        State::Step(at) => {
            let name = steps.get(usize::from(at)).copied().unwrap_or_default();
            format!("step {}/{} {name}", at + 1, steps.len())
        }
        state => format!("{state:?}").to_lowercase(),
    }
}

impl<'a> Screen<'a> {
    pub(super) fn new(style: Style, title: String, history: &'a History) -> Self {
        Self {
            style,
            title,
            history,
            state: Mutex::default(),
        }
    }

    /// Takes a record of the journal.
    pub(super) fn see(&self, at: Duration, record: &Record) {
        let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.style == Style::Json {
            let line = Line {
                at: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
                record: record.clone(),
            };
            println!("{}", serde_json::to_string(&line).unwrap_or_default());
            return;
        }
        let line = seen.take(at, record);
        if self.style == Style::Lines {
            if let Some(line) = line {
                println!("{line}");
            }
            return;
        }
        let is_due = seen
            .drawn_at
            .is_none_or(|last| at.saturating_sub(last) >= FRAME);
        if line.is_some() || is_due {
            seen.drawn_at = Some(at);
            self.draw(&mut seen, at, line.as_deref());
        }
    }

    /// The picture as it is now, when nothing happened.
    pub(super) fn refresh(&self, at: Duration) {
        if self.style == Style::Picture {
            let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            seen.drawn_at = Some(at);
            self.draw(&mut seen, at, None);
        }
    }

    /// A line of who makes an image.
    pub(super) fn say(&self, platform: &str, text: &str) {
        if self.style != Style::Json {
            println!("{platform}: {text}");
        }
    }

    /// The last picture goes.
    pub(super) fn end(&self) {
        let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.drawn > 0 {
            print!("\x1b[{}A\x1b[J", seen.drawn);
            seen.drawn = 0;
            let _ = std::io::stdout().flush();
        }
    }

    fn draw(&self, seen: &mut Seen, now: Duration, line: Option<&str>) {
        let mut text = String::new();
        if seen.drawn > 0 {
            let _ = write!(text, "\x1b[{}A\x1b[J", seen.drawn);
        }
        if let Some(line) = line {
            text += line;
            text.push('\n');
        }
        let body = self.picture(seen, now);
        seen.drawn = body.lines().count();
        text += &body;
        print!("{text}");
        let _ = std::io::stdout().flush();
    }

    fn picture(&self, seen: &Seen, now: Duration) -> String {
        let done: usize = seen.done.values().sum();
        let filled = BAR * done / seen.count.max(1);
        let eta = match self.left(seen, now) {
            Some(left) => format!("  eta {}", clock(left)),
            None => String::new(),
        };
        let mut text = format!(
            "{}  {} cells  {}{eta}\n[{}{}]  {done}/{}  {}  {} run\n",
            self.title,
            seen.count,
            clock(now),
            "#".repeat(filled),
            ".".repeat(BAR - filled),
            seen.count,
            seen.totals(),
            seen.running.len(),
        );
        for (id, (state, since)) in seen.running.iter().take(ROWS) {
            let steps = seen.cells.get(id);
            let steps: Vec<&str> = steps
                .iter()
                .copied()
                .flatten()
                .map(String::as_str)
                .collect();
            let doing = doing(*state, &steps);
            let usual = match self.history.micros.get(id) {
                Some(micros) => format!(" (usual {})", words(Duration::from_micros(*micros))),
                None => String::new(),
            };
            let took = words(now.saturating_sub(*since));
            let _ = writeln!(text, "  run  {id:40} {doing:28} {took}{usual}");
        }
        text
    }

    /// Time that is left, by the pace so far.
    fn left(&self, seen: &Seen, now: Duration) -> Option<Duration> {
        let done = u32::try_from(seen.done.values().sum::<usize>()).ok()?;
        let all = u32::try_from(seen.count).ok()?;
        (done > 0).then(|| now / done * all.saturating_sub(done))
    }
}

impl Seen {
    /// What is worth a line of its own.
    fn take(&mut self, at: Duration, record: &Record) -> Option<String> {
        match record {
            Record::Cell(info) => {
                let steps = info.steps.iter().map(|step| step.name.clone());
                self.cells.insert(info.id.clone(), steps.collect());
                self.count += 1;
                None
            }
            Record::State {
                cell,
                state,
                moment: Moment::Intent,
                ..
            } => {
                if matches!(state, State::Destroying | State::Done) {
                    self.running.remove(cell);
                } else {
                    let row = self.running.entry(cell.clone()).or_insert((*state, at));
                    row.0 = *state;
                }
                None
            }
            Record::Verdict {
                cell,
                verdict,
                reason,
            } => {
                let since = self.running.remove(cell).map(|(_, since)| since);
                *self.done.entry(*verdict).or_default() += 1;
                let took = since.map(|since| format!("  {}", words(at.saturating_sub(since))));
                let reason = match reason.as_str() {
                    "" => String::new(),
                    reason => format!("  {reason}"),
                };
                let word = word(*verdict);
                Some(format!(
                    "{word:5} {cell}{reason}{}",
                    took.unwrap_or_default()
                ))
            }
            Record::Note { text } => Some(format!("note  {text}")),
            _ => None,
        }
    }

    fn totals(&self) -> String {
        let parts = self
            .done
            .iter()
            .map(|(verdict, count)| format!("{count} {}", verdict.name()));
        parts.collect::<Vec<_>>().join("  ")
    }
}

/// What is bad is written large.
fn word(verdict: Verdict) -> String {
    let name = match verdict {
        Verdict::Leftover => "left",
        verdict => verdict.name(),
    };
    match verdict.counts() {
        Counts::Ok | Counts::NotRun => name.to_owned(),
        _ => name.to_uppercase(),
    }
}

/// `41s`, `0.12s`, `3m10s`.
pub(super) fn words(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.2}s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds}s"),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
