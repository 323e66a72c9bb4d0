//! What versions need beside them.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Demand, Model, Origin, is_left};
use crate::depend::{Depend, Target};
use crate::job::Job;
use crate::release::Release;
use crate::sat::Var;

impl Model {
    /// Turns the dependencies of open versions into demands.
    pub(super) fn demand(&mut self, job: &Job<'_>) {
        for owner in 0..self.candidates.len() {
            if !self.is_open(owner) {
                continue;
            }
            let release = self.candidates[owner].release.clone();
            for (at, depend) in release.depends.iter().enumerate() {
                if depend.is_demand() && !is_left(job, depend) {
                    self.demand_one(job, owner, at, depend);
                }
            }
        }
    }

    fn demand_one(&mut self, job: &Job<'_>, owner: Var, at: usize, depend: &Depend) {
        let any = self.satisfiers(job, depend);
        if any.contains(&owner) {
            return;
        }
        let whens = match depend {
            Depend::Conditional { predicate, .. } => {
                let open = self.present(predicate).filter(|it| self.is_open(*it));
                open.map(Some).collect()
            }
            _ => vec![None],
        };
        let any: Rc<[Var]> = any.into();
        let origin = self.origin(Origin::Depend(owner, at));
        for when in whens {
            // What is broken already is not made worse by the operation.
            if any.is_empty() && self.is_own(owner) && when.is_none_or(|it| self.is_own(it)) {
                continue;
            }
            self.demands.push(Demand {
                owner,
                when,
                any: any.clone(),
                origin,
            });
        }
    }

    /// Whether a version is the installed one.
    fn is_own(&self, var: Var) -> bool {
        self.package_of(var).installed == Some(var)
    }

    /// The versions that satisfy a dependency, in order of preference; also what is out.
    fn satisfiers(&self, job: &Job<'_>, depend: &Depend) -> Vec<Var> {
        match depend {
            Depend::Group(target) => self.present_or_gone(target),
            Depend::GroupAny(targets) => {
                let wanted = targets.iter().filter(|it| !job.is_avoided(&it.stem));
                let found = wanted.map(|it| self.present_or_gone(it));
                let is_gone = |it: &Var| self.release(*it).is_obsolete();
                let lives = |it: &Vec<Var>| it.first().is_some_and(|var| !is_gone(var));
                let (alive, gone): (Vec<_>, Vec<_>) = found.partition(lives);
                let (alive, left): (Vec<Var>, Vec<Var>) =
                    alive.into_iter().flatten().partition(|it| !is_gone(it));
                // That one is gone asks for nothing more, so it meets where none that lives fits.
                let gone = gone.into_iter().flatten().chain(left);
                distinct(alive.into_iter().chain(gone))
            }
            Depend::RequireAny(targets) => distinct(targets.iter().flat_map(|it| self.present(it))),
            _ => depend
                .targets()
                .iter()
                .flat_map(|it| self.present(it))
                .collect(),
        }
    }

    fn present<'m>(&'m self, target: &'m Target) -> impl Iterator<Item = Var> + 'm {
        self.versions(target, move |it| {
            !it.is_obsolete() && target.is_met(&it.version)
        })
    }

    /// Newest first, be it the note that the package is gone: groups want no more then.
    fn present_or_gone(&self, target: &Target) -> Vec<Var> {
        let fits = |it: &Release| it.is_obsolete() || target.is_met(&it.version);
        self.versions(target, fits).collect()
    }
}

/// Each once, where it came first.
fn distinct(vars: impl Iterator<Item = Var>) -> Vec<Var> {
    let mut seen = BTreeSet::new();
    vars.filter(|var| seen.insert(*var)).collect()
}
