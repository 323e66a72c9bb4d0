//! `zones matrix log` and `zones matrix leftovers`.

use std::io::Write as _;

use zones_matrix::journal::Status;
use zones_matrix::{CellRun, Run};
use zones_runner::RunFolder;
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION};
use super::{NAME, bad};
use crate::getopt::{Known, value};
use crate::report::{OK, fail};

const KNOWN: [Known; 2] = [FILE_OPTION, value('\0', "run")];

/// The folder of the run that is meant, the run, and the words.
fn open(layout: &Layout, args: &[String]) -> Result<(RunFolder, Run, Vec<String>), u8> {
    let given = desk::parse(args, &KNOWN).map_err(bad)?;
    let desk = Desk::open(layout, &given)?;
    let folder = desk.run(given.get("run")).map_err(bad)?;
    let run = folder
        .run()
        .map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
    Ok((folder, run, given.words))
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
    let done = open(layout, args).and_then(|(folder, run, words)| {
        let (id, step) = match words.as_slice() {
            [id] => (id, None),
            [id, step] => (id, Some(step)),
            _ => return Err(bad("log CELL [STEP]")),
        };
        let cell = cell(&run, id)?;
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
    let done = open(layout, args).and_then(|(_, run, words)| {
        let [id] = words.as_slice() else {
            return Err(bad("leftovers CELL"));
        };
        let cell = cell(&run, id)?;
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
