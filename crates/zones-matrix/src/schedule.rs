//! Which cell starts next, as a state machine: events in, decisions out. It has no thread and no
//! clock; whoever runs it says what happened and what time it is.
//!
//! What it promises: the memory of the cells that run never exceeds the budget and their number
//! never the jobs, unless a single cell alone is larger than the budget, which is refused at the
//! start; every cell gets an outcome; equal events give equal decisions.

mod backoff;
mod task;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::verdict::{Outcome, Verdict, judge};

pub use backoff::delay;
pub use task::{Task, TaskError, tasks};

/// What a schedule may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Cells at a time; at least one.
    pub jobs: u32,
    /// Memory of all cells that run, in bytes.
    pub memory: u64,
    /// Failures after which no cell starts; 0 is never.
    pub max_fail: u32,
    /// The seed of jitter.
    pub seed: u64,
}

/// Memory pressure, as a percentage of time in which some task waited for memory, beyond which no
/// cell starts. Source: kernel documentation, "PSI - Pressure Stall Information".
pub const PRESSURE_MAX: u32 = 20;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start an attempt at a task.
    Start {
        /// Place of the task.
        task: usize,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// Nothing can start before something ends.
    Wait,
    /// Nothing can start before this time; ask again then, or when something ends.
    WaitUntil(Duration),
    /// Every task has its verdict.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for its prefix, the touchstones, or its time.
    Waiting {
        since: Duration,
    },
    Running {
        alone: bool,
    },
    Done(Verdict),
}

#[derive(Debug, Clone)]
struct Entry {
    phase: Phase,
    attempts: Vec<Outcome>,
    /// Runs only when nothing else does: the host killed it under pressure.
    alone: bool,
}

/// The schedule of a run.
#[derive(Debug, Clone)]
pub struct Schedule {
    tasks: Vec<Task>,
    entries: Vec<Entry>,
    limits: Limits,
    /// Memory of what runs.
    used: u64,
    running: u32,
    failures: u32,
    pressure: u32,
    stopped: bool,
    /// Places of tasks by the node whose snapshot they make.
    makers: BTreeMap<usize, usize>,
}

impl Schedule {
    /// A schedule of tasks in the order in which they should start.
    ///
    /// # Errors
    ///
    /// [`TaskError`] for a task that can never start.
    pub fn new(tasks: Vec<Task>, limits: Limits) -> Result<Self, TaskError> {
        task::check(&tasks, limits)?;
        let since = Duration::ZERO;
        let entry = Entry {
            phase: Phase::Waiting { since },
            attempts: Vec::new(),
            alone: false,
        };
        let entries = vec![entry; tasks.len()];
        let makers = tasks.iter().enumerate().rev();
        let makers = makers.flat_map(|(at, task)| task.makes.iter().map(move |node| (*node, at)));
        let makers = makers.collect();
        Ok(Self {
            tasks,
            entries,
            limits,
            used: 0,
            running: 0,
            failures: 0,
            pressure: 0,
            stopped: false,
            makers,
        })
    }

    /// What to do now. Ask again after every start, until it says to wait.
    pub fn next(&mut self, now: Duration) -> Decision {
        self.cancel_what_cannot_run();
        if self
            .entries
            .iter()
            .all(|entry| matches!(entry.phase, Phase::Done(_)))
        {
            return Decision::Finished;
        }
        let mut earliest: Option<Duration> = None;
        if self.running < self.limits.jobs && !self.is_held_back() {
            let released = self.touchstones_passed();
            for at in 0..self.tasks.len() {
                let Phase::Waiting { since } = self.entries[at].phase else {
                    continue;
                };
                if !(released || self.tasks[at].touchstone) || !self.may_start(at) {
                    continue;
                }
                if since > now {
                    earliest = Some(earliest.map_or(since, |known| known.min(since)));
                    continue;
                }
                return self.start(at);
            }
        }
        match earliest {
            Some(time) => Decision::WaitUntil(time),
            None => Decision::Wait,
        }
    }

    fn start(&mut self, at: usize) -> Decision {
        let entry = &mut self.entries[at];
        let alone = entry.alone;
        entry.phase = Phase::Running { alone };
        self.used += self.tasks[at].memory;
        self.running += 1;
        let attempt = u32::try_from(entry.attempts.len() + 1).unwrap_or(u32::MAX);
        Decision::Start { task: at, attempt }
    }

    /// Under pressure, or while a cell must be alone, nothing starts beside what runs.
    fn is_held_back(&self) -> bool {
        let alone = |entry: &Entry| entry.phase == (Phase::Running { alone: true });
        let pressed = self.pressure > PRESSURE_MAX && self.running > 0;
        pressed || self.entries.iter().any(alone)
    }

    fn may_start(&self, at: usize) -> bool {
        let task = &self.tasks[at];
        let fits = self.limits.memory.saturating_sub(self.used) >= task.memory;
        let room = !self.entries[at].alone || self.running == 0;
        fits && room && self.prefix_is_made(at)
    }

    /// Touchstones may always start; the rest when all of them passed.
    fn touchstones_passed(&self) -> bool {
        self.tasks.iter().zip(&self.entries).all(|(task, entry)| {
            !task.touchstone || matches!(entry.phase, Phase::Done(verdict) if is_good(verdict))
        })
    }

    /// A task that starts from a snapshot waits while the first task that makes it is on its way.
    /// When that one failed, it makes the steps itself. It waits for earlier tasks only, and a
    /// touchstone for touchstones only, so no two tasks wait for each other.
    fn prefix_is_made(&self, at: usize) -> bool {
        let Some(node) = self.tasks[at].starts_from else {
            return true;
        };
        match self.makers.get(&node) {
            Some(&maker)
                if maker < at && self.tasks[maker].touchstone >= self.tasks[at].touchstone =>
            {
                matches!(self.entries[maker].phase, Phase::Done(_))
            }
            _ => true,
        }
    }

    /// Says how an attempt ended. The task gets its verdict, or waits for its next attempt.
    pub fn ended(&mut self, task: usize, outcome: Outcome, now: Duration) -> Option<Verdict> {
        if !matches!(self.entries[task].phase, Phase::Running { .. }) {
            return None;
        }
        self.used -= self.tasks[task].memory;
        self.running -= 1;
        let entry = &mut self.entries[task];
        entry.attempts.push(outcome);
        let rule = &self.tasks[task];
        let tried = u32::try_from(entry.attempts.len()).unwrap_or(u32::MAX);
        let again = !self.stopped && tried <= rule.retries.count && rule.is_retried(outcome);
        if again {
            entry.alone |= outcome == Outcome::Error;
            let wait = delay(&rule.retries, tried, self.limits.seed, &rule.id);
            let since = now.saturating_add(wait);
            entry.phase = Phase::Waiting { since };
            return None;
        }
        let verdict = judge(&entry.attempts, rule.expected_to_fail)?;
        entry.phase = Phase::Done(verdict);
        self.failures += u32::from(!is_good(verdict));
        let limit = self.limits.max_fail;
        self.stopped |= limit > 0 && self.failures >= limit;
        Some(verdict)
    }

    /// Says how high the memory pressure of the host is, in hundredths of the time.
    pub fn pressure(&mut self, percent: u32) {
        self.pressure = percent;
    }

    /// Starts nothing more; what runs goes on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// The verdict of a task; `None` while it has none.
    #[must_use]
    pub fn verdict(&self, task: usize) -> Option<Verdict> {
        match self.entries[task].phase {
            Phase::Done(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// The task of a place.
    #[must_use]
    pub fn task(&self, place: usize) -> &Task {
        &self.tasks[place]
    }

    /// Memory of what runs, in bytes, and how many run.
    #[must_use]
    pub fn load(&self) -> (u64, u32) {
        (self.used, self.running)
    }

    fn cancel_what_cannot_run(&mut self) {
        for (task, entry) in self.tasks.iter().zip(&mut self.entries) {
            if task.blocked && matches!(entry.phase, Phase::Waiting { .. }) {
                // That a release was never made is how such a failure is most often expected.
                entry.phase = Phase::Done(match task.expected_to_fail {
                    true => Verdict::Xfail,
                    false => Verdict::Blocked,
                });
            }
        }
        let is_bad =
            |entry: &Entry| matches!(entry.phase, Phase::Done(verdict) if !is_good(verdict));
        let mut pairs = self.tasks.iter().zip(&self.entries);
        let touchstone_failed = pairs.any(|(task, entry)| task.touchstone && is_bad(entry));
        for (task, entry) in self.tasks.iter().zip(&mut self.entries) {
            let Phase::Waiting { .. } = entry.phase else {
                continue;
            };
            if self.stopped || (touchstone_failed && !task.touchstone) {
                // A cell between two attempts keeps what the first one came to.
                let verdict = judge(&entry.attempts, task.expected_to_fail);
                entry.phase = Phase::Done(verdict.unwrap_or(Verdict::Cancelled));
            }
        }
    }
}

/// Whether a verdict lets others go on: a known failure is no surprise, a skip no failure.
fn is_good(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Pass | Verdict::Flaky | Verdict::Xfail | Verdict::Skip
    )
}
