//! What a journal says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::FlakyResult;
use crate::leftovers::Finding;
use crate::state::State;
use crate::verdict::{Ending, Outcome, Verdict};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds since the run began, by a clock that never goes back.
    pub at: u64,
    /// What happened.
    pub record: Record,
}

/// Before an act, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// About to be done: after a crash it may or may not have been.
    Intent,
    /// Done.
    Done,
}

/// The first record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Head {
    /// Version of the records.
    pub schema: u32,
    /// The id of the run.
    pub run: String,
    /// The product under test.
    pub name: String,
    /// Wall time of the beginning, ISO 8601 in UTC: to show, never to subtract.
    pub started: String,
    /// The run that this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The share of the plan, such as `2/8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The key of the plan.
    pub plan: String,
    /// The seed of everything by chance.
    pub seed: u64,
    /// More, for the report: versions, kernel, storage.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub host: Value,
}

/// A step of a cell as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// `install:new`.
    pub name: String,
    /// The command line.
    pub run: String,
}

/// A cell as planned: enough to report on it when it never ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CellInfo {
    /// Its id.
    pub id: String,
    /// Platform.
    pub platform: String,
    /// Option.
    pub option: String,
    /// Scenario.
    pub scenario: String,
    /// Its place in the order of the file.
    pub place: usize,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Steps.
    pub steps: Vec<StepInfo>,
    /// Names of its checks.
    pub checks: Vec<String>,
    /// The reason why a failure is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_fail: Option<String>,
    /// What a pass on a retry counts as.
    pub flaky_result: FlakyResult,
    /// Keys and settings, for the report.
    pub environment: Value,
}

/// How a check or a reported result ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// True.
    Pass,
    /// Not true.
    Fail,
    /// Could not be looked at.
    Skip,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Name of the check.
    pub check: String,
    /// How it ended.
    pub status: Status,
    /// One line on it; empty when it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The part of a log that reports show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Excerpt {
    /// The last lines, or those around the first error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The first line that looks like an error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The whole log, relative to the folder of the run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// The run began.
    Run(Head),
    /// A cell is part of the run.
    Cell(Box<CellInfo>),
    /// A cell changes its state.
    State {
        /// The cell.
        cell: String,
        /// The attempt, from 1.
        attempt: u32,
        /// Before or after.
        moment: Moment,
        /// The state it goes to.
        state: State,
    },
    /// A step ended.
    Step {
        /// The cell.
        cell: String,
        /// The attempt.
        attempt: u32,
        /// Its place, from 0.
        step: u16,
        /// Microseconds it took.
        micros: u64,
        /// Its exit status; `None` when it was killed or never started.
        exit: Option<i32>,
        /// Whether it took longer than it should.
        slow: bool,
        /// Whether another cell ran it, and this one took over its result.
        shared: bool,
        /// Of its log.
        log: Excerpt,
    },
    /// A check ended.
    Check {
        /// The cell.
        cell: String,
        /// The attempt.
        attempt: u32,
        /// What it found.
        result: CheckResult,
    },
    /// An attempt ended.
    Attempt {
        /// The cell.
        cell: String,
        /// The attempt.
        attempt: u32,
        /// What it came to.
        outcome: Outcome,
        /// One line on why, and in which layer.
        reason: String,
        /// The most memory it used, in bytes; 0 when not known.
        peak: u64,
    },
    /// A cell has its verdict.
    Verdict {
        /// The cell.
        cell: String,
        /// The verdict.
        verdict: Verdict,
        /// One line on why.
        reason: String,
    },
    /// Something about the run as a whole.
    Note {
        /// One line.
        text: String,
    },
    /// The run ended.
    End {
        /// How.
        ending: Ending,
    },
}

impl Record {
    /// The cell it is about.
    #[must_use]
    pub fn cell(&self) -> Option<&str> {
        match self {
            Self::State { cell, .. }
            | Self::Step { cell, .. }
            | Self::Check { cell, .. }
            | Self::Attempt { cell, .. }
            | Self::Verdict { cell, .. } => Some(cell),
            Self::Cell(info) => Some(&info.id),
            Self::Run(_) | Self::Note { .. } | Self::End { .. } => None,
        }
    }

    /// Whether it must be on disk before anything else is done.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Verdict { .. } | Self::End { .. })
    }
}
