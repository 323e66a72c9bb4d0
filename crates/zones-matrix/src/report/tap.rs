//! A run as TAP, version 14: a test for each cell, a subtest for each step and check.
//!
//! Source: the Test Anything Protocol specification, version 14.

use std::fmt::Write as _;

use super::why;
use crate::journal::Status;
use crate::run::{CellRun, Run};
use crate::verdict::Verdict;

/// The run.
#[must_use]
pub fn tap(run: &Run) -> String {
    let mut out = String::from("TAP version 14\n");
    put(&mut out, &format!("# {} {}", run.head.name, run.head.run));
    put(&mut out, &format!("1..{}", run.cells.len()));
    for (number, cell) in (1..).zip(&run.cells) {
        subtest(&mut out, cell);
        let ok = if is_ok(cell) { "ok" } else { "not ok" };
        put(
            &mut out,
            &format!("{ok} {number} - {}{}", text(&cell.info.id), directive(cell)),
        );
        if cell.is_failure() || cell.verdict == Some(Verdict::Xfail) {
            diagnose(&mut out, cell);
        }
    }
    out
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// A skipped or unfinished test is `ok` with a directive; an expected failure is not ok, and the
/// directive `TODO` makes it count as none.
fn is_ok(cell: &CellRun) -> bool {
    !cell.is_failure() && cell.verdict != Some(Verdict::Xfail)
}

fn directive(cell: &CellRun) -> String {
    match cell.verdict {
        None => " # SKIP not run".to_owned(),
        Some(Verdict::Skip | Verdict::Cancelled) => {
            format!(" # SKIP {}", text(why(cell)).trim_end())
        }
        Some(Verdict::Xfail) => {
            let reason = cell.info.expect_fail.as_deref().unwrap_or_default();
            format!(" # TODO {}", text(reason))
        }
        Some(_) => String::new(),
    }
}

fn subtest(out: &mut String, cell: &CellRun) {
    let Some(attempt) = cell.last() else {
        return;
    };
    let mut lines = Vec::new();
    for step in &attempt.steps {
        let planned = cell.info.steps.get(usize::from(step.step));
        let name = planned.map_or("step", |planned| &planned.name);
        let skip = if step.exit == Some(77) { " # SKIP" } else { "" };
        let ok = step.exit == Some(0) || step.exit == Some(77);
        lines.push((ok, format!("{}{skip}", text(name))));
    }
    for check in &attempt.checks {
        let skip = if check.status == Status::Skip {
            " # SKIP"
        } else {
            ""
        };
        lines.push((
            check.status != Status::Fail,
            format!("{}{skip}", text(&check.check)),
        ));
    }
    if lines.is_empty() {
        return;
    }
    put(out, &format!("# Subtest: {}", text(&cell.info.id)));
    put(out, &format!("    1..{}", lines.len()));
    for (number, (ok, line)) in (1..).zip(lines) {
        let ok = if ok { "ok" } else { "not ok" };
        put(out, &format!("    {ok} {number} - {line}"));
    }
}

fn diagnose(out: &mut String, cell: &CellRun) {
    put(out, "  ---");
    let fields = [
        ("verdict", cell.verdict.map_or("", Verdict::name)),
        ("message", why(cell)),
    ];
    for (name, value) in fields {
        // A JSON string is a YAML string.
        let value = serde_json::Value::from(value);
        let _ = writeln!(out, "  {name}: {value}");
    }
    let _ = writeln!(out, "  duration_ms: {}", cell.micros() / 1000);
    put(out, "  ...");
}

/// A description: one line, with `#` and `\` escaped.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
