//! The search for the best choice of versions.

mod guide;
mod order;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::explain;
use crate::failure::{Failure, Problem};
use crate::job::{Job, Mode};
use crate::model::{Demand, Model};
use crate::reason::Reason;
use crate::sat::{Engine, Lit, Unsolved, Value, Var};
use guide::Preferences;

/// Literals looked at before a search is given up: some ten seconds.
const WORK_MAX: u64 = 2_000_000_000;

/// A package that must be there, its open versions in order of preference.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) any: Vec<Var>,
    pub(crate) origin: u32,
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Answer {
    /// By variable.
    pub(crate) chosen: Vec<bool>,
    pub(crate) work: u64,
}

/// The packages that must be there, those first whose versions matter most.
pub(crate) fn roots(job: &Job<'_>, model: &mut Model) -> Result<Vec<Root>, Failure> {
    let mut roots = Vec::new();
    let mut missing = Vec::new();
    for package in order::packages(job, model) {
        let any = wanted(job, model, package);
        if !any.is_empty() {
            let origin = model.root(package);
            roots.push(Root { any, origin });
        } else if !may_go(job, model, package) {
            missing.push(package);
        }
    }
    match missing.is_empty() {
        true => Ok(roots),
        false => Err(explain::missing(model, &missing)),
    }
}

/// The open versions of a package that must be there, in order of preference.
fn wanted(job: &Job<'_>, model: &Model, package: usize) -> Vec<Var> {
    let package = &model.packages[package];
    let installs = matches!(job.mode, Mode::Install | Mode::Exact) && package.is_asked;
    let fits = |var: &Var| model.is_open(*var) && !(installs && model.release(*var).is_obsolete());
    let mut any: Vec<Var> = package.versions.clone().filter(fits).collect();
    let moves = package.is_asked || job.mode == Mode::UpdateAll;
    if let (false, Some(own)) = (moves, package.installed) {
        any.sort_by_key(|var| *var != own);
    }
    any
}

/// Whether a package without open versions may go: its variants are no longer those of the image.
fn may_go(job: &Job<'_>, model: &Model, package: usize) -> bool {
    let own = model.packages[package].installed;
    let reason = own.and_then(|own| model.candidates[own].rejected.as_ref());
    job.mode == Mode::Variants && matches!(reason, Some(Reason::OtherVariant(_)))
}

/// Finds the best choice of versions.
pub(crate) fn search(job: &Job<'_>, model: &Model, roots: &[Root]) -> Result<Answer, Failure> {
    match run(model, roots, None) {
        Ok(answer) => Ok(answer),
        Err(Unsolved::TooHard) => Err(Failure::failed(vec![Problem::TooHard])),
        Err(Unsolved::Core(core)) => {
            let core = shrink(model, roots, core.into_iter().collect());
            Err(explain::conflict(job, model, &core))
        }
    }
}

/// Searches with all rules, or with those of the given origins.
fn run(model: &Model, roots: &[Root], only: Option<&BTreeSet<u32>>) -> Result<Answer, Unsolved> {
    let counts = |origin: u32| only.is_none_or(|only| only.contains(&origin));
    let open = |var: &Var| model.is_open(*var);
    let groups: Vec<Range<Var>> = model
        .packages
        .iter()
        .map(|it| it.versions.clone())
        .collect();
    let mut engine = Engine::new(&groups, WORK_MAX);
    let roots: Vec<&Root> = roots.iter().filter(|it| counts(it.origin)).collect();
    for root in &roots {
        engine.add(
            root.any.iter().map(|var| Lit::yes(*var)).collect(),
            root.origin,
        );
    }
    let live =
        |it: &&Demand| counts(it.origin) && open(&it.owner) && it.when.is_none_or(|w| open(&w));
    let demands: Vec<&Demand> = model.demands.iter().filter(live).collect();
    for demand in &demands {
        let whens = std::iter::once(demand.owner)
            .chain(demand.when)
            .map(Lit::no);
        let any = demand
            .any
            .iter()
            .filter(|var| open(var))
            .map(|var| Lit::yes(*var));
        engine.add(whens.chain(any).collect(), demand.origin);
    }
    for ban in &model.bans {
        if counts(ban.origin) && open(&ban.owner) && open(&ban.other) {
            engine.forbid_pair(ban.owner, ban.other, ban.origin);
        }
    }
    let mut guide = Preferences::new(model, &roots, &demands);
    engine.solve(&mut guide)?;
    let values = 0..model.candidates.len();
    Ok(Answer {
        chosen: values.map(|var| engine.value(var) == Value::Yes).collect(),
        work: engine.work() + guide.work(),
    })
}

/// Origins that a shrinking looks at; larger contradictions are shown as they are.
const SHRINK_MAX: usize = 100;

/// Leaves out what a contradiction does not need.
fn shrink(model: &Model, roots: &[Root], mut core: BTreeSet<u32>) -> BTreeSet<u32> {
    if core.len() > SHRINK_MAX {
        return core;
    }
    for origin in core.clone().into_iter().rev() {
        let mut less = core.clone();
        less.remove(&origin);
        if let Err(Unsolved::Core(found)) = run(model, roots, Some(&less)) {
            core = found.into_iter().collect();
        }
    }
    core
}
