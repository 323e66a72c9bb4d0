//! `zones matrix report` and `zones matrix diff`.

use std::path::Path;

use zones_matrix::{Expectations, Run, report as reports};
use zones_runner::RunFolder;
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION};
use super::{NAME, bad};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{FAILURE, OK, fail};

const KNOWN: [Known; 6] = [
    FILE_OPTION,
    flag('\0', "merge"),
    flag('\0', "open"),
    value('\0', "expect"),
    flag('\0', "known"),
    value('o', "output"),
];

/// Runs before this one, the newest first, as many as the file asks for.
pub(super) fn before(desk: &Desk, folder: &RunFolder) -> Vec<Run> {
    let reports = desk.reports();
    let names = zones_runner::runs(&reports).unwrap_or_default();
    let own = folder
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let earlier = names.iter().filter(|name| name.as_str() < &*own).rev();
    let count = usize::try_from(desk.matrix.report.history).unwrap_or(usize::MAX);
    let runs = earlier.filter_map(|name| RunFolder::new(&reports, name).run().ok());
    runs.take(count).collect()
}

pub(super) fn report(layout: &Layout, args: &[String]) -> u8 {
    let given = match desk::parse(args, &KNOWN) {
        Ok(given) => given,
        Err(text) => return bad(text),
    };
    let expected = match given.get("expect").map(expectations).transpose() {
        Ok(expected) => expected,
        Err(text) => return bad(text),
    };
    let done = Desk::open(layout, &given).and_then(|desk| match given.has("merge") {
        true => merged(&desk, &given, expected.as_ref()),
        false => again(&desk, &given, expected.as_ref()),
    });
    done.unwrap_or_else(|status| status)
}

fn again(desk: &Desk, given: &Given, expected: Option<&Expectations>) -> Result<u8, u8> {
    let folder = desk
        .run(given.words.first().map(String::as_str))
        .map_err(bad)?;
    let before = before(desk, &folder);
    let run = zones_runner::write_reports(&folder, &desk.matrix.report.formats, &before);
    let run = run.map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
    finish(given, expected, &run, folder.path())
}

fn merged(desk: &Desk, given: &Given, expected: Option<&Expectations>) -> Result<u8, u8> {
    let mut runs = Vec::new();
    for name in &given.words {
        let folder = desk.run(Some(name)).map_err(bad)?;
        let run = folder.run();
        runs.push(run.map_err(|error| fail(NAME, zones_engine::chain(&error)))?);
    }
    let run = Run::merge(runs).map_err(bad)?;
    let default = desk.reports().join("merged");
    let output = given
        .get("output")
        .map_or(default, |path| Path::new(path).to_owned());
    let written = zones_runner::write_merged(&run, &desk.matrix.report.formats, &output);
    written.map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
    finish(given, expected, &run, &output)
}

/// A list of findings that are known.
fn expectations(path: &str) -> Result<Expectations, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| {
        format!("cannot read `{path}`: {error}; `report --known` prints such a list")
    })?;
    Expectations::parse(&text).map_err(|error| desk::at(Path::new(path), &error))
}

/// Says in what a run is other than expected.
fn compared(expected: &Expectations, run: &Run) -> u8 {
    let all = expected.compare(run);
    for departure in &all.departures {
        println!("{departure}");
    }
    for line in &all.elsewhere {
        println!("note: line {line} is about no cell of this run");
    }
    println!(
        "{} cells judged, {} left out: {} findings as expected, {} departures",
        all.judged,
        all.left_out,
        all.met,
        all.departures.len()
    );
    if all.is_exact() { OK } else { FAILURE }
}

fn finish(
    given: &Given,
    expected: Option<&Expectations>,
    run: &Run,
    folder: &Path,
) -> Result<u8, u8> {
    if given.has("known") {
        print!("{}", zones_matrix::known(run));
        return Ok(OK);
    }
    println!("{}", reports::totals(run));
    let page = folder.join("index.html");
    println!("report: {}", page.display());
    if given.has("open") {
        let opened = std::process::Command::new("xdg-open").arg(&page).status();
        if !opened.is_ok_and(|status| status.success()) {
            return Err(fail(NAME, "cannot open a browser: xdg-open failed"));
        }
    }
    Ok(match expected {
        Some(expected) => compared(expected, run),
        None => run.exit_status(),
    })
}

pub(super) fn diff(layout: &Layout, args: &[String]) -> u8 {
    let done = desk::parse(args, &[FILE_OPTION])
        .map_err(bad)
        .and_then(|given| {
            let desk = Desk::open(layout, &given)?;
            let [one, other] = given.words.as_slice() else {
                return Err(bad("diff RUN1 RUN2"));
            };
            let read = |name: &str| {
                let folder = desk.run(Some(name)).map_err(bad)?;
                folder
                    .run()
                    .map_err(|error| fail(NAME, zones_engine::chain(&error)))
            };
            let comparison = reports::compare(&read(one)?, &read(other)?);
            let mut is_worse = false;
            for (id, change, was, is) in &comparison.cells {
                let name = |verdict: &Option<zones_matrix::Verdict>| {
                    verdict.map_or("not-run", zones_matrix::Verdict::name)
                };
                is_worse |= *change == reports::Change::Broken;
                if name(was) != name(is) {
                    println!(
                        "{}  {id}  {} -> {}",
                        format!("{change:?}").to_lowercase(),
                        name(was),
                        name(is)
                    );
                }
            }
            Ok(if is_worse { FAILURE } else { OK })
        });
    done.unwrap_or_else(|status| status)
}
