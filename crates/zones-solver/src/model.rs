//! The packages that can play a part, their versions, and what stands between them.

mod demands;
mod incorporations;
mod unmet;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use zones_ips::Stem;

use crate::depend::{Depend, Target};
use crate::hold::Holds;
use crate::job::{Job, Mode};
use crate::reason::Reason;
use crate::release::Release;
use crate::sat::Var;
use crate::trim::Judge;

/// One package with its versions, which are variables that follow each other, newest first.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) stem: Stem,
    pub(crate) versions: Range<Var>,
    /// The version that is installed and that the operation starts from.
    pub(crate) installed: Option<Var>,
    pub(crate) is_asked: bool,
}

/// One version.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) package: usize,
    pub(crate) release: Arc<Release>,
    /// Why it is out.
    pub(crate) rejected: Option<Reason>,
}

/// When `owner` is chosen, and `when` too, one of `any` must be.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) owner: Var,
    pub(crate) when: Option<Var>,
    /// In order of preference; also what is out.
    pub(crate) any: Rc<[Var]>,
    pub(crate) origin: u32,
}

/// Two versions that cannot be chosen together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ban {
    pub(crate) owner: Var,
    pub(crate) other: Var,
    pub(crate) origin: u32,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A package must be there: it was named, or it is installed.
    Root(usize),
    /// A dependency of a version, by its place.
    Depend(Var, usize),
}

/// Everything that the search looks at.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) packages: Vec<Package>,
    /// Only looked up, never walked: its order is not that of anything.
    places: HashMap<Stem, usize>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) demands: Vec<Demand>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) origins: Vec<Origin>,
}

impl Model {
    pub(crate) fn new(job: &Job<'_>, holds: &Holds) -> Self {
        let mut model = Self::default();
        model.load(job, holds);
        model.demand(job);
        model.ban();
        model.trim_incorporated(job);
        model.trim_unmet();
        model
    }

    /// Takes in what is named, what is installed, and whatever their versions may need.
    fn load(&mut self, job: &Job<'_>, holds: &Holds) {
        let asked = job.asked.iter().map(|it| it.stem.clone());
        let installed = job.image.installed.keys().cloned();
        let installed = installed.filter(|_| job.mode != Mode::Exact);
        let mut open: VecDeque<Stem> = asked.chain(installed).collect();
        while let Some(stem) = open.pop_front() {
            if self.places.contains_key(&stem) {
                continue;
            }
            let start = self.candidates.len();
            let place = self.packages.len();
            let releases = job.releases(&stem);
            let judge = Judge::new(job, holds, &releases);
            let own = job.installed(&stem).filter(|_| job.mode != Mode::Exact);
            for release in &*releases {
                let rejected = judge.objection(release);
                if rejected.is_none() {
                    open.extend(needs(job, release).map(|target| target.stem.clone()));
                }
                self.candidates.push(Candidate {
                    package: place,
                    release: release.clone(),
                    rejected,
                });
            }
            let versions = start..self.candidates.len();
            let is_own = |var: &Var| own.is_some_and(|own| *own == self.candidates[*var].release);
            self.packages.push(Package {
                installed: versions.clone().find(is_own),
                is_asked: job.asked(&stem).is_some(),
                versions,
                stem: stem.clone(),
            });
            self.places.insert(stem, place);
        }
    }

    pub(crate) fn package(&self, stem: &Stem) -> Option<&Package> {
        self.place(stem).map(|place| &self.packages[place])
    }

    pub(crate) fn place(&self, stem: &Stem) -> Option<usize> {
        self.places.get(stem).copied()
    }

    pub(crate) fn release(&self, var: Var) -> &Release {
        &self.candidates[var].release
    }

    pub(crate) fn package_of(&self, var: Var) -> &Package {
        &self.packages[self.candidates[var].package]
    }

    /// Whether a version may still be chosen.
    pub(crate) fn is_open(&self, var: Var) -> bool {
        self.candidates[var].rejected.is_none()
    }

    /// All versions of a target that `fits` takes, newest first.
    fn versions<'m>(
        &'m self,
        target: &'m Target,
        fits: impl Fn(&Release) -> bool + 'm,
    ) -> impl Iterator<Item = Var> + 'm {
        let package = self.package(&target.stem);
        let range = package.map_or(0..0, |it| it.versions.clone());
        range.filter(move |var| fits(self.release(*var)))
    }

    fn origin(&mut self, origin: Origin) -> u32 {
        self.origins.push(origin);
        u32::try_from(self.origins.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds the rule that a package must be there.
    pub(crate) fn root(&mut self, package: usize) -> u32 {
        self.origin(Origin::Root(package))
    }
}

/// What a version may pull in.
fn needs<'r>(job: &Job<'_>, release: &'r Release) -> impl Iterator<Item = &'r Target> {
    let demands = release.depends.iter().filter(|it| it.is_demand());
    let open = demands.filter(|it| !is_left(job, it));
    open.flat_map(Depend::targets)
}

/// Whether a group is left to the administrator, who avoids it.
fn is_left(job: &Job<'_>, depend: &Depend) -> bool {
    depend.is_group() && depend.targets().iter().all(|it| job.is_avoided(&it.stem))
}
