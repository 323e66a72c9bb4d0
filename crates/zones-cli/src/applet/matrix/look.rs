//! `zones matrix log` and `zones matrix leftovers`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use zones_matrix::journal::{Journal, Moment, Record, Status};
use zones_matrix::{CellRun, Run, State};
use zones_runner::RunFolder;
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION};
use super::follow::Following;
use super::{NAME, bad};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{OK, fail};

const KNOWN: [Known; 2] = [FILE_OPTION, value('\0', "run")];
const LOG: [Known; 3] = [FILE_OPTION, value('\0', "run"), flag('\0', "follow")];
/// A log that is about to be made is looked for again after this.
const SOON: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

/// What is looked at.
struct Found {
    desk: Desk,
    folder: RunFolder,
    run: Run,
    given: Given,
}

fn open(layout: &Layout, args: &[String], known: &[Known]) -> Result<Found, u8> {
    let given = desk::parse(args, known).map_err(bad)?;
    let desk = Desk::open(layout, &given)?;
    let folder = desk.run(given.get("run")).map_err(bad)?;
    let run = folder
        .run()
        .map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
    Ok(Found {
        desk,
        folder,
        run,
        given,
    })
}

fn cell<'r>(run: &'r Run, id: &str) -> Result<&'r CellRun, u8> {
    run.cell(id).ok_or_else(|| {
        let known = run.cells.iter().map(|cell| cell.info.id.as_str());
        let near = zones_types::nearest(id, known);
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        bad(format!("run {} has no cell `{id}`{hint}", run.head.run))
    })
}

pub(super) fn log(layout: &Layout, args: &[String]) -> u8 {
    // `-f FILE` is the matrix file everywhere; at the end there is no file.
    let mut args = args.to_vec();
    if let Some(last) = args.last_mut().filter(|last| *last == "-f") {
        "--follow".clone_into(last);
    }
    let done = open(layout, &args, &LOG).and_then(|found| {
        let (folder, run) = (&found.folder, &found.run);
        let (id, step) = match found.given.words.as_slice() {
            [id] => (id, None),
            [id, step] => (id, Some(step)),
            _ => return Err(bad("log CELL [STEP] [-f]")),
        };
        let cell = cell(run, id)?;
        if found.given.has("follow") {
            return follow(&found, cell, step.map(String::as_str));
        }
        let mut out = std::io::stdout().lock();
        let mut count = 0;
        for attempt in &cell.attempts {
            for ran in &attempt.steps {
                let name = cell.info.steps.get(usize::from(ran.step));
                let name = name.map_or("", |known| known.name.as_str());
                if step.is_some_and(|wanted| wanted != name) || ran.log.path.is_empty() {
                    continue;
                }
                match folder.read_log(&folder.path().join(&ran.log.path)) {
                    Ok(bytes) => {
                        // A reader that goes away wants no more.
                        let _ = out.write_all(&bytes);
                        count += 1;
                    }
                    Err(error) => {
                        fail(NAME, format!("{}: {error}", ran.log.path));
                    }
                }
            }
        }
        match (count, step) {
            (0, Some(step)) => Err(bad(format!("cell {id} has no log of a step `{step}`"))),
            (0, None) => Err(bad(format!("cell {id} has no logs: no step of it ran"))),
            _ => Ok(OK),
        }
    });
    done.unwrap_or_else(|status| status)
}

pub(super) fn leftovers(layout: &Layout, args: &[String]) -> u8 {
    let done = open(layout, args, &KNOWN).and_then(|found| {
        let [id] = found.given.words.as_slice() else {
            return Err(bad("leftovers CELL"));
        };
        let cell = cell(&found.run, id)?;
        for check in cell.last().into_iter().flat_map(|attempt| &attempt.checks) {
            let word = match check.status {
                Status::Pass => "pass",
                Status::Fail => "FAIL",
                Status::Skip => "skip",
            };
            println!("{word}  {}  {}", check.check, check.message);
            for finding in &check.findings {
                println!(
                    "      {}",
                    serde_json::to_string(finding).unwrap_or_default()
                );
            }
        }
        Ok(OK)
    });
    done.unwrap_or_else(|status| status)
}

/// Prints logs as they grow, until the cell has its verdict or nobody runs it any more.
fn follow(found: &Found, cell: &CellRun, step: Option<&str>) -> Result<u8, u8> {
    let (id, folder) = (&cell.info.id, &found.folder);
    let is_known = |name: &str| cell.info.steps.iter().any(|known| known.name == name);
    if let Some(step) = step.filter(|step| !is_known(step)) {
        return Err(bad(format!("cell {id} has no step `{step}`")));
    }
    let following = Following::new(folder, &found.desk.site, &found.run.head.run);
    let following = following.map_err(|error| fail(NAME, format!("cannot follow: {error}")))?;
    let steps = folder.cell(id).join("steps");
    let mut is_watched = false;
    let mut open: BTreeMap<PathBuf, Option<File>> = BTreeMap::new();
    loop {
        is_watched = is_watched || following.add(&steps);
        let (journal, is_alive) = following.read();
        let journal = journal.map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
        let (logs, is_over) = logs(&journal, cell, step, folder);
        let mut is_whole = true;
        for path in logs {
            is_whole &= show(folder, path, &mut open);
        }
        if is_over || !is_alive {
            return Ok(OK);
        }
        following.wait(if is_whole && is_watched { SECOND } else { SOON });
    }
}

/// The logs of a cell that were begun, in their order, and whether there will be no more.
fn logs(
    journal: &Journal,
    cell: &CellRun,
    step: Option<&str>,
    folder: &RunFolder,
) -> (Vec<PathBuf>, bool) {
    let id = &cell.info.id;
    let (mut begun, mut is_over) = (Vec::new(), false);
    let own = |record: &Record| record.cell().is_none_or(|of| of == id);
    for line in journal.lines.iter().filter(|line| own(&line.record)) {
        let (at, path) = match &line.record {
            Record::Step { step, log, .. } => (*step, folder.path().join(&log.path)),
            Record::State {
                state: State::Step(at),
                moment: Moment::Intent,
                attempt,
                ..
            } => {
                let name = cell.info.steps.get(usize::from(*at));
                let name = name.map_or("", |step| step.name.as_str());
                (*at, folder.log(id, usize::from(*at), name, *attempt))
            }
            Record::Verdict { .. } | Record::End { .. } => {
                is_over = true;
                continue;
            }
            _ => continue,
        };
        let name = cell.info.steps.get(usize::from(at));
        let is_meant = step.is_none_or(|wanted| name.is_some_and(|it| it.name == wanted));
        if is_meant && !begun.contains(&path) {
            begun.push(path);
        }
    }
    (begun, is_over)
}

/// Prints what came to a log since it was shown last; whether there is such a log.
fn show(folder: &RunFolder, path: PathBuf, open: &mut BTreeMap<PathBuf, Option<File>>) -> bool {
    let mut bytes = Vec::new();
    match open.get_mut(&path) {
        Some(Some(file)) => drop(file.read_to_end(&mut bytes)),
        // It was packed when it was shown first: that was all.
        Some(None) => {}
        None => match File::open(&path) {
            Ok(mut file) => {
                let _ = file.read_to_end(&mut bytes);
                open.insert(path, Some(file));
            }
            Err(_) => match folder.read_log(&path) {
                Ok(all) => {
                    bytes = all;
                    open.insert(path, None);
                }
                Err(_) => return false,
            },
        },
    }
    let mut out = std::io::stdout().lock();
    // A reader that goes away wants no more.
    let _ = out.write_all(&bytes).and_then(|()| out.flush());
    true
}
