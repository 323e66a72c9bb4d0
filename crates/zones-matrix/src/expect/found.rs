//! What is wrong in a cell.

use super::Finder;
use crate::journal::{CheckResult, Status};
use crate::leftovers::{Finding, Weight};
use crate::run::{Attempt, CellRun};
use crate::verdict::Verdict;

/// One thing that is wrong.
pub(super) struct Found {
    pub(super) from: Finder,
    /// As lists name it: without what may be another number tomorrow.
    pub(super) short: String,
    /// As people read it.
    pub(super) long: String,
}

/// What is wrong in a cell; nothing where that says nothing: the matrix expects it to fail, or it
/// does not apply.
///
/// # Errors
/// Why nobody knows.
pub(super) fn found(cell: &CellRun) -> Result<Option<Vec<Found>>, String> {
    let Some(verdict) = cell.verdict else {
        return Err("the run did not come to it".to_owned());
    };
    let word = match cell.reason.as_str() {
        "" => verdict.name().to_owned(),
        reason => format!("{}: {reason}", verdict.name()),
    };
    match verdict {
        Verdict::Error | Verdict::Blocked | Verdict::Impure | Verdict::Cancelled => {
            return Err(word);
        }
        Verdict::Flaky => return Err("it failed, then passed".to_owned()),
        Verdict::Xpass => return Err("it passed, and is expected to fail".to_owned()),
        Verdict::Skip | Verdict::Xfail => return Ok(None),
        Verdict::Pass | Verdict::Fail | Verdict::Leftover | Verdict::Timeout => {}
    }
    let Some(last) = cell.last() else {
        return Err(word);
    };
    let skipped = |it: &&CheckResult| it.status == Status::Skip;
    if let Some(skipped) = last.checks.iter().find(skipped) {
        return Err(format!(
            "{} was skipped: {}",
            skipped.check, skipped.message
        ));
    }
    let mut all = steps(cell, last);
    for result in &last.checks {
        checked(result, &mut all);
    }
    if all.is_empty() && verdict != Verdict::Pass {
        let (short, long) = (word.clone(), word);
        let from = Finder::Cell;
        all.push(Found { from, short, long });
    }
    Ok(Some(all))
}

/// Steps that failed.
fn steps(cell: &CellRun, last: &Attempt) -> Vec<Found> {
    let failed = last.steps.iter().filter(|step| step.exit != Some(0));
    let failed = failed.map(|ran| {
        let name = cell.info.steps.get(usize::from(ran.step));
        let name = name.map_or_else(String::new, |step| step.name.clone());
        let short = match ran.exit {
            Some(status) => format!("exit status {status}"),
            None => "killed".to_owned(),
        };
        let long = match ran.log.error.as_str() {
            "" => short.clone(),
            error => format!("{short}: {error}"),
        };
        let from = Finder::Step(name);
        Found { from, short, long }
    });
    failed.collect()
}

/// Faults of a check; the message of a result that has none.
fn checked(result: &CheckResult, all: &mut Vec<Found>) {
    if result.status != Status::Fail {
        return;
    }
    let from = || Finder::Check(result.check.clone());
    let faults = result.findings.iter();
    let faults = faults.filter(|one| one.weight == Weight::Fault);
    let before = all.len();
    all.extend(faults.map(|one| Found {
        from: from(),
        short: short(one),
        long: one.to_string(),
    }));
    if all.len() == before {
        let (short, long) = (result.message.clone(), result.message.clone());
        let from = from();
        all.push(Found { from, short, long });
    }
}

fn short(one: &Finding) -> String {
    format!("{} {} {}", one.class.name(), one.subject.name(), one.name)
}
