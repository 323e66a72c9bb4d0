//! Says why there is no answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::depend::{Depend, names};
use crate::failure::{Conflict, Failure, Problem, Rejection};
use crate::job::{Job, Mode};
use crate::model::{Model, Origin};
use crate::reason::Reason;
use crate::sat::Var;

/// Steps that a chain of reasons is followed.
const DEPTH_MAX: usize = 8;

/// Packages that must be there and have no version left.
pub(crate) fn missing(model: &Model, packages: &[usize]) -> Failure {
    let mut tree = Tree::new(model);
    let problem = |at: &usize| {
        let package = &model.packages[*at];
        let mut vars: Vec<Var> = package.versions.clone().collect();
        if vars.iter().any(|var| !tree.is_asked_away(*var)) {
            vars.retain(|var| !tree.is_asked_away(*var));
        }
        Problem::NoVersion(package.stem.clone(), tree.rejections(&vars, 0))
    };
    let problems = packages.iter().map(problem).collect();
    match tree.is_constrained {
        true => Failure::constrained(problems),
        false => Failure::failed(problems),
    }
}

/// Rules that contradict each other.
pub(crate) fn conflict(job: &Job<'_>, model: &Model, core: &BTreeSet<u32>) -> Failure {
    let mut tree = Tree::new(model);
    // Equal demands of several versions of one package are said once.
    let mut lines: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut asides: Vec<BTreeSet<Var>> = Vec::new();
    let is_root = |origin: &&u32| matches!(model.origins[**origin as usize], Origin::Root(_));
    let (roots, rest): (Vec<&u32>, Vec<&u32>) = core.iter().partition(is_root);
    for origin in roots.into_iter().chain(rest) {
        let (name, version, demand) = line(job, model, model.origins[*origin as usize]);
        let place = *places
            .entry((name.clone(), demand.clone()))
            .or_insert_with(|| {
                lines.push((name, Vec::new(), demand));
                asides.push(BTreeSet::new());
                lines.len() - 1
            });
        lines[place].1.extend(version);
        asides[place].extend(closed(model, *origin));
    }
    let said = lines
        .into_iter()
        .zip(asides)
        .map(|((name, versions, demand), aside)| {
            let at = if versions.is_empty() { "" } else { "@" };
            let vars: Vec<Var> = aside.into_iter().collect();
            Conflict {
                demand: format!("{name}{at}{} {demand}", versions.join(", ")),
                rejected: tree.rejections(&vars, 0),
            }
        });
    Failure::constrained(vec![Problem::NoSolution(said.collect())])
}

/// Package, version and demand of a rule.
fn line(job: &Job<'_>, model: &Model, origin: Origin) -> (String, Option<String>, String) {
    match origin {
        Origin::Root(at) => {
            let package = &model.packages[at];
            let word = match (package.is_asked, job.mode) {
                (true, Mode::UpdateNamed) => "is to be updated",
                (true, _) => "is to be installed",
                _ => "is installed",
            };
            let version = package.installed.filter(|_| !package.is_asked);
            let version = version.map(|var| model.release(var).version.short());
            (package.stem.to_string(), version, word.to_owned())
        }
        Origin::Depend(var, at) => {
            let release = model.release(var);
            let demand = said(&release.depends[at]);
            (
                release.stem.to_string(),
                Some(release.version.short()),
                demand,
            )
        }
    }
}

fn said(depend: &Depend) -> String {
    let targets = names(depend.targets());
    match depend {
        Depend::Incorporate(_) => format!("incorporates {targets}"),
        Depend::Optional(_) => format!("works only with {targets} or newer"),
        Depend::Exclude(_) => format!("excludes {targets}"),
        Depend::Conditional { predicate, .. } => {
            format!("requires {targets} when {predicate} is installed")
        }
        Depend::Group(_) | Depend::GroupAny(_) => format!("has {targets} in its group"),
        _ => format!("requires {targets}"),
    }
}

/// The versions that could meet a demand if they were not out.
fn closed(model: &Model, origin: u32) -> Vec<Var> {
    let demands = model.demands.iter().filter(|it| it.origin == origin);
    let any = demands.flat_map(|it| it.any.iter()).copied();
    any.filter(|var| !model.is_open(*var)).collect()
}

/// Builds trees of reasons; what was said once is not said again below another.
struct Tree<'m> {
    model: &'m Model,
    said: BTreeSet<Var>,
    is_constrained: bool,
}

impl<'m> Tree<'m> {
    fn new(model: &'m Model) -> Self {
        Self {
            model,
            said: BTreeSet::new(),
            is_constrained: false,
        }
    }

    fn is_asked_away(&self, var: Var) -> bool {
        let reason = self.model.candidates[var].rejected.as_ref();
        matches!(
            reason,
            Some(Reason::AskedVersion | Reason::AskedPublisher(_))
        )
    }

    fn rejections(&mut self, vars: &[Var], depth: usize) -> Vec<Rejection> {
        let mut found: Vec<Rejection> = Vec::new();
        let mut last: Option<&Reason> = None;
        for var in vars {
            let candidate = &self.model.candidates[*var];
            let fmri = candidate.release.fmri();
            let Some(reason) = &candidate.rejected else {
                // Open, but not as what must be there: a note that the package is gone.
                found.push(Rejection {
                    packages: vec![fmri],
                    reason: "Package is obsolete".to_owned(),
                    because: Vec::new(),
                });
                last = None;
                continue;
            };
            self.is_constrained |= reason.is_constraint();
            if last == Some(reason)
                && let Some(same) = found.last_mut()
            {
                same.packages.push(fmri);
                continue;
            }
            last = Some(reason);
            let is_new = self.said.insert(*var) && depth < DEPTH_MAX;
            let nested = if is_new { reason.nested() } else { &[] };
            let because = self.rejections(nested, depth + 1);
            found.push(Rejection {
                packages: vec![fmri],
                reason: reason.to_string(),
                because,
            });
        }
        found
    }
}
