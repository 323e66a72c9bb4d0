//! Two runs beside each other.

use crate::run::{CellRun, Run};
use crate::verdict::{Counts, Verdict};

/// What became of a cell from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Was fine, and fails.
    Broken,
    /// Failed, and still does.
    StillBroken,
    /// Failed, and is fine.
    Fixed,
    /// Was fine, and is.
    StillFine,
    /// Only in the second run.
    New,
    /// Only in the first run.
    Gone,
    /// Has no verdict in one of them.
    Unknown,
}

/// Two runs, cell by cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Id, what became of it, its verdicts before and after; by id.
    pub cells: Vec<(String, Change, Option<Verdict>, Option<Verdict>)>,
}

impl Comparison {
    /// Ids of the cells of which this became.
    pub fn of(&self, change: Change) -> impl Iterator<Item = &str> {
        let cells = self.cells.iter().filter(move |(_, own, ..)| *own == change);
        cells.map(|(id, ..)| id.as_str())
    }
}

/// Compares two runs; the first is the earlier one.
#[must_use]
pub fn compare(before: &Run, after: &Run) -> Comparison {
    let gone = before
        .cells
        .iter()
        .filter(|cell| after.cell(&cell.info.id).is_none());
    let gone = gone.map(|cell| (cell.info.id.clone(), Change::Gone, cell.verdict, None));
    let mut cells: Vec<_> = gone.collect();
    for cell in &after.cells {
        let earlier = before.cell(&cell.info.id);
        let verdict = earlier.and_then(|cell| cell.verdict);
        let change = change(earlier, cell);
        cells.push((cell.info.id.clone(), change, verdict, cell.verdict));
    }
    cells.sort_by(|a, b| a.0.cmp(&b.0));
    Comparison { cells }
}

fn change(before: Option<&CellRun>, after: &CellRun) -> Change {
    let Some(before) = before else {
        return Change::New;
    };
    match (is_broken(before), is_broken(after)) {
        (None, _) | (_, None) => Change::Unknown,
        (Some(false), Some(true)) => Change::Broken,
        (Some(true), Some(true)) => Change::StillBroken,
        (Some(true), Some(false)) => Change::Fixed,
        (Some(false), Some(false)) => Change::StillFine,
    }
}

/// `None` where the run says nothing about the product.
fn is_broken(cell: &CellRun) -> Option<bool> {
    match cell.verdict?.counts() {
        Counts::NotRun | Counts::TestBed => None,
        _ => Some(cell.is_failure()),
    }
}
