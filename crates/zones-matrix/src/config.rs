//! The matrix file: TOML, schema 1.
//!
//! Read strictly: every unknown key, wrong type and unknown word is found in one pass and said with
//! its line and column. What names refer to each other is checked when the matrix is planned.

mod check;
pub(crate) mod diag;
pub(crate) mod filter;
mod leftovers;
pub(crate) mod platform;
pub(crate) mod product;
mod reader;
mod run;
mod settings;

use std::cell::RefCell;

pub use diag::{MatrixError, Problem};
pub use leftovers::Policy;
pub use platform::Axis;
pub use product::Output;
pub use run::{Budget, Format, Jobs, Keep, MAX_CELLS, Order, Report, Run};
pub use settings::{Backoff, Boot, Clock, FlakyResult, Network, Retries, RetryOn, Settings};

pub(crate) use diag::Problems;
pub(crate) use reader::{At, Section, is_name};
use settings::Changes;
use toml::de::DeTable;

/// The schema that this version reads.
pub const SCHEMA: u32 = 1;

/// A matrix file as it was written: names, templates and rules, not yet cells.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The product under test.
    pub name: String,
    /// How it is run.
    pub run: Run,
    /// Defaults of every cell.
    pub cell: Settings,
    /// Axes of the platforms, in the order of the file.
    pub axes: Vec<Axis>,
    /// What may stay after an uninstall.
    pub leftovers: Policy,
    /// What is written about a run.
    pub report: Report,
    pub(crate) platforms: platform::Platforms,
    pub(crate) options: Vec<product::OptionRule>,
    pub(crate) artifacts: Vec<product::ArtifactRule>,
    pub(crate) steps: Vec<product::StepRule>,
    pub(crate) scenarios: Vec<product::ScenarioRule>,
    pub(crate) excludes: Vec<filter::Exclude>,
    pub(crate) expected: Vec<filter::ExpectFail>,
    pub(crate) includes: Vec<filter::Include>,
    /// The file, for places of faults found later.
    pub(crate) text: String,
}

/// Reads a document of TOML; faults of what stands in it come back beside what was read.
pub(crate) fn document<'t, T>(
    text: &'t str,
    read: impl FnOnce(Section<'_, 't>) -> T,
) -> Result<(T, Problems<'t>), MatrixError> {
    let mut problems = Problems::new(text);
    let parsed = match DeTable::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            problems.add(at, format!("no TOML: {}", error.message().trim()));
            return Err(match problems.finish() {
                Err(error) => error,
                Ok(()) => MatrixError {
                    problems: Vec::new(),
                },
            });
        }
    };
    let problems = RefCell::new(problems);
    let read = read(Section::new(parsed.get_ref(), &problems, "", 0));
    Ok((read, problems.into_inner()))
}

/// The schema stands in front of each document.
pub(crate) fn schema(top: &Section<'_, '_>) {
    let schema = top.need("schema", top.number("schema"));
    if schema.is_some_and(|schema| schema != SCHEMA) {
        top.fault_of(
            "schema",
            &format!("must be {SCHEMA}: this version reads no other"),
        );
    }
}

impl Matrix {
    /// Reads a matrix file.
    ///
    /// # Errors
    ///
    /// All faults of the text, with line and column, and a hint where one can be given.
    pub fn parse(text: &str) -> Result<Self, MatrixError> {
        let (matrix, mut problems) = document(text, |top| Self::read(top, text))?;
        check::names(&matrix, &mut problems);
        problems.finish()?;
        Ok(matrix)
    }

    fn read(top: Section<'_, '_>, text: &str) -> Self {
        schema(&top);
        let name = top.need("name", top.text("name"));
        if name.as_ref().is_some_and(|name| !is_name(&name.value)) {
            top.fault_of("name", &format!("is no name: {}", reader::NAME_RULE));
        }
        let mut cell = Settings::default();
        Changes::below(&top, "cell").apply(&mut cell);
        let matrix = Self {
            name: name.map(|name| name.value).unwrap_or_default(),
            run: top.table("run").map(Run::read).unwrap_or_default(),
            cell,
            axes: top
                .table("axes")
                .map(|axes| platform::axes(&axes))
                .unwrap_or_default(),
            leftovers: top.table("leftovers").map(Policy::read).unwrap_or_default(),
            report: top.table("report").map(Report::read).unwrap_or_default(),
            platforms: top
                .table("platform")
                .map(platform::Platforms::read)
                .unwrap_or_default(),
            options: top
                .table("option")
                .map(|t| product::options(&t))
                .unwrap_or_default(),
            artifacts: top
                .table("artifact")
                .map(|t| product::artifacts(&t))
                .unwrap_or_default(),
            steps: top
                .table("step")
                .map(|t| product::steps(&t))
                .unwrap_or_default(),
            scenarios: top
                .table("scenario")
                .map(|t| product::scenarios(&t))
                .unwrap_or_default(),
            excludes: top
                .tables("exclude")
                .into_iter()
                .map(filter::exclude)
                .collect(),
            expected: top
                .tables("expect-fail")
                .into_iter()
                .map(filter::expect_fail)
                .collect(),
            includes: top
                .tables("include")
                .into_iter()
                .map(filter::include)
                .collect(),
            text: text.to_owned(),
        };
        for (key, empty) in [
            ("platform", !top.has("platform")),
            ("option", matrix.options.is_empty()),
            ("scenario", matrix.scenarios.is_empty()),
        ] {
            if empty {
                top.fault(
                    0,
                    format!("the matrix has no `{key}`"),
                    "it would have no cells",
                );
            }
        }
        top.finish();
        matrix
    }
}
