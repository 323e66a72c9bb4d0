//! What is scheduled: one task for each cell.

use std::collections::BTreeSet;

use zones_types::Bytes;

use super::Limits;
use crate::config::{Retries, RetryOn};
use crate::plan::{History, Plan};
use crate::verdict::Outcome;

/// A cell as the schedule sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Id of the cell.
    pub id: String,
    /// Memory it counts for, in bytes.
    pub memory: u64,
    /// When it is tried again.
    pub retries: Retries,
    /// Whether a failure is expected.
    pub expected_to_fail: bool,
    /// Whether the rest waits for it.
    pub touchstone: bool,
    /// Whether its image or an artifact is missing.
    pub blocked: bool,
    /// The node of the tree of steps whose snapshot it starts from, when another task makes it.
    pub starts_from: Option<usize>,
    /// Nodes whose snapshots it makes for others.
    pub makes: Vec<usize>,
}

impl Task {
    pub(super) fn is_retried(&self, outcome: Outcome) -> bool {
        let on = match outcome {
            Outcome::Fail | Outcome::Oom | Outcome::Leftover => RetryOn::Fail,
            Outcome::Error => RetryOn::Error,
            Outcome::Timeout => RetryOn::Timeout,
            Outcome::Pass
            | Outcome::Skip
            | Outcome::Blocked
            | Outcome::Impure
            | Outcome::Cancelled => return false,
        };
        self.retries.on.contains(&on)
    }
}

/// Why a run cannot be scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// A cell alone is larger than the budget.
    #[error(
        "cell `{id}` needs {needed} of memory and the budget is {budget}; raise `run.memory` \
             or lower the cell's"
    )]
    TooLarge {
        /// The cell.
        id: String,
        /// What it needs.
        needed: Bytes,
        /// What there is.
        budget: Bytes,
    },
    /// No cell may run at a time.
    #[error("a run needs at least one job")]
    NoJobs,
}

pub(super) fn check(tasks: &[Task], limits: Limits) -> Result<(), TaskError> {
    if limits.jobs == 0 {
        return Err(TaskError::NoJobs);
    }
    let too_large = |task: &&Task| task.memory > limits.memory && !task.blocked;
    match tasks.iter().find(too_large) {
        None => Ok(()),
        Some(task) => Err(TaskError::TooLarge {
            id: task.id.clone(),
            needed: Bytes(task.memory),
            budget: Bytes(limits.memory),
        }),
    }
}

/// The tasks of the cells of these places, in the order in which the plan starts them. A cell that
/// used less than it declares, by history, counts for a quarter more than that: never for more than
/// it declares, which is its limit.
#[must_use]
pub fn tasks(plan: &Plan, places: &[usize], history: &History) -> Vec<Task> {
    let wanted: BTreeSet<usize> = places.iter().copied().collect();
    let order: Vec<usize> = plan
        .order
        .iter()
        .copied()
        .filter(|at| wanted.contains(at))
        .collect();
    let mut made: BTreeSet<usize> = BTreeSet::new();
    let forks: BTreeSet<usize> = plan.prefixes.forks().collect();
    let mut tasks = Vec::with_capacity(order.len());
    for at in order {
        let cell = &plan.cells[at];
        let declared = cell.settings.memory.0;
        let peak = history.peaks.get(&cell.id).copied();
        let memory = peak.map_or(declared, |peak| declared.min(peak.saturating_add(peak / 4)));
        let nodes = cell
            .steps
            .iter()
            .map(|step| step.node)
            .filter(|node| forks.contains(node));
        let nodes: Vec<usize> = nodes.collect();
        let blocked = !cell.missing.is_empty();
        // The longest beginning that an earlier task makes.
        let starts_from = nodes.iter().rev().find(|node| made.contains(node)).copied();
        let makes: Vec<usize> = nodes
            .iter()
            .copied()
            .filter(|node| !made.contains(node))
            .collect();
        if !blocked {
            made.extend(&makes);
        }
        tasks.push(Task {
            id: cell.id.clone(),
            memory,
            retries: cell.settings.retries.clone(),
            expected_to_fail: cell.expect_fail.is_some(),
            touchstone: cell.touchstone,
            blocked,
            starts_from,
            makes: if blocked { Vec::new() } else { makes },
        });
    }
    tasks
}
