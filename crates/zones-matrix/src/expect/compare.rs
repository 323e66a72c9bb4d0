//! A run held against what is expected of it.

use std::collections::BTreeSet;
use std::fmt;

use super::found::{Found, found};
use super::{Expectations, Finder, Known};
use crate::run::{CellRun, Run};

/// In what a run and its expectations differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Cells that say something.
    pub judged: usize,
    /// Cells that the matrix itself expects to fail, and those that do not apply.
    pub left_out: usize,
    /// Findings that are expected, and there.
    pub met: usize,
    /// What is otherwise, in the order of cells.
    pub departures: Vec<Departure>,
    /// Lines of findings none of whose cells is in the run.
    pub elsewhere: Vec<usize>,
}

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// Found, and in no list.
    Unexpected {
        /// The cell.
        cell: String,
        /// Who found it.
        by: String,
        /// What, with all that is known of it.
        what: String,
    },
    /// Expected, and not found.
    Missing {
        /// The cell.
        cell: String,
        /// Who should have found it.
        by: String,
        /// What, as the list says it.
        what: String,
        /// Line of the list.
        line: usize,
    },
    /// A cell that says nothing, so that nobody knows.
    Unknown {
        /// The cell.
        cell: String,
        /// Why.
        why: String,
    },
    /// No cell that the line names has such a check or step: a mistake of the list.
    Idle {
        /// Line of the list.
        line: usize,
        /// Who should find it.
        by: String,
    },
}

impl Expectations {
    /// Compares. Notes are no findings; a cell without a verdict of its own is a departure.
    #[must_use]
    pub fn compare(&self, run: &Run) -> Comparison {
        let mut all = Comparison::default();
        let (mut seen, mut able) = (BTreeSet::new(), BTreeSet::new());
        for cell in &run.cells {
            let id = cell.info.id.as_str();
            let known = self.known.iter();
            let known = known.filter(|known| known.cells.iter().any(|glob| glob.matches(id)));
            let known: Vec<&Known> = known.collect();
            seen.extend(known.iter().map(|known| known.line));
            let known: Vec<&Known> = known.into_iter().filter(|one| one.fits(cell)).collect();
            able.extend(known.iter().map(|known| known.line));
            match found(cell) {
                Ok(Some(found)) => all.cell(id, &known, &found),
                Ok(None) => all.left_out += 1,
                Err(why) => all.departures.push(Departure::Unknown {
                    cell: id.to_owned(),
                    why,
                }),
            }
        }
        for known in &self.known {
            let line = known.line;
            if !seen.contains(&line) {
                all.elsewhere.push(line);
            } else if !able.contains(&line) {
                let by = known.from.to_string();
                all.departures.push(Departure::Idle { line, by });
            }
        }
        all
    }
}

impl Comparison {
    /// Whether all is as expected.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.departures.is_empty()
    }

    fn cell(&mut self, id: &str, known: &[&Known], found: &[Found]) {
        self.judged += 1;
        for one in found {
            if known.iter().any(|known| known.means(one)) {
                self.met += 1;
                continue;
            }
            self.departures.push(Departure::Unexpected {
                cell: id.to_owned(),
                by: one.from.to_string(),
                what: one.long.clone(),
            });
        }
        for known in known {
            if !found.iter().any(|one| known.means(one)) {
                self.departures.push(Departure::Missing {
                    cell: id.to_owned(),
                    by: known.from.to_string(),
                    what: known.text.clone(),
                    line: known.line,
                });
            }
        }
    }
}

impl Known {
    fn means(&self, one: &Found) -> bool {
        self.from == one.from && self.finds.matches(&one.short)
    }

    /// Whether the cell has who should find it.
    fn fits(&self, cell: &CellRun) -> bool {
        match &self.from {
            Finder::Step(name) => cell.info.steps.iter().any(|step| step.name == *name),
            Finder::Cell => true,
            Finder::Check(name) => {
                let told = cell.last().into_iter().flat_map(|last| &last.checks);
                cell.info.checks.contains(name) || told.into_iter().any(|it| it.check == *name)
            }
        }
    }
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => f.write_str(name),
            Self::Step(name) => write!(f, "step {name}"),
            Self::Cell => f.write_str("the cell"),
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { cell, by, what } => write!(f, "unexpected  {cell}  {by}  {what}"),
            Self::Missing {
                cell,
                by,
                what,
                line,
            } => write!(f, "missing     {cell}  {by}  {what}  (line {line})"),
            Self::Unknown { cell, why } => write!(f, "unknown     {cell}  {why}"),
            Self::Idle { line, by } => {
                write!(f, "idle        line {line}: no cell of it has `{by}`")
            }
        }
    }
}
