//! Names in a matrix file that refer to other names in it.

use std::collections::BTreeSet;

use super::diag::Problems;
use super::filter::When;
use super::platform::RESERVED;
use super::{Matrix, is_name};
use crate::check::Check;

pub(super) fn names(matrix: &Matrix, problems: &mut Problems<'_>) {
    scenarios(matrix, problems);
    option_steps(matrix, problems);
    for rule in &matrix.platforms.overrides {
        when(matrix, &rule.when, problems);
    }
    for exclude in &matrix.excludes {
        when(matrix, &exclude.when, problems);
    }
    for expected in &matrix.expected {
        when(matrix, &expected.when, problems);
    }
    for include in &matrix.includes {
        for (key, value) in &include.cell {
            known_value(matrix, key, value.at, &value.value, problems);
        }
        let bad = |suffix: &str| !suffix.starts_with('+') || !is_name(&suffix[1..]);
        if let Some(suffix) = include.suffix.as_ref().filter(|at| bad(&at.value)) {
            let problem = problems.add(suffix.at, format!("`{}` is no suffix", suffix.value));
            problem.hint("a suffix is `+` and a name");
        }
    }
}

fn scenarios(matrix: &Matrix, problems: &mut Problems<'_>) {
    let steps = || matrix.steps.iter().map(|step| step.name.as_str());
    let artifacts = || {
        matrix
            .artifacts
            .iter()
            .map(|artifact| artifact.name.as_str())
    };
    for scenario in &matrix.scenarios {
        for used in &scenario.steps {
            if !steps().any(|name| name == used.step) {
                let problem = problems.add(used.at, format!("unknown step `{}`", used.step));
                problem.suggest(&used.step, steps());
            }
            let artifact = used.artifact.as_deref();
            if let Some(name) = artifact.filter(|name| artifacts().all(|known| known != *name)) {
                let problem = problems.add(used.at, format!("unknown artifact `{name}`"));
                problem.suggest(name, artifacts());
            }
        }
        for check in &scenario.checks {
            match Check::parse(&check.value) {
                None => {
                    let message = format!("unknown check `{}`", check.value);
                    let problem = problems.add(check.at, message);
                    problem.suggest(&check.value, Check::names());
                }
                Some(Check::NoOrphansFrom(name)) if artifacts().all(|known| known != name) => {
                    let problem = problems.add(check.at, format!("unknown artifact `{name}`"));
                    problem.suggest(&name, artifacts());
                }
                Some(_) => {}
            }
        }
    }
}

fn option_steps(matrix: &Matrix, problems: &mut Problems<'_>) {
    let steps = || matrix.steps.iter().map(|step| step.name.as_str());
    for option in &matrix.options {
        for step in &option.steps {
            if !steps().any(|name| name == step.name) {
                let message = format!("option `{}` changes no known step", option.name);
                let problem = problems.add(step.run.at, message);
                problem.suggest(&step.name, steps());
            }
        }
    }
}

fn when(matrix: &Matrix, when: &When, problems: &mut Problems<'_>) {
    for term in &when.terms {
        if known_key(matrix, &term.key, term.at, problems) {
            for value in &term.values {
                known_value(matrix, &term.key, value.at, &value.value, problems);
            }
        }
    }
}

fn known_key(matrix: &Matrix, key: &str, at: usize, problems: &mut Problems<'_>) -> bool {
    let axes = matrix.axes.iter().map(|axis| axis.name.as_str());
    let known: BTreeSet<&str> = axes.chain(RESERVED).collect();
    if !known.contains(key) {
        let problem = problems.add(at, format!("`{key}` is no axis"));
        problem.suggest(key, known.iter().copied());
    }
    known.contains(key)
}

/// Platforms are known only when the matrix is planned.
fn known_value(matrix: &Matrix, key: &str, at: usize, value: &str, problems: &mut Problems<'_>) {
    let known: BTreeSet<&str> = match key {
        "platform" => return,
        "option" => matrix
            .options
            .iter()
            .map(|rule| rule.name.as_str())
            .collect(),
        "scenario" => matrix
            .scenarios
            .iter()
            .map(|rule| rule.name.as_str())
            .collect(),
        axis => {
            if !known_key(matrix, axis, at, problems) {
                return;
            }
            let own = matrix.axes.iter().filter(|known| known.name == axis);
            let extra = matrix.platforms.extras.iter().flat_map(|extra| &extra.axes);
            let extra = extra
                .filter(|(name, _)| name == axis)
                .map(|(_, value)| value);
            own.flat_map(|axis| &axis.values)
                .chain(extra)
                .map(String::as_str)
                .collect()
        }
    };
    if !known.contains(value) {
        let problem = problems.add(at, format!("`{key}` has no value `{value}`"));
        problem.suggest(value, known.into_iter());
    }
}
