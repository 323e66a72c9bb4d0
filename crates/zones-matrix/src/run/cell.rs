//! A cell as the journal tells it.

use crate::journal::{CellInfo, CheckResult, Excerpt, Moment, Record, Status};
use crate::state::State;
use crate::verdict::{Outcome, Verdict};

/// A step of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRun {
    /// Its place, from 0.
    pub step: u16,
    /// Microseconds it took.
    pub micros: u64,
    /// When it ended, in microseconds since the run began.
    pub ended: u64,
    /// Its exit status.
    pub exit: Option<i32>,
    /// Whether it was slow.
    pub slow: bool,
    /// Whether another cell ran it.
    pub shared: bool,
    /// Of its log.
    pub log: Excerpt,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// When it began, in microseconds since the run began.
    pub began: u64,
    /// When the journal last spoke of it.
    pub ended: u64,
    /// Steps that ended.
    pub steps: Vec<StepRun>,
    /// Checks that ended.
    pub checks: Vec<CheckResult>,
    /// What it came to; `None` when the runner died.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: String,
    /// The most memory it used, in bytes; 0 when not known.
    pub peak: u64,
}

/// A cell of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRun {
    /// As planned.
    pub info: CellInfo,
    /// The last state that the journal knows.
    pub state: State,
    /// Whether that state was only about to be.
    pub moment: Moment,
    /// Its tries.
    pub attempts: Vec<Attempt>,
    /// Its verdict.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: String,
}

impl CellRun {
    pub(super) fn new(info: CellInfo) -> Self {
        Self {
            info,
            state: State::Planned,
            moment: Moment::Done,
            attempts: Vec::new(),
            verdict: None,
            reason: String::new(),
        }
    }

    /// Microseconds of all attempts.
    #[must_use]
    pub fn micros(&self) -> u64 {
        let attempts = self.attempts.iter();
        attempts
            .map(|attempt| attempt.ended.saturating_sub(attempt.began))
            .sum()
    }

    /// The last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The line that tells best why it failed; empty when nothing did.
    #[must_use]
    pub fn error(&self) -> &str {
        let mut attempts = self.attempts.iter().rev();
        let Some(attempt) = attempts.find(|attempt| attempt.outcome != Some(Outcome::Pass)) else {
            return "";
        };
        let mut checks = attempt.checks.iter();
        let check = checks.find(|check| check.status == Status::Fail);
        let step = attempt.steps.last().map(|step| step.log.error.as_str());
        let texts = [check.map(|check| check.message.as_str()), step];
        let mut texts = texts.into_iter().flatten().chain([attempt.reason.as_str()]);
        texts.find(|text| !text.is_empty()).unwrap_or("")
    }

    fn has_begun_after(&self, attempt: u32) -> bool {
        u32::try_from(self.attempts.len()).is_ok_and(|count| count > attempt)
    }

    pub(super) fn take(&mut self, at: u64, record: &Record) {
        match record {
            // Zones are removed beside what runs: the cell may be elsewhere long since.
            Record::State {
                state: State::Destroying,
                attempt,
                ..
            } if self.verdict.is_some() || self.has_begun_after(*attempt) => {}
            Record::State {
                attempt,
                moment,
                state,
                ..
            } => {
                (self.state, self.moment) = (*state, *moment);
                if state.is_running() {
                    self.attempt(*attempt, at);
                }
            }
            Record::Step {
                attempt,
                step,
                micros,
                exit,
                slow,
                shared,
                log,
                ..
            } => self.attempt(*attempt, at).steps.push(StepRun {
                step: *step,
                micros: *micros,
                ended: at,
                exit: *exit,
                slow: *slow,
                shared: *shared,
                log: log.clone(),
            }),
            Record::Check {
                attempt, result, ..
            } => self.attempt(*attempt, at).checks.push(result.clone()),
            Record::Attempt {
                attempt,
                outcome,
                reason,
                peak,
                ..
            } => {
                let known = self.attempt(*attempt, at);
                known.outcome = Some(*outcome);
                known.reason.clone_from(reason);
                known.peak = *peak;
            }
            Record::Verdict {
                verdict, reason, ..
            } => {
                self.verdict = Some(*verdict);
                self.reason.clone_from(reason);
                self.state = State::Done;
            }
            Record::Run(_) | Record::Cell(_) | Record::Note { .. } | Record::End { .. } => {}
        }
    }

    /// The attempt of a number, from 1. Attempts follow each other, so a number that leaves some
    /// out is that of the next one.
    fn attempt(&mut self, number: u32, at: u64) -> &mut Attempt {
        let number = usize::try_from(number.max(1)).unwrap_or(usize::MAX);
        if number > self.attempts.len() {
            self.attempts.push(Attempt {
                began: at,
                ..Attempt::default()
            });
        }
        let place = number.min(self.attempts.len()) - 1;
        let attempt = &mut self.attempts[place];
        attempt.ended = at;
        attempt
    }
}
