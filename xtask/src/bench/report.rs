//! The report: one table for each group, then the budgets.

use super::plan::Group;
use super::{Measured, budget};
use crate::stats::Sample;

/// Markdown. The first row of a group with a figure is what the others are compared with.
pub(super) fn text(all: &[(Group, Vec<Measured>)], caps: &Sample, rounds: usize) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!(
        "# Bench\n\nLinux {}, {cpus} CPUs, load {load} at the end, {rounds} interleaved rounds; \
         milliseconds unless a row says otherwise.\nOCI runtimes run without a user namespace, \
         resources and filter, ours with all of them.\n",
        machine.trim()
    );
    for (group, rows) in all {
        text += &format!("\n## {}\n\n", group.title);
        text += "| what | median | min | p90 | runs | x first |\n|---|--:|--:|--:|--:|--:|\n";
        let first = rows.iter().find_map(|measured| measured.sample.median());
        for measured in rows {
            text += &row(measured, first);
        }
    }
    if let (Some(median), Some(min)) = (caps.median(), caps.min()) {
        let error = (median - 150.0) / 1.5;
        text += &format!(
            "\n## CPU cap\n\nTwo burners under ncpus=1.5, 5 s: median {median:.1} %, min {min:.1} % of \
             one CPU ({} runs); error {error:+.1} %.\n",
            caps.len()
        );
    }
    text + "\n## Budgets\n\n" + &budget::table(all)
}

fn row(measured: &Measured, first: Option<f64>) -> String {
    let name = measured.row.name;
    let sample = &measured.sample;
    let (Some(median), Some(min), Some(p90)) = (sample.median(), sample.min(), sample.p90()) else {
        let why = measured.missing.as_deref().unwrap_or("no runs");
        return format!("| {name} | {why} | | | 0 | |\n");
    };
    let ratio = first.map_or_else(String::new, |first| format!("{:.2}", median / first));
    let runs = sample.len();
    format!("| {name} | {median:.2} | {min:.2} | {p90:.2} | {runs} | {ratio} |\n")
}
