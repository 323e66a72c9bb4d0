//! A run as JSON, for programs.
//!
//! The form is versioned by `schema`, as that of a plan is. Times are microseconds.
//!
//! | field | what |
//! |---|---|
//! | `schema`, `kind` | 1, `zones-matrix-run` |
//! | `run` | the head of the journal: `run`, `name`, `started`, `plan`, `seed`, `parent`, `host` |
//! | `ending` | `complete`, `interrupted`, or null when the runner died |
//! | `exit-status`, `micros`, `retries` | of the whole |
//! | `counts` | cells by verdict; `not-run` has none |
//! | `cells` | by id: names, `tags`, `verdict`, `reason`, `error`, `micros`, `attempts` |

use serde_json::{Map, Value, json};

use super::verdict_name;
use crate::run::{Attempt, CellRun, Run};
use crate::verdict::Verdict;

/// Version of the JSON form of a report.
pub const REPORT_SCHEMA: u32 = 1;

/// The run.
#[must_use]
pub fn json(run: &Run) -> Value {
    let mut counts = Map::new();
    for verdict in Verdict::all() {
        counts.insert(verdict.name().to_owned(), run.count(verdict).into());
    }
    let open = run
        .cells
        .iter()
        .filter(|cell| cell.verdict.is_none())
        .count();
    counts.insert("not-run".to_owned(), open.into());
    json!({
        "schema": REPORT_SCHEMA,
        "kind": "zones-matrix-run",
        "run": run.head,
        "ending": run.ending,
        "exit-status": run.exit_status(),
        "micros": run.micros,
        "retries": run.retries(),
        "counts": counts,
        "notes": run.notes.iter().map(|(_, text)| text).collect::<Vec<_>>(),
        "cells": run.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn cell(cell: &CellRun) -> Value {
    let info = &cell.info;
    json!({
        "id": info.id,
        "platform": info.platform,
        "option": info.option,
        "scenario": info.scenario,
        "tags": info.tags,
        "verdict": verdict_name(cell),
        "failure": cell.is_failure(),
        "reason": cell.reason,
        "error": cell.error(),
        "expect-fail": info.expect_fail,
        "state": cell.state,
        "micros": cell.micros(),
        "environment": info.environment,
        "attempts": cell.attempts.iter().map(|one| attempt(cell, one)).collect::<Vec<_>>(),
    })
}

fn attempt(cell: &CellRun, attempt: &Attempt) -> Value {
    let steps = attempt.steps.iter().map(|step| {
        let planned = cell.info.steps.get(usize::from(step.step));
        json!({
            "name": planned.map(|planned| &planned.name),
            "run": planned.map(|planned| &planned.run),
            "micros": step.micros,
            "exit": step.exit,
            "slow": step.slow,
            "shared": step.shared,
            "log": step.log,
        })
    });
    json!({
        "began": attempt.began,
        "ended": attempt.ended,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "peak": attempt.peak,
        "steps": steps.collect::<Vec<_>>(),
        "checks": attempt.checks,
    })
}
