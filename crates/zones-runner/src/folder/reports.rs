//! The reports of a run, written from its journal.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};
use zones_matrix::journal::{Journal, Moment, Record};
use zones_matrix::report::{self, Page};
use zones_matrix::{Format, Run, State};

use super::{FolderError, RunFolder};

/// How long the phases of cells took: microseconds, sorted, by the name of the phase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phases(pub BTreeMap<&'static str, Vec<u64>>);

/// Upper bounds of the bars of a histogram, in microseconds.
const BARS: [u64; 12] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    10_000_000,
    u64::MAX,
];

fn name(state: State) -> Option<&'static str> {
    match state {
        State::Cloning => Some("clone"),
        State::Booting => Some("boot"),
        State::Step(_) => Some("step"),
        State::Checking => Some("check"),
        State::Collecting => Some("collect"),
        State::Halting => Some("halt"),
        State::Destroying => Some("destroy"),
        State::Planned | State::Blocked | State::Ready | State::Done => None,
    }
}

/// The phases that a journal tells.
#[must_use]
pub fn phases(journal: &Journal) -> Phases {
    let mut begun: BTreeMap<(&str, u32), (State, u64)> = BTreeMap::new();
    let mut found: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    for line in &journal.lines {
        if let Record::State {
            cell,
            attempt,
            moment,
            state,
        } = &line.record
        {
            let key = (cell.as_str(), *attempt);
            match (moment, begun.get(&key)) {
                (Moment::Intent, _) => {
                    begun.insert(key, (*state, line.at));
                }
                (Moment::Done, Some((known, at))) if known == state => {
                    if let Some(name) = name(*state) {
                        found.entry(name).or_default().push(line.at - at);
                    }
                }
                (Moment::Done, _) => {}
            }
        }
    }
    found.values_mut().for_each(|list| list.sort_unstable());
    Phases(found)
}

impl Phases {
    /// For programs: how many, quantiles in microseconds, and a histogram.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (name, list) in &self.0 {
            let at = |part: usize| list.get((list.len() * part / 100).min(list.len() - 1));
            let mut low = 0;
            let bars = BARS.iter().map(|high| {
                let count = list.iter().filter(|it| (low..*high).contains(*it)).count();
                low = *high;
                let below = (*high != u64::MAX).then_some(*high);
                json!({ "below": below, "count": count })
            });
            let bars: Vec<Value> = bars.collect();
            map.insert(
                (*name).to_owned(),
                json!({
                    "count": list.len(), "p50": at(50), "p90": at(90), "p99": at(99),
                    "max": list.last(), "histogram": bars,
                }),
            );
        }
        Value::Object(map)
    }
}

/// Writes the reports of a run into its folder; `before` are earlier runs, the newest first.
///
/// # Errors
/// The run cannot be read, or a file cannot be written.
pub fn write(folder: &RunFolder, formats: &[Format], before: &[Run]) -> Result<Run, FolderError> {
    let journal = folder.read()?;
    let run = folder.run()?;
    let mut value = all(folder.path(), &run, formats, before)?;
    value["phases"] = phases(&journal).to_json();
    for cell in value["cells"].as_array().into_iter().flatten() {
        of_cell(folder, cell)?;
    }
    put(&folder.path().join("run.json"), format!("{value:#}\n"))?;
    Ok(run)
}

/// Writes the reports of a run that was merged into a folder, which is made.
///
/// # Errors
/// A file cannot be written.
pub fn write_merged(run: &Run, formats: &[Format], folder: &Path) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(|source| FolderError::Io {
        path: folder.to_owned(),
        source,
    })?;
    let value = all(folder, run, formats, &[])?;
    put(&folder.join("run.json"), format!("{value:#}\n"))
}

/// All forms; the last one comes back.
fn all(folder: &Path, run: &Run, formats: &[Format], before: &[Run]) -> Result<Value, FolderError> {
    let put = |name: &str, text: String| put(&folder.join(name), text);
    for format in formats {
        match format {
            Format::Html => put("index.html", report::html(&Page { run, before }))?,
            Format::Junit => {
                // What cannot be said in XML is left to the others.
                if let Ok(text) = report::junit(run) {
                    put("junit.xml", text)?;
                }
            }
            Format::Tap => put("results.tap", report::tap(run))?,
            Format::Json => {}
        }
    }
    Ok(report::json(run))
}

/// `cell.json`, and `leftovers.json` where a check found something.
fn of_cell(folder: &RunFolder, cell: &Value) -> Result<(), FolderError> {
    let path = folder.cell(cell["id"].as_str().unwrap_or_default());
    if !path.exists() {
        return Ok(());
    }
    put(&path.join("cell.json"), format!("{cell:#}\n"))?;
    let attempts = cell["attempts"].as_array().into_iter().flatten();
    let checks = attempts.flat_map(|it| it["checks"].as_array().into_iter().flatten());
    let found: Vec<&Value> = checks.filter(|it| it["findings"].is_array()).collect();
    if found.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&found).unwrap_or_default();
    put(&path.join("leftovers.json"), text)
}

fn put(path: &Path, text: String) -> Result<(), FolderError> {
    // Reports can be made again from the journal: a rename is enough.
    let new = path.with_extension("new");
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    written.map_err(|source: io::Error| FolderError::Io {
        path: path.to_owned(),
        source,
    })
}
