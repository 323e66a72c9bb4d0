//! Cells: one platform, one option, one scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;

use crate::check::Check;
use crate::config::Settings;
use crate::key::Key;

/// One step of a cell, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As the scenario calls it: `install:new`.
    pub name: String,
    /// The artifact it works on.
    pub artifact: Option<String>,
    /// The command line, templates filled.
    pub run: String,
    /// Its place in the tree of steps.
    pub node: usize,
    /// Its own time limit, below that of the cell.
    pub timeout: Option<Duration>,
    /// Beyond this it is marked slow.
    pub slow_after: Duration,
}

/// A failure that is known, and until when it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Why it fails.
    pub reason: String,
    /// The last day on which that is accepted.
    pub until: Date,
}

/// One cell of the matrix.
#[derive(Debug, Clone)]
pub struct Cell {
    /// `PLATFORM/OPTION/SCENARIO`, with a suffix where the cell is an extra one.
    pub id: String,
    /// Place of the platform in the plan.
    pub platform: usize,
    /// Option.
    pub option: String,
    /// Scenario.
    pub scenario: String,
    /// Words that a selection may use: tags of the file, values on axes, names.
    pub tags: BTreeSet<String>,
    /// Limits and the like.
    pub settings: Settings,
    /// Variables of every step.
    pub env: Vec<(String, String)>,
    /// Services that must run.
    pub services: Vec<String>,
    /// Steps in their order.
    pub steps: Vec<Step>,
    /// What must be true afterwards.
    pub checks: Vec<Check>,
    /// Set where the cell may fail.
    pub expect_fail: Option<Expected>,
    /// Whether the rest waits for this cell to pass.
    pub touchstone: bool,
    /// Artifacts that are not in the store; the cell is blocked.
    pub missing: Vec<String>,
    /// The key of image, steps, checks and services: equal keys mean equal work.
    pub key: Key,
    /// Place in the order of the file.
    pub declared: usize,
}

impl Cell {
    /// What an id without suffix is.
    #[must_use]
    pub fn parts(&self) -> [&str; 3] {
        let platform = self.id.split('/').next().unwrap_or("");
        [platform, &self.option, &self.scenario]
    }
}
