//! Reports, all made from what a journal tells.
//!
//! A report never decides anything: verdicts and totals come from [`Run`], so all forms agree.

mod compare;
mod html;
mod json;
mod junit;
mod markdown;
mod same;
mod tap;

pub use compare::{Change, Comparison, compare};
pub use html::{Page, html};
pub use json::{REPORT_SCHEMA, json};
pub use junit::{JunitError, junit};
pub use markdown::{annotation, markdown};
pub use tap::tap;

use crate::run::{CellRun, Run};
use crate::verdict::Verdict;

/// `181 pass, 2 fail, 1 leftover, 8 not run`: what is not zero, in the order of the verdicts.
#[must_use]
pub fn totals(run: &Run) -> String {
    let mut parts: Vec<String> = Verdict::all()
        .map(|verdict| (run.count(verdict), verdict.name()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let open = run
        .cells
        .iter()
        .filter(|cell| cell.verdict.is_none())
        .count();
    if open > 0 {
        parts.push(format!("{open} not run"));
    }
    if parts.is_empty() {
        return "no cells".to_owned();
    }
    parts.join(", ")
}

/// The name of a cell's verdict, also when it has none.
fn verdict_name(cell: &CellRun) -> &'static str {
    cell.verdict.map_or("not-run", Verdict::name)
}

/// What a cell's failure is put down to: the error line, else the reason.
fn why(cell: &CellRun) -> &str {
    match cell.error() {
        "" => &cell.reason,
        error => error,
    }
}
