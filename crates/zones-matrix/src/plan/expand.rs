//! From a matrix file to cells.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::artifact::{Artifact, artifact};
use super::cell::{Cell, Expected, Step};
use super::files::Files;
use super::image::{Platform, fill, platforms};
use super::include::{self, Place};
use super::{ARTIFACTS, Circumstances, Many, Plan, World, order, prefix, select};
use crate::check::Check;
use crate::config::filter::{Condition, When};
use crate::config::product::{OptionRule, ScenarioRule, StepRule, StepUse};
use crate::config::{Matrix, MatrixError, Problems, Settings};
use crate::key::Key;

/// No consent reaches further: the plan of a typing error must not fill the memory.
const CELLS_EVER: usize = 1_000_000;

pub(super) fn expand(
    matrix: &Matrix,
    world: &dyn World,
    circumstances: &Circumstances,
) -> Result<Plan, MatrixError> {
    let mut problems = Problems::new(&matrix.text);
    count(matrix, circumstances.many, &mut problems);
    problems.finish()?;
    let mut problems = Problems::new(&matrix.text);
    let files = Files::new(world);
    let platforms = platforms(matrix, world, &files, &mut problems);
    let mut maker = Maker {
        matrix,
        world,
        circumstances,
        files: &files,
        platforms: &platforms,
        artifacts: BTreeMap::new(),
        prefixes: prefix::Builder::new(matrix.run.share_prefix),
        keys: BTreeMap::new(),
        root: None,
        problems,
    };
    let mut cells = maker.cells();
    maker.expect(&mut cells);
    maker.touchstones(&mut cells);
    maker.problems.finish()?;
    let artifacts = maker.artifacts.into_values().flatten().collect();
    let prefixes = maker.prefixes.finish();
    let (order, seed) = (matrix.run.order, circumstances.seed);
    let order = order::order(&cells, order, seed, &circumstances.history);
    Ok(Plan {
        name: matrix.name.clone(),
        seed,
        platforms,
        artifacts,
        cells,
        order,
        prefixes,
    })
}

/// Counts the product before any of it is made.
fn count(matrix: &Matrix, many: Many, problems: &mut Problems<'_>) {
    let axes = matrix.axes.iter().map(|axis| axis.values.len());
    let platforms = match matrix.platforms.id {
        Some(_) => axes.fold(1, usize::saturating_mul),
        None => 0,
    };
    let platforms = platforms.saturating_add(matrix.platforms.extras.len());
    let cells = platforms
        .saturating_mul(matrix.options.len())
        .saturating_mul(matrix.scenarios.len());
    let most = usize::try_from(matrix.run.max_cells).unwrap_or(usize::MAX);
    if cells > CELLS_EVER {
        problems.general(format!("{cells} cells are more than any plan may have"));
    } else if cells > most && many == Many::Refused {
        let message = format!("{cells} cells are more than `run.max-cells`, which is {most}");
        problems
            .general(message)
            .hint("give `--yes`, or set a larger `run.max-cells`");
    }
}

struct Maker<'m, 't> {
    matrix: &'m Matrix,
    world: &'m dyn World,
    circumstances: &'m Circumstances,
    files: &'m Files<'m>,
    platforms: &'m [Platform],
    /// By name and platform; `None` when it could not be made out, which was said.
    artifacts: BTreeMap<(String, usize), Option<Artifact>>,
    prefixes: prefix::Builder,
    /// Keys of command lines with their files: hashed once.
    keys: BTreeMap<(String, String), Key>,
    /// Platform, option and settings of the last cell, and the key that it starts with: the cells
    /// after it are of the same, mostly.
    root: Option<((usize, usize), Settings, Key)>,
    problems: Problems<'t>,
}

impl Maker<'_, '_> {
    fn is_on(&self, condition: Option<&Condition>) -> bool {
        condition.is_none_or(|condition| self.world.is_set(&condition.0))
    }

    /// All cells, sorted by id.
    fn cells(&mut self) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut met = vec![false; self.matrix.excludes.len()];
        let mut declared = 0;
        for (at, platform) in self.platforms.iter().enumerate() {
            for option in 0..self.matrix.options.len() {
                for scenario in 0..self.matrix.scenarios.len() {
                    let place = (at, option, scenario);
                    declared += 1;
                    if !self.is_excluded(platform, place, &mut met) {
                        cells.extend(self.cell(place, "", self.defaults(place), &[], declared));
                    }
                }
            }
        }
        for (exclude, met) in self.matrix.excludes.iter().zip(met) {
            if !met && !self.platforms.is_empty() {
                self.idle("exclude", &exclude.when);
            }
        }
        for include in &self.matrix.includes {
            let platforms = self.platforms;
            let place = include::place(include, self.matrix, platforms, &mut self.problems);
            let Some(place) = place else { continue };
            if !include.enabled || !self.is_on(include.only_if.as_ref()) {
                continue;
            }
            let suffix = include.suffix.as_ref().map_or("", |suffix| &suffix.value);
            let mut settings = self.defaults(place);
            include.changes.apply(&mut settings);
            declared += 1;
            let cell = self.cell(place, suffix, settings, &include.tags, declared);
            if cell
                .as_ref()
                .is_some_and(|cell| cells.iter().any(|c: &Cell| c.id == cell.id))
            {
                let problem = self
                    .problems
                    .add(include.at, "the included cell is there already");
                problem.hint("give it an `id-suffix`");
                continue;
            }
            cells.extend(cell);
        }
        cells.sort_by(|a, b| a.id.cmp(&b.id));
        if cells.is_empty() && self.problems.is_empty() {
            self.problems.general("every cell is excluded");
        }
        cells
    }

    fn idle(&mut self, what: &str, when: &When) {
        let problem = self
            .problems
            .add(when.at, format!("this `{what}` meets no cell"));
        problem.hint("a filter that does nothing hides a mistake; correct it or take it out");
    }

    fn is_excluded(&self, platform: &Platform, place: Place, met: &mut [bool]) -> bool {
        let (_, option, scenario) = self.rules(place);
        let value = |key: &str| match key {
            "option" => Some(option.name.as_str()),
            "scenario" => Some(scenario.name.as_str()),
            axis => platform.value(axis),
        };
        let mut excluded = false;
        for (exclude, met) in self.matrix.excludes.iter().zip(met) {
            if exclude.when.matches(value) {
                *met = true;
                excluded |= self.is_on(exclude.only_if.as_ref());
            }
        }
        excluded
    }

    fn rules(&self, place: Place) -> (&Platform, &OptionRule, &ScenarioRule) {
        let (platform, option, scenario) = place;
        (
            &self.platforms[platform],
            &self.matrix.options[option],
            &self.matrix.scenarios[scenario],
        )
    }

    fn defaults(&self, place: Place) -> Settings {
        let (platform, option, scenario) = self.rules(place);
        let mut settings = platform.settings.clone();
        option.cell.apply(&mut settings);
        scenario.cell.apply(&mut settings);
        settings
    }

    fn cell(
        &mut self,
        place: Place,
        suffix: &str,
        settings: Settings,
        tags: &[String],
        declared: usize,
    ) -> Option<Cell> {
        let (platforms, matrix) = (self.platforms, self.matrix);
        let platform = &platforms[place.0];
        let option = &matrix.options[place.1];
        let scenario = &matrix.scenarios[place.2];
        let root = self.root((place.0, place.1), &settings);
        let mut cell = Cell {
            id: format!("{}/{}/{}{suffix}", platform.id, option.name, scenario.name),
            platform: place.0,
            option: option.name.clone(),
            scenario: scenario.name.clone(),
            tags: words(platform, option, scenario, tags),
            settings,
            env: option.env.clone(),
            services: option.services.clone(),
            steps: Vec::with_capacity(scenario.steps.len()),
            checks: scenario
                .checks
                .iter()
                .filter_map(|at| Check::parse(&at.value))
                .collect(),
            expect_fail: None,
            touchstone: false,
            missing: Vec::new(),
            key: root,
            declared,
        };
        let mut parent = None;
        for used in &scenario.steps {
            let step = self.step(place, used, root, parent, &mut cell)?;
            parent = Some(step.node);
            cell.key = Key::of_bytes(&[*cell.key.bytes(), *self.last(&step)].concat());
            cell.steps.push(step);
        }
        let checks: Vec<String> = cell.checks.iter().map(Check::to_string).collect();
        let rest = Key::of(&json!({ "steps": cell.key.to_string(), "checks": checks }));
        cell.key = rest;
        Some(cell)
    }

    /// The key of all that a cell of a platform and an option starts with.
    fn root(&mut self, place: (usize, usize), settings: &Settings) -> Key {
        if let Some((known, same, key)) = &self.root
            && (*known, same) == (place, settings)
        {
            return *key;
        }
        let option = &self.matrix.options[place.1];
        let key = Key::of(&json!({
            "image": self.platforms[place.0].image.key.to_string(),
            "settings": settings.shaping(),
            "env": option.env,
            "services": option.services,
        }));
        self.root = Some((place, settings.clone(), key));
        key
    }

    fn last(&self, step: &Step) -> &[u8; 32] {
        self.prefixes.key(step.node)
    }

    fn step(
        &mut self,
        place: Place,
        used: &StepUse,
        root: Key,
        parent: Option<usize>,
        cell: &mut Cell,
    ) -> Option<Step> {
        let (platforms, matrix) = (self.platforms, self.matrix);
        let platform = &platforms[place.0];
        let rule = step_rule(matrix, &matrix.options[place.1], &used.step)?;
        let artifact = used.artifact.as_deref();
        let bytes = match artifact {
            None => None,
            Some(name) => {
                let made = self.artifact(name, place.0)?;
                if made.key.is_none() && !cell.missing.iter().any(|known| known == name) {
                    cell.missing.push(name.to_owned());
                }
                Some(made.key.map_or_else(String::new, |key| key.to_string()))
            }
        };
        let inside = artifact.map(|name| format!("{ARTIFACTS}/{name}"));
        let lookup = |name: &str| match name {
            "artifact" => inside.as_deref(),
            "option" => Some(matrix.options[place.1].name.as_str()),
            "scenario" => Some(matrix.scenarios[place.2].name.as_str()),
            "name" => Some(matrix.name.as_str()),
            axis => platform.value(axis),
        };
        if artifact.is_none() && rule.run.value.contains("{artifact}") {
            let message = format!("step `{}` needs an artifact here", used.step);
            self.problems
                .add(used.at, message)
                .hint(format!("write `{}:NAME`", used.step));
            return None;
        }
        let run = fill(&rule.run, lookup, &mut self.problems)?;
        let line = self.line(rule, &run);
        let key =
            Key::of(&json!({ "line": line.to_string(), "artifact": [artifact, bytes.as_deref()] }));
        let node = self.prefixes.step(root, parent, key);
        let name = match artifact {
            Some(artifact) => format!("{}:{artifact}", used.step),
            None => used.step.clone(),
        };
        Some(Step {
            name,
            artifact: used.artifact.clone(),
            run,
            node,
            timeout: rule.timeout,
            slow_after: rule.slow_after.unwrap_or(cell.settings.slow_after),
        })
    }

    /// The key of a command line and of the files that it needs.
    fn line(&mut self, rule: &StepRule, run: &str) -> Key {
        let known = (rule.name.clone(), run.to_owned());
        if let Some(key) = self.keys.get(&known) {
            return *key;
        }
        let problems = &mut self.problems;
        let script = self
            .files
            .script(run, rule.run.at, problems)
            .map(|key| key.to_string());
        let mut files = BTreeMap::new();
        for file in &rule.files {
            let key = self
                .files
                .must(&file.value, file.at, problems)
                .map(|key| key.to_string());
            files.insert(&file.value, key);
        }
        let key = Key::of(&json!({ "run": run, "script": script, "files": files }));
        self.keys.insert(known, key);
        key
    }

    fn artifact(&mut self, name: &str, platform: usize) -> Option<&Artifact> {
        let place = (name.to_owned(), platform);
        let (platforms, matrix) = (self.platforms, self.matrix);
        let (files, problems) = (self.files, &mut self.problems);
        let made = self.artifacts.entry(place).or_insert_with(|| {
            let rule = matrix.artifacts.iter().find(|rule| rule.name == name)?;
            artifact(rule, &platforms[platform], files, problems)
        });
        made.as_ref()
    }

    /// Marks the cells whose failure is expected.
    fn expect(&mut self, cells: &mut [Cell]) {
        for expected in &self.matrix.expected {
            let Some(until) = &expected.until else {
                continue;
            };
            if until.value < self.circumstances.today {
                let message = format!("this failure was expected until {}", until.value);
                let hint = "repair the product, or give a new date with a reason";
                self.problems.add(until.at, message).hint(hint);
                continue;
            }
            let platforms = self.platforms;
            let meant = cells.iter_mut().filter(|cell| {
                expected.when.matches(|key| match key {
                    "option" => Some(cell.option.as_str()),
                    "scenario" => Some(cell.scenario.as_str()),
                    axis => platforms[cell.platform].value(axis),
                })
            });
            let mut met = false;
            for cell in meant {
                met = true;
                if expected
                    .only_if
                    .as_ref()
                    .is_none_or(|only| self.world.is_set(&only.0))
                {
                    let (reason, until) = (expected.reason.clone(), until.value);
                    cell.expect_fail = Some(Expected { reason, until });
                }
            }
            if !met && !self.platforms.is_empty() {
                self.idle("expect-fail", &expected.when);
            }
        }
    }

    fn touchstones(&mut self, cells: &mut [Cell]) {
        if cells.is_empty() {
            return;
        }
        for pattern in &self.matrix.run.touchstone_at {
            match select::meets(&pattern.value, cells) {
                Ok(met) => {
                    for (cell, met) in cells.iter_mut().zip(met) {
                        cell.touchstone |= met;
                    }
                }
                Err(error) => {
                    let problem = self.problems.add(pattern.at, error.to_string());
                    let id = &cells[0].id;
                    problem.hint(format!(
                        "it is laid beside ids such as `{id}`, or a word of them"
                    ));
                }
            }
        }
    }
}

/// The step of a name as an option does it.
fn step_rule<'m>(matrix: &'m Matrix, option: &'m OptionRule, name: &str) -> Option<&'m StepRule> {
    let mut rules = option.steps.iter().chain(&matrix.steps);
    rules.find(|rule| rule.name == name)
}

/// Words that a selection finds a cell by.
fn words(
    platform: &Platform,
    option: &OptionRule,
    scenario: &ScenarioRule,
    more: &[String],
) -> BTreeSet<String> {
    let own = [&platform.id, &platform.brand, &option.name, &scenario.name];
    let axes = platform.axes.iter().map(|(_, value)| value);
    let tags = platform
        .tags
        .iter()
        .chain(&option.tags)
        .chain(&scenario.tags)
        .chain(more);
    own.into_iter().chain(axes).chain(tags).cloned().collect()
}
