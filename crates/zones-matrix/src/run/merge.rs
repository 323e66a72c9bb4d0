//! Several runs as one: shares of a plan, or a run and those that went on with it.

use std::collections::BTreeMap;

use super::{CellRun, Run};
use crate::verdict::Ending;

/// Why runs cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("there is no run to merge")]
    Nothing,
    /// They are of different products.
    #[error("run `{run}` is of `{found}`, not of `{wanted}`; merge runs of one product")]
    Product {
        /// The run.
        run: String,
        /// Its product.
        found: String,
        /// The product of the first run.
        wanted: String,
    },
}

impl Run {
    /// Merges runs. A cell that several of them ran keeps the verdict of the last one that has one;
    /// attempts of a run that went on with another follow those of that other.
    ///
    /// # Errors
    ///
    /// [`MergeError`].
    pub fn merge(runs: Vec<Self>) -> Result<Self, MergeError> {
        let mut runs = runs.into_iter();
        let mut all = runs.next().ok_or(MergeError::Nothing)?;
        let cells = std::mem::take(&mut all.cells).into_iter();
        let mut known: BTreeMap<String, CellRun> =
            cells.map(|cell| (cell.info.id.clone(), cell)).collect();
        for run in runs {
            if run.head.name != all.head.name {
                return Err(MergeError::Product {
                    run: run.head.run,
                    found: run.head.name,
                    wanted: all.head.name,
                });
            }
            let goes_on = run.head.parent.as_ref() == Some(&all.head.run);
            for cell in run.cells {
                let id = cell.info.id.clone();
                let cell = match known.remove(&id) {
                    Some(before) => joined(before, cell, goes_on),
                    None => cell,
                };
                known.insert(id, cell);
            }
            all.ending = ending(all.ending, run.ending, goes_on);
            all.notes.extend(run.notes);
            all.micros = all.micros.max(run.micros);
            all.head.shard = None;
            if run.head.plan != all.head.plan {
                let text = format!("run {} has another plan", run.head.run);
                all.notes.push((0, text));
            }
        }
        all.cells = known.into_values().collect();
        Ok(all)
    }
}

/// A run that went on ends as its last part; shares end well only together.
fn ending(first: Option<Ending>, second: Option<Ending>, goes_on: bool) -> Option<Ending> {
    match (first, second) {
        (_, second) if goes_on => second,
        (Some(Ending::Complete), Some(Ending::Complete)) => Some(Ending::Complete),
        (None, _) | (_, None) => None,
        _ => Some(Ending::Interrupted),
    }
}

fn joined(before: CellRun, mut after: CellRun, goes_on: bool) -> CellRun {
    if after.verdict.is_none() && before.verdict.is_some() {
        return before;
    }
    if goes_on {
        // An attempt that a crash cut short is no attempt of the product.
        let kept = before.attempts.into_iter();
        let mut attempts: Vec<_> = kept.filter(|attempt| attempt.outcome.is_some()).collect();
        attempts.append(&mut after.attempts);
        after.attempts = attempts;
    }
    after
}
