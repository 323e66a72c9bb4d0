//! Findings that are known: a run is held against a list of them, and has those and no others.

mod compare;
mod found;
mod write;

use crate::config::{At, MatrixError, Section, document, schema};
use crate::glob::Glob;

pub use compare::{Comparison, Departure};
pub use write::of_run as known;

/// What is expected of a matrix: a document of TOML, schema 1.
///
/// ```toml
/// schema = 1
/// [[finding]]
/// cells = "*/full/uninstall"
/// check = "no-users"
/// finds = "added user acme-agent"
/// ```
#[derive(Debug, Clone)]
pub struct Expectations {
    pub(crate) known: Vec<Known>,
}

/// One thing that is found in some cells.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Where it stands.
    pub(crate) line: usize,
    pub(crate) cells: Vec<Glob>,
    pub(crate) from: Finder,
    /// What is found, as reports say it before the colon.
    pub(crate) finds: Glob,
    /// As it was written.
    pub(crate) text: String,
}

/// Who says that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finder {
    /// A check, or a result that a step told.
    Check(String),
    /// A step that failed.
    Step(String),
    /// The cell as a whole: more memory than it may have, say.
    Cell,
}

impl Expectations {
    /// Reads a document.
    ///
    /// # Errors
    /// All faults of the text, with line and column, and a hint where one can be given.
    pub fn parse(text: &str) -> Result<Self, MatrixError> {
        let (known, problems) = document(text, |top| {
            schema(&top);
            let tables = top.tables("finding").into_iter();
            let known: Vec<Known> = tables.filter_map(|table| one(table, text)).collect();
            top.finish();
            known
        })?;
        problems.finish()?;
        Ok(Self { known })
    }
}

fn one(table: Section<'_, '_>, text: &str) -> Option<Known> {
    let at = table.at();
    let cells = table.need("cells", table.texts("cells"));
    let (check, step) = (table.text("check"), table.text("step"));
    let finds = table.text("finds");
    let _: Option<At<String>> = table.text("reason");
    let from = match (check, step) {
        (Some(check), None) => Some(Finder::Check(check.value)),
        (None, Some(step)) => Some(Finder::Step(step.value)),
        (Some(_), Some(_)) => {
            let message = "a finding is that of a check or of a step".to_owned();
            table.fault(at, message, "write one of `check` and `step`");
            None
        }
        (None, None) => {
            let hint = "write `check = \"no-users\"`, or `step = \"smoke\"` for one that fails";
            table.fault(at, "nobody is said to find it".to_owned(), hint);
            None
        }
    };
    // How a step fails may be left open.
    let finds = match (&from, finds) {
        (_, Some(finds)) => Some(finds.value),
        (Some(Finder::Step(_)), None) => Some("*".to_owned()),
        (_, None) => table.need("finds", None),
    };
    table.finish();
    let finds = finds?;
    Some(Known {
        line: text[..at.min(text.len())].matches('\n').count() + 1,
        cells: cells?.iter().map(|cell| Glob::new(&cell.value)).collect(),
        from: from?,
        finds: Glob::across(&finds),
        text: finds,
    })
}
