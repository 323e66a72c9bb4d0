//! Images and artifacts of the cells of a run, each asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use zones_matrix::{Cell, Outcome, Plan};

use super::caught::caught;
use super::{Crew, Job};
use crate::supply::{Golden, Lack};

/// What there is.
pub(super) struct Supplies {
    /// By place of the platform.
    goldens: BTreeMap<usize, Result<Golden, Lack>>,
    /// By name and platform.
    artifacts: BTreeMap<(String, String), Result<PathBuf, Lack>>,
}

enum Wish {
    Golden(usize),
    Artifact(usize),
}

impl Supplies {
    /// Asks for all that the cells need, as many at a time as there are jobs: images first.
    pub(super) fn gather(job: &Job<'_>, crew: &Crew<'_>, cells: &[usize]) -> Self {
        let plan = job.plan;
        let used = cells.iter().map(|place| &plan.cells[*place]);
        let used: Vec<&Cell> = used.filter(|cell| cell.missing.is_empty()).collect();
        let platforms: BTreeSet<usize> = used.iter().map(|cell| cell.platform).collect();
        let images: Vec<Wish> = platforms.into_iter().map(Wish::Golden).collect();
        let named = |at: &usize| {
            let artifact = &plan.artifacts[*at];
            used.iter().any(|cell| {
                plan.platform(cell).id == artifact.platform
                    && names(cell).any(|name| name == artifact.name)
            })
        };
        let artifacts = (0..plan.artifacts.len()).filter(named).map(Wish::Artifact);
        let all = Mutex::new(Self {
            goldens: BTreeMap::new(),
            artifacts: BTreeMap::new(),
        });
        for wishes in [images, artifacts.collect()] {
            each(&wishes, job.limits.jobs, |wish| match wish {
                Wish::Golden(at) => {
                    let golden = caught(|| crew.supply.golden(&plan.platforms[*at]));
                    let golden = golden.unwrap_or_else(|why| Err(Lack::Blocked(why)));
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.goldens.insert(*at, golden);
                }
                Wish::Artifact(at) => {
                    let artifact = &plan.artifacts[*at];
                    let path = caught(|| crew.supply.artifact(artifact));
                    let path = path.unwrap_or_else(|why| Err(Lack::Blocked(why)));
                    let key = (artifact.name.clone(), artifact.platform.clone());
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.artifacts.insert(key, path);
                }
            });
        }
        all.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is worth a line.
    pub(super) fn notes(&self) -> Vec<String> {
        let images = self.goldens.values().filter_map(|golden| match golden {
            Err(Lack::Blocked(why) | Lack::Impure(why)) => Some(why.clone()),
            Ok(_) => None,
        });
        let artifacts = self.artifacts.values().filter_map(|path| match path {
            Err(Lack::Blocked(why) | Lack::Impure(why)) => Some(why.clone()),
            Ok(_) => None,
        });
        images.chain(artifacts).collect()
    }

    /// The image of a cell; what its attempt comes to when something is not there.
    pub(super) fn of(&self, plan: &Plan, place: usize) -> Result<&Golden, (Outcome, String)> {
        let cell = &plan.cells[place];
        let outcome = |lack: &Lack| match lack {
            Lack::Blocked(why) => (Outcome::Blocked, why.clone()),
            Lack::Impure(why) => (Outcome::Impure, why.clone()),
        };
        let golden = match self.goldens.get(&cell.platform) {
            Some(Ok(golden)) => golden,
            Some(Err(lack)) => return Err(outcome(lack)),
            None => return Err((Outcome::Blocked, "its image was not asked for".to_owned())),
        };
        for name in names(cell) {
            if let Some(Err(lack)) = self.artifact(plan, cell, name) {
                return Err(outcome(lack));
            }
        }
        Ok(golden)
    }

    /// Artifacts of a cell, by name.
    pub(super) fn artifacts(&self, plan: &Plan, cell: &Cell) -> Vec<(String, PathBuf)> {
        let found = names(cell).filter_map(|name| {
            let path = self.artifact(plan, cell, name)?.as_ref().ok()?;
            Some((name.to_owned(), path.clone()))
        });
        let all: BTreeMap<String, PathBuf> = found.collect();
        all.into_iter().collect()
    }

    fn artifact(&self, plan: &Plan, cell: &Cell, name: &str) -> Option<&Result<PathBuf, Lack>> {
        let platform = plan.platform(cell).id.clone();
        self.artifacts.get(&(name.to_owned(), platform))
    }
}

fn names(cell: &Cell) -> impl Iterator<Item = &str> {
    cell.steps
        .iter()
        .filter_map(|step| step.artifact.as_deref())
}

/// Does something with each, `jobs` at a time.
fn each<T: Sync>(list: &[T], jobs: u32, act: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(item) = list.get(at) else { return };
            act(item);
        }
    };
    thread::scope(|scope| {
        for _ in 0..list.len().min(usize::try_from(jobs).unwrap_or(1)) {
            scope.spawn(work);
        }
    });
}
