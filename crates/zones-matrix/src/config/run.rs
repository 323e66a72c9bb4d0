//! `[run]` and `[report]`: how a matrix is run, and what is written about it.

use zones_types::Bytes;

use super::reader::{At, Section};

/// Cells beyond which a plan needs consent.
pub const MAX_CELLS: u32 = 1000;

/// How many cells run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// What processors and memory allow.
    Auto,
    /// This many.
    Fixed(u32),
}

/// Memory for all cells together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Hundredths of the host's.
    Percent(u32),
    /// This much.
    Fixed(Bytes),
}

/// In which order cells start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Longest first, by earlier runs; then by their time limit.
    SlowestFirst,
    /// By chance, the same for the same seed.
    Seeded,
    /// As the file names platforms, options and scenarios.
    Declared,
}

/// Which zones stay after their verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Never,
    /// Those of cells that failed.
    Failed,
    /// All.
    All,
}

/// `[run]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How many at a time.
    pub jobs: Jobs,
    /// Memory for all.
    pub memory: Budget,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// Stop at this many failures; 0 is never.
    pub max_fail: u32,
    /// Patterns of the cells that run first; the rest runs only when they pass.
    pub touchstone: Vec<String>,
    pub(crate) touchstone_at: Vec<At<String>>,
    /// Order of the rest.
    pub order: Order,
    /// Which zones stay.
    pub keep: Keep,
    /// Whether equal leading steps run once.
    pub share_prefix: bool,
    /// Cells beyond which a plan needs consent.
    pub max_cells: u32,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            jobs: Jobs::Auto,
            memory: Budget::Percent(75),
            fail_fast: false,
            max_fail: 0,
            touchstone: Vec::new(),
            touchstone_at: Vec::new(),
            order: Order::SlowestFirst,
            keep: Keep::Failed,
            share_prefix: true,
            max_cells: MAX_CELLS,
        }
    }
}

const ORDERS: [(&str, Order); 3] = [
    ("slowest-first", Order::SlowestFirst),
    ("seeded", Order::Seeded),
    ("declared", Order::Declared),
];
const KEEPS: [(&str, Keep); 3] = [
    ("never", Keep::Never),
    ("failed", Keep::Failed),
    ("all", Keep::All),
];

impl Run {
    pub(crate) fn read(section: Section<'_, '_>) -> Self {
        let rest = Self::default();
        let touchstone_at = section.texts("touchstone").unwrap_or_default();
        let run = Self {
            jobs: jobs(&section).unwrap_or(rest.jobs),
            memory: section
                .parsed("memory", "\"75%\" or an amount such as \"4G\"", budget)
                .unwrap_or(rest.memory),
            fail_fast: section.flag("fail-fast").unwrap_or(rest.fail_fast),
            max_fail: section.number("max-fail").unwrap_or(rest.max_fail),
            touchstone: touchstone_at.iter().map(|at| at.value.clone()).collect(),
            touchstone_at,
            order: section.word("order", &ORDERS).unwrap_or(rest.order),
            keep: section.word("keep", &KEEPS).unwrap_or(rest.keep),
            share_prefix: section.flag("share-prefix").unwrap_or(rest.share_prefix),
            max_cells: section.number("max-cells").unwrap_or(rest.max_cells),
        };
        section.finish();
        run
    }
}

fn jobs(section: &Section<'_, '_>) -> Option<Jobs> {
    let wanted = "\"auto\" or a number from 1";
    if section.is_text("jobs") {
        return section.parsed("jobs", wanted, |text| {
            (text == "auto").then_some(Jobs::Auto)
        });
    }
    match section.number("jobs")? {
        0 => {
            section.fault_of("jobs", &format!("must be {wanted}"));
            None
        }
        number => Some(Jobs::Fixed(number)),
    }
}

fn budget(text: &str) -> Option<Budget> {
    match text.strip_suffix('%') {
        Some(number) => {
            let percent = number.parse().ok().filter(|n| (1..=100).contains(n))?;
            Some(Budget::Percent(percent))
        }
        None => text.parse().ok().map(Budget::Fixed),
    }
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// One page for a browser.
    Html,
    /// JUnit XML.
    Junit,
    /// Test Anything Protocol, version 14.
    Tap,
    /// JSON.
    Json,
}

const FORMATS: [(&str, Format); 4] = [
    ("html", Format::Html),
    ("junit", Format::Junit),
    ("tap", Format::Tap),
    ("json", Format::Json),
];

/// `[report]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Folder, relative to the matrix file.
    pub dir: String,
    /// What is written.
    pub formats: Vec<Format>,
    /// Runs kept for trends.
    pub history: u32,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            dir: "matrix-report".to_owned(),
            formats: FORMATS.iter().map(|(_, format)| *format).collect(),
            history: 20,
        }
    }
}

impl Report {
    pub(crate) fn read(section: Section<'_, '_>) -> Self {
        let rest = Self::default();
        let formats = section.texts("formats").map(|words| {
            let known = words
                .iter()
                .filter_map(|word| section.one_of("formats", word, &FORMATS));
            known.collect()
        });
        let report = Self {
            dir: section.text("dir").map_or(rest.dir, |dir| dir.value),
            formats: formats.unwrap_or(rest.formats),
            history: section.number("history").unwrap_or(rest.history),
        };
        section.finish();
        report
    }
}
