//! `[option]`, `[artifact]`, `[step]`, `[scenario]`: what is installed, and what is done with it.

use std::time::Duration;

use super::reader::{At, Entry, Section};
use super::settings::Changes;

/// Name and value of variables, in the order of the file.
pub(crate) type Variables = Vec<(String, String)>;

/// One way to install the product.
#[derive(Debug, Clone)]
pub(crate) struct OptionRule {
    pub(crate) name: String,
    pub(crate) env: Variables,
    pub(crate) services: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) cell: Changes,
    /// Steps that this option does in its own way.
    pub(crate) steps: Vec<StepRule>,
}

pub(crate) fn options(section: &Section<'_, '_>) -> Vec<OptionRule> {
    let entries = section.entries();
    entries.iter().filter_map(option).collect()
}

fn option(entry: &Entry<'_, '_, '_>) -> Option<OptionRule> {
    let (name, table) = (entry.checked_name()?, entry.table()?);
    let rule = OptionRule {
        name,
        env: variables(&table),
        services: table.words("services").unwrap_or_default(),
        tags: table.words("tags").unwrap_or_default(),
        cell: Changes::below(&table, "cell"),
        steps: table
            .table("step")
            .map(|steps| self::steps(&steps))
            .unwrap_or_default(),
    };
    table.finish();
    Some(rule)
}

fn variables(section: &Section<'_, '_>) -> Variables {
    let Some(table) = section.table("env") else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in table.entries() {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts = !entry.name.starts_with(|c: char| c.is_ascii_digit());
        if entry.name.is_empty() || !starts || !entry.name.bytes().all(is_part) {
            let message = format!("`{}` cannot be the name of a variable", entry.name);
            table.fault(entry.at, message, "letters, digits and `_`, no digit first");
        }
        if let Some(text) = entry.text() {
            all.push((entry.name.to_owned(), text.value));
        }
    }
    all
}

/// How an artifact is had; texts are templates.
#[derive(Debug, Clone)]
pub(crate) enum Supply {
    /// Built in a build zone of the same platform.
    Build {
        script: At<String>,
        /// Files and folders that the build reads; none is all of them.
        sources: Vec<At<String>>,
        outputs: Vec<Output>,
    },
    /// Taken from a store of releases.
    Path(At<String>),
}

/// A pattern of files that a build leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Pattern, relative to the build folder.
    pub pattern: String,
    /// Whether the build fails when nothing matches.
    pub required: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ArtifactRule {
    pub(crate) name: String,
    pub(crate) supply: Supply,
}

pub(crate) fn artifacts(section: &Section<'_, '_>) -> Vec<ArtifactRule> {
    let entries = section.entries();
    entries.iter().filter_map(artifact).collect()
}

fn artifact(entry: &Entry<'_, '_, '_>) -> Option<ArtifactRule> {
    let (name, table) = (entry.checked_name()?, entry.table()?);
    let (build, path) = (table.text("build"), table.text("path"));
    let outputs = table.texts("outputs").unwrap_or_default();
    let sources = table.texts("source").unwrap_or_default();
    let supply = match (build, path) {
        (Some(script), None) => {
            if outputs.is_empty() {
                let message = format!("artifact `{name}` has no outputs");
                table.fault(entry.at, message, "outputs = [\"=dist/*.deb\"]");
            }
            let outputs = outputs.iter().filter_map(|text| output(&table, text));
            let outputs = outputs.collect();
            Some(Supply::Build {
                script,
                sources,
                outputs,
            })
        }
        (None, Some(path)) => {
            for (key, texts) in [("outputs", &outputs), ("source", &sources)] {
                if !texts.is_empty() {
                    let message = format!("artifact `{name}` is not built, so it has no `{key}`");
                    table.fault(entry.at, message, "");
                }
            }
            Some(Supply::Path(path))
        }
        _ => {
            let message = format!("artifact `{name}` needs `build` or `path`, and not both");
            table.fault(entry.at, message, "");
            None
        }
    };
    table.finish();
    let supply = supply?;
    Some(ArtifactRule { name, supply })
}

fn output(section: &Section<'_, '_>, text: &At<String>) -> Option<Output> {
    let required = match text.value.chars().next() {
        Some('=') => true,
        Some('?') => false,
        _ => {
            let message = format!("output `{}` does not say whether it must match", text.value);
            section.fault(
                text.at,
                message,
                "start it with `=` (must match) or `?` (may)",
            );
            return None;
        }
    };
    let pattern = text.value[1..].to_owned();
    Some(Output { pattern, required })
}

/// One step; `run` is a template.
#[derive(Debug, Clone)]
pub(crate) struct StepRule {
    pub(crate) name: String,
    pub(crate) run: At<String>,
    /// Other files that the step reads; part of its key.
    pub(crate) files: Vec<At<String>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) slow_after: Option<Duration>,
}

pub(crate) fn steps(section: &Section<'_, '_>) -> Vec<StepRule> {
    let entries = section.entries();
    entries.iter().filter_map(step).collect()
}

fn step(entry: &Entry<'_, '_, '_>) -> Option<StepRule> {
    let name = entry.checked_name()?;
    let Some(table) = entry.maybe_table() else {
        return Some(StepRule {
            name,
            run: entry.text()?,
            files: Vec::new(),
            timeout: None,
            slow_after: None,
        });
    };
    let run = table.need("run", table.text("run"));
    let files = table.texts("files").unwrap_or_default();
    let (timeout, slow_after) = (table.duration("timeout"), table.duration("slow-after"));
    table.finish();
    Some(StepRule {
        name,
        run: run?,
        files,
        timeout,
        slow_after,
    })
}

/// A step of a scenario: `install:new`.
#[derive(Debug, Clone)]
pub(crate) struct StepUse {
    pub(crate) at: usize,
    pub(crate) step: String,
    pub(crate) artifact: Option<String>,
}

/// Steps in their order, and what must be true afterwards.
#[derive(Debug, Clone)]
pub(crate) struct ScenarioRule {
    pub(crate) name: String,
    pub(crate) steps: Vec<StepUse>,
    pub(crate) checks: Vec<At<String>>,
    pub(crate) tags: Vec<String>,
    pub(crate) cell: Changes,
}

pub(crate) fn scenarios(section: &Section<'_, '_>) -> Vec<ScenarioRule> {
    let entries = section.entries();
    entries.iter().filter_map(scenario).collect()
}

fn scenario(entry: &Entry<'_, '_, '_>) -> Option<ScenarioRule> {
    let (name, table) = (entry.checked_name()?, entry.table()?);
    let steps = table.need("steps", table.texts("steps"));
    let rule = ScenarioRule {
        steps: steps.iter().flatten().map(step_use).collect(),
        checks: table.texts("checks").unwrap_or_default(),
        tags: table.words("tags").unwrap_or_default(),
        cell: Changes::below(&table, "cell"),
        name,
    };
    table.finish();
    Some(rule)
}

fn step_use(text: &At<String>) -> StepUse {
    let (step, artifact) = match text.value.split_once(':') {
        Some((step, artifact)) => (step.to_owned(), Some(artifact.to_owned())),
        None => (text.value.clone(), None),
    };
    StepUse {
        at: text.at,
        step,
        artifact,
    }
}
