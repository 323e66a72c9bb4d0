//! A run as one page for a browser: no network, no other file, from `file://` too.
//!
//! The page is `page.html`; what it shows is JSON inside it, made here. Nothing of a run gets into
//! the markup: the JSON is escaped so that no text of it can end the element that holds it, and the
//! script of the page makes text nodes only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::{Change, compare};
use super::same::normalised;
use super::{totals, verdict_name, why};
use crate::run::{Attempt, CellRun, Run};
use crate::verdict::{Counts, Outcome, Verdict};

const PAGE: &str = include_str!("page.html");
const DATA: &str = "@DATA@";
const TITLE: &str = "@TITLE@";

/// Bytes of logs and findings in a page; the rest is in the folder of the run.
const BUDGET: usize = 150_000;
/// Bytes of the log of one step.
const LOG: usize = 4000;
/// Findings of one check.
const FINDINGS: usize = 100;

/// What a page shows.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The run.
    pub run: &'a Run,
    /// Earlier runs, the newest first: for marks of what is new, for the history of a cell, and to
    /// compare with the first of them.
    pub before: &'a [Run],
}

/// The page.
#[must_use]
pub fn html(page: &Page<'_>) -> String {
    let data = embedded(&data(page));
    let title = escaped(&format!("{} {}", page.run.head.name, page.run.head.run));
    let mut out = String::with_capacity(PAGE.len() + data.len());
    // The title first: the data may hold its mark.
    let (head, rest) = PAGE.split_once(TITLE).unwrap_or((PAGE, ""));
    let (middle, tail) = rest.split_once(DATA).unwrap_or((rest, ""));
    for part in [head, &title, middle, &data, tail] {
        out.push_str(part);
    }
    out
}

/// Text for markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// JSON for inside a script element: nothing in it can end the element or begin a comment.
fn embedded(value: &Value) -> String {
    let text = value.to_string();
    let text = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    text.replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn data(page: &Page<'_>) -> Value {
    let run = page.run;
    let verdicts = Verdict::all().map(|verdict| {
        let kind = match verdict.counts() {
            Counts::Ok => "ok",
            Counts::Fail => "fail",
            Counts::Leftover => "leftover",
            Counts::Flaky => "flaky",
            Counts::TestBed => "testbed",
            Counts::NotRun => "notrun",
        };
        json!([verdict.name(), verdict.glyph().to_string(), kind])
    });
    let mut left = BUDGET;
    let changes = page.before.first().map(|before| compare(before, run));
    let changes: BTreeMap<&str, Change> = changes
        .iter()
        .flat_map(|all| &all.cells)
        .map(|(id, change, ..)| (id.as_str(), *change))
        .collect();
    let cells: Vec<Value> = run
        .cells
        .iter()
        .map(|one| {
            let change = changes.get(one.info.id.as_str()).copied();
            cell(one, change, page.before, &mut left)
        })
        .collect();
    let gone: Vec<&&str> = changes
        .iter()
        .filter(|(_, c)| **c == Change::Gone)
        .map(|(id, _)| id)
        .collect();
    json!({
        "name": run.head.name,
        "run": run.head.run,
        "started": run.head.started,
        "totals": totals(run),
        "ok": run.is_ok(),
        "ending": run.ending,
        "micros": run.micros,
        "retries": run.retries(),
        "notes": run.notes.iter().map(|(_, text)| text).collect::<Vec<_>>(),
        "verdicts": verdicts.collect::<Vec<_>>(),
        "options": in_order(run, |cell| &cell.info.option),
        "scenarios": in_order(run, |cell| &cell.info.scenario),
        "platforms": in_order(run, |cell| &cell.info.platform),
        "before": page.before.iter().map(|run| &run.head.run).collect::<Vec<_>>(),
        "gone": gone,
        "cells": cells,
    })
}

/// Names in the order in which the file has them.
fn in_order<'a>(run: &'a Run, name: impl Fn(&'a CellRun) -> &'a String) -> Vec<&'a String> {
    let mut all: Vec<&CellRun> = run.cells.iter().collect();
    all.sort_by_key(|cell| cell.info.place);
    let mut names: Vec<&String> = Vec::new();
    for own in all.into_iter().map(name) {
        if !names.contains(&own) {
            names.push(own);
        }
    }
    names
}

fn cell(cell: &CellRun, change: Option<Change>, before: &[Run], left: &mut usize) -> Value {
    let info = &cell.info;
    let own: Vec<&str> = [&info.id, &info.platform]
        .into_iter()
        .chain(&info.tags)
        .map(String::as_str)
        .collect();
    let group = match cell.is_failure() {
        true => normalised(why(cell), &own),
        false => String::new(),
    };
    let change = match change {
        Some(Change::Broken) => "broken",
        Some(Change::StillBroken) => "still broken",
        Some(Change::Fixed) => "fixed",
        Some(Change::New) => "new",
        _ => "",
    };
    let history = before
        .iter()
        .map(|run| run.cell(&info.id).map_or("", verdict_name));
    let steps: Vec<(&str, &str)> = info
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.run.as_str()))
        .collect();
    let last = cell.attempts.len();
    let attempts = cell.attempts.iter().enumerate().map(|(at, one)| {
        attempt(
            one,
            at + 1 == last || one.outcome != Some(Outcome::Pass),
            left,
        )
    });
    let attempts: Vec<Value> = attempts.collect();
    json!({
        "id": info.id,
        "p": info.platform,
        "o": info.option,
        "s": info.scenario,
        "t": info.tags,
        "v": verdict_name(cell),
        "x": cell.is_failure(),
        "r": cell.reason,
        "e": cell.error(),
        "g": group,
        "c": change,
        "h": history.collect::<Vec<_>>(),
        "w": info.expect_fail,
        "n": steps,
        "y": info.environment,
        "a": attempts,
    })
}

fn attempt(attempt: &Attempt, with_log: bool, left: &mut usize) -> Value {
    let steps = attempt.steps.iter().map(|step| {
        let log = if with_log {
            taken(&step.log.text, LOG, left)
        } else {
            ""
        };
        json!([
            step.step,
            step.micros,
            step.exit,
            step.slow,
            step.shared,
            log,
            step.log.error,
            step.log.path
        ])
    });
    let steps: Vec<Value> = steps.collect();
    let checks = attempt.checks.iter().map(|check| {
        let findings = check.findings.iter().take(FINDINGS).filter(|finding| {
            let size = finding.name.len() + finding.detail.len() + 80;
            let fits = size <= *left;
            *left -= if fits { size } else { 0 };
            fits
        });
        let findings: Vec<_> = findings.collect();
        json!([
            check.check,
            check.status,
            check.message,
            findings,
            check.findings.len()
        ])
    });
    let checks: Vec<Value> = checks.collect();
    json!({
        "b": attempt.began,
        "e": attempt.ended,
        "o": attempt.outcome,
        "r": attempt.reason,
        "m": attempt.peak,
        "s": steps,
        "k": checks,
    })
}

/// The end of a text, as much as there is room for.
fn taken<'a>(text: &'a str, most: usize, left: &mut usize) -> &'a str {
    let room = most.min(*left);
    let mut start = text.len().saturating_sub(room);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let text = &text[start..];
    *left -= text.len();
    text
}
