//! Packages compared with what is on disk.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use zones_ips::{Action, ActionKind, Fmri, ImagePath};
use zones_sys::RootFd;

use super::delivered::{Place, delivered};
use super::thing::Checker;
use super::{Finding, ItemReport, PackageReport, Report};
use crate::plan::{Package, Plan, Policy};

/// Actions that a thread takes at once: neighbours lie in one folder.
const BATCH: usize = 32;

/// How to verify.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of licences, as in [`crate::apply::Options`].
    pub licenses: ImagePath,
    /// Threads; 0 is as many as there are processors.
    pub threads: usize,
}

/// How far verification is. Called from several threads; `done` never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Packages done.
    pub done: usize,
    /// Packages to verify.
    pub total: usize,
}

/// Verifies those packages that `is_wanted` names. Give ALL installed packages: they decide
/// together which mediated links and overlaid files an image has.
#[must_use]
pub fn verify(
    root: &RootFd,
    packages: &[Package],
    is_wanted: &dyn Fn(&Fmri) -> bool,
    policy: &Policy,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Report {
    let wanted: Vec<bool> = packages.iter().map(|it| is_wanted(&it.fmri)).collect();
    let mut tasks = delivered(packages, policy);
    tasks.retain(|((package, _), _)| wanted[*package]);
    let found = run(root, packages, tasks, &wanted, options, progress);
    report(packages, &wanted, found)
}

/// What was found about one action.
pub(super) type Found = (Place, Vec<Finding>);

/// Findings of single actions, by place.
pub(super) fn run(
    root: &RootFd,
    packages: &[Package],
    mut tasks: Vec<(Place, &Action)>,
    wanted: &[bool],
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Vec<Found> {
    // By folder: each is opened once.
    tasks.sort_by_cached_key(|(place, action)| (folder(action), *place));
    let count = Count::of(&tasks, packages.len(), wanted, progress);
    let database = super::thing::database(root);
    let accounts = database.accounts();
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<Found>> = Mutex::default();
    let work = || {
        let mut checker = Checker::new(root, &accounts, &database, &options.licenses);
        let mut own = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = tasks.get(start..(start + BATCH).min(tasks.len())) else {
                break;
            };
            if batch.is_empty() {
                break;
            }
            for (place, action) in batch {
                let findings = checker.check(&packages[place.0].fmri, action);
                if !findings.is_empty() {
                    own.push((*place, findings));
                }
                count.done(place.0);
            }
        }
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.append(&mut own);
    };
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        count => count,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(tasks.len().div_ceil(BATCH)) {
            scope.spawn(work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found
}

fn folder(action: &Action) -> &str {
    let path = action
        .key()
        .filter(|_| action.kind() != ActionKind::License);
    let path = path.unwrap_or_default();
    path.rfind('/').map_or("", |at| &path[..at])
}

/// Counts packages, as their last action is done.
struct Count<'a> {
    left: Vec<AtomicUsize>,
    total: usize,
    done: Mutex<usize>,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Count<'a> {
    fn of(
        tasks: &[(Place, &Action)],
        packages: usize,
        wanted: &[bool],
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Self {
        let mut left = vec![0usize; packages];
        for ((package, _), _) in tasks {
            left[*package] += 1;
        }
        let wanted = wanted.iter().filter(|it| **it).count();
        let busy = left.iter().filter(|it| **it > 0).count();
        let count = Self {
            left: left.into_iter().map(AtomicUsize::new).collect(),
            total: wanted,
            done: Mutex::new(0),
            progress,
        };
        count.add(wanted.saturating_sub(busy));
        count
    }

    fn done(&self, package: usize) {
        if self.left[package].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.add(1);
        }
    }

    fn add(&self, count: usize) {
        if count > 0 {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += count;
            (self.progress)(Progress {
                done: *done,
                total: self.total,
            });
        }
    }
}

fn report(packages: &[Package], wanted: &[bool], found: Vec<Found>) -> Report {
    let mut found = found.into_iter().peekable();
    let mut report = Report::default();
    for (at, package) in packages.iter().enumerate() {
        if !wanted[at] {
            continue;
        }
        let mut items = Vec::new();
        while let Some(((_, action), findings)) = found.next_if(|((own, _), _)| *own == at) {
            items.push(ItemReport {
                action,
                label: Plan::label(&package.manifest.actions()[action]),
                findings,
            });
        }
        report.packages.push(PackageReport {
            fmri: package.fmri.clone(),
            items,
        });
    }
    report
}
