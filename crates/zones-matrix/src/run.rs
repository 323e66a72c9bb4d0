//! A run as its journal tells it: what every report is made from.

mod cell;
mod merge;

use std::collections::BTreeMap;

use crate::config::FlakyResult;
use crate::journal::{CellInfo, Head, Journal, Line, Record, StepInfo, Tail};
use crate::plan::Plan;
use crate::verdict::{Counts, Ending, Verdict, exit_status};

pub use cell::{Attempt, CellRun, StepRun};
pub use merge::MergeError;

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it is.
    pub head: Head,
    /// Its cells by id.
    pub cells: Vec<CellRun>,
    /// How it ended; `None` when its runner died.
    pub ending: Option<Ending>,
    /// Notes on the whole, with their microseconds.
    pub notes: Vec<(u64, String)>,
    /// Microseconds from its beginning to its last record.
    pub micros: u64,
    /// How its journal ends.
    pub tail: Tail,
}

/// Which cells another run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Those without a verdict, and those that were cancelled.
    Unfinished,
    /// Those, and all whose verdict is no success.
    Failed,
}

impl Run {
    /// What a journal tells. Records of cells that the journal did not announce are left out.
    #[must_use]
    pub fn from_journal(journal: &Journal) -> Option<Self> {
        let Some(Record::Run(head)) = journal.lines.first().map(|line| &line.record) else {
            return None;
        };
        let mut cells: BTreeMap<String, CellRun> = BTreeMap::new();
        let (mut ending, mut notes) = (None, Vec::new());
        for Line { at, record } in &journal.lines {
            match record {
                Record::Run(_) => {}
                Record::Cell(info) => {
                    cells.insert(info.id.clone(), CellRun::new((**info).clone()));
                }
                Record::Note { text } => notes.push((*at, text.clone())),
                Record::End { ending: how } => ending = Some(*how),
                record => {
                    if let Some(cell) = record.cell().and_then(|id| cells.get_mut(id)) {
                        cell.take(*at, record);
                    }
                }
            }
        }
        Some(Self {
            head: head.clone(),
            cells: cells.into_values().collect(),
            ending,
            notes,
            micros: journal.lines.last().map_or(0, |line| line.at),
            tail: journal.tail,
        })
    }

    /// The cell of an id.
    #[must_use]
    pub fn cell(&self, id: &str) -> Option<&CellRun> {
        let at = self
            .cells
            .binary_search_by(|cell| cell.info.id.as_str().cmp(id))
            .ok()?;
        Some(&self.cells[at])
    }

    /// How many cells have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cells
            .iter()
            .filter(|cell| cell.verdict == Some(verdict))
            .count()
    }

    /// Attempts after the first, over all cells.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.cells
            .iter()
            .map(|cell| cell.attempts.len().saturating_sub(1))
            .sum()
    }

    /// Cells that were running when the runner died: whoever goes on must look for their zones.
    pub fn stopped_in(&self) -> impl Iterator<Item = &CellRun> {
        let cells = self.cells.iter();
        cells.filter(|cell| cell.verdict.is_none() && cell.state.is_running())
    }

    /// Ids of the cells that another run does.
    pub fn again(&self, which: Again) -> impl Iterator<Item = &str> {
        let is_wanted = move |cell: &&CellRun| match (cell.verdict, which) {
            (None | Some(Verdict::Cancelled), _) => true,
            (Some(_), Again::Unfinished) => false,
            (Some(verdict), Again::Failed) => verdict.is_retried_by_failed(),
        };
        self.cells
            .iter()
            .filter(is_wanted)
            .map(|cell| cell.info.id.as_str())
    }

    /// The exit status. A run whose runner died is as one that was interrupted.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        let verdicts = self.cells.iter().map(|cell| {
            let verdict = cell.verdict.unwrap_or(Verdict::Cancelled);
            (verdict, cell.info.flaky_result)
        });
        exit_status(verdicts, self.ending.unwrap_or(Ending::Interrupted))
    }

    /// Whether everything is fine.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.exit_status() == 0
    }
}

impl CellRun {
    /// Whether the cell makes the run fail.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self.verdict.map(Verdict::counts) {
            None | Some(Counts::Ok | Counts::NotRun) => false,
            Some(Counts::Flaky) => self.info.flaky_result == FlakyResult::Fail,
            Some(Counts::Fail | Counts::Leftover | Counts::TestBed) => true,
        }
    }
}

impl Plan {
    /// The records that announce the cells of these places, in the order of their ids.
    pub fn announce<'a>(&'a self, places: &'a [usize]) -> impl Iterator<Item = Record> + 'a {
        places
            .iter()
            .map(|&at| Record::Cell(Box::new(self.info(at))))
    }

    fn info(&self, at: usize) -> CellInfo {
        let cell = &self.cells[at];
        let platform = self.platform(cell);
        let steps = cell.steps.iter().map(|step| StepInfo {
            name: step.name.clone(),
            run: step.run.clone(),
        });
        CellInfo {
            id: cell.id.clone(),
            platform: platform.id.clone(),
            option: cell.option.clone(),
            scenario: cell.scenario.clone(),
            place: cell.declared,
            tags: cell.tags.iter().cloned().collect(),
            steps: steps.collect(),
            checks: cell.checks.iter().map(ToString::to_string).collect(),
            expect_fail: cell
                .expect_fail
                .as_ref()
                .map(|expected| expected.reason.clone()),
            flaky_result: cell.settings.flaky_result,
            environment: serde_json::json!({
                "cell": cell.key.to_string(),
                "image": platform.image.key.to_string(),
                "brand": platform.brand,
                "clock": cell.settings.clock.to_json(),
                "boot": cell.settings.to_json()["boot"],
                "network": cell.settings.to_json()["network"],
                "memory": cell.settings.memory.0,
                "env": cell.env,
            }),
        }
    }
}
