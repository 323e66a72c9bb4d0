//! A run as a table for the summary of a job on GitHub or GitLab.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{totals, verdict_name, why};
use crate::amount;
use crate::run::Run;

/// Failures that are listed; the page has all.
const LISTED: usize = 50;

/// The summary: totals, a row for each platform, the failures.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let took = amount::words(Duration::from_micros(run.micros));
    let word = if run.is_ok() { "passed" } else { "failed" };
    let mut out = format!(
        "### {} {word}: {} in {took}\n\n",
        cell_text(&run.head.name),
        totals(run)
    );
    let mut options: Vec<&str> = run.cells.iter().map(|c| c.info.option.as_str()).collect();
    options.sort_unstable();
    options.dedup();
    let mut rows: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for cell in &run.cells {
        let empty = || vec![(0, 0); options.len()];
        let row = rows.entry(&cell.info.platform).or_insert_with(empty);
        if let Ok(at) = options.binary_search(&cell.info.option.as_str()) {
            row[at].0 += usize::from(cell.verdict.is_some() && !cell.is_failure());
            row[at].1 += 1;
        }
    }
    out += &format!("| platform | {} |\n", options.join(" | "));
    out += &format!("|---|{}\n", "---|".repeat(options.len()));
    for (platform, row) in rows {
        let cells = row.iter().map(|(good, all)| match all {
            0 => String::new(),
            _ if good == all => format!("{good}/{all}"),
            _ => format!("**{good}/{all}**"),
        });
        let cells: Vec<String> = cells.collect();
        out += &format!("| {platform} | {} |\n", cells.join(" | "));
    }
    let failed: Vec<_> = run.cells.iter().filter(|cell| cell.is_failure()).collect();
    if !failed.is_empty() {
        out += "\n| cell | verdict | why |\n|---|---|---|\n";
        for cell in failed.iter().take(LISTED) {
            let why = cell_text(why(cell));
            out += &format!("| `{}` | {} | {why} |\n", cell.info.id, verdict_name(cell));
        }
        if failed.len() > LISTED {
            out += &format!("\n{} more are in the report\n", failed.len() - LISTED);
        }
    }
    if run.retries() > 0 {
        out += &format!("\n{} retries were spent\n", run.retries());
    }
    out
}

/// The one annotation of a run, in the form of GitHub's workflow commands; annotations are capped
/// at ten, so single failures are in the table only.
#[must_use]
pub fn annotation(run: &Run) -> String {
    let level = if run.is_ok() { "notice" } else { "error" };
    let escape = |text: &str| {
        let text = text.replace('%', "%25").replace('\r', "%0D");
        text.replace('\n', "%0A")
    };
    let title = escape(&run.head.name)
        .replace(':', "%3A")
        .replace(',', "%2C");
    format!("::{level} title={title}::{}", escape(&totals(run)))
}

/// A text inside a table: one line that is neither markup nor HTML.
fn cell_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(200) {
        match c {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
