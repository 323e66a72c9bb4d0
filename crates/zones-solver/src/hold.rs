//! Installed packages that an operation leaves where they are, and what they rule out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zones_ips::pattern::VersionPattern;
use zones_ips::{Fmri, Pattern, Stem};

use crate::depend::Target;
use crate::job::{Job, Mode};
use crate::parent;
use crate::release::Release;

/// What stays, and what may go back.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Packages that stay at the installed version.
    pub(crate) held: BTreeMap<Stem, Fmri>,
    /// For a package: versions that held incorporations allow.
    pub(crate) pins: BTreeMap<Stem, Vec<(Target, Fmri)>>,
    /// Packages that may become older, because an older version was named.
    pub(crate) back: BTreeSet<Stem>,
}

impl Holds {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        let mut holds = Self {
            back: backward(job),
            ..Self::default()
        };
        let keeps = [
            Mode::Install,
            Mode::UpdateNamed,
            Mode::Uninstall,
            Mode::Sync,
        ];
        if !keeps.contains(&job.mode) {
            return holds;
        }
        let free = free(job);
        let open: Vec<String> = job
            .asked
            .iter()
            .flat_map(|it| hold_names(job, &it.stem))
            .collect();
        for (stem, release) in &job.image.installed {
            if free.contains(stem) || job.removed.contains(stem) {
                continue;
            }
            let hold = release
                .hold
                .as_deref()
                .is_some_and(|it| !is_open(it, &open));
            if hold || release.is_incorporation() {
                holds.held.insert(stem.clone(), release.fmri());
            }
            for target in release.incorporated() {
                let pin = (target.clone(), release.fmri());
                holds.pins.entry(target.stem.clone()).or_default().push(pin);
            }
        }
        holds
    }
}

/// The holds that a named package lifts.
fn hold_names(job: &Job<'_>, stem: &Stem) -> Vec<String> {
    let releases = job.releases(stem);
    releases.iter().filter_map(|it| it.hold.clone()).collect()
}

/// Whether a hold is lifted by one of the same name, or of a name above it.
fn is_open(hold: &str, open: &[String]) -> bool {
    let below = |name: &String| {
        let rest = hold.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    open.iter().any(below)
}

/// What is named or out of step with the parent, and everything that such packages incorporate.
fn free(job: &Job<'_>) -> BTreeSet<Stem> {
    let asked = job.asked.iter().map(|it| it.stem.clone());
    let out_of_step = job
        .image
        .installed
        .values()
        .filter(|it| parent::objection(job, it).is_some());
    let start = asked.chain(out_of_step.map(|it| it.stem.clone()));
    below(job, start.collect(), |_, _| true)
}

/// The named packages whose named versions are all older than the installed one, and everything
/// that those versions incorporate.
fn backward(job: &Job<'_>) -> BTreeSet<Stem> {
    let is_older = |stem: &Stem, release: &Release| {
        let installed = job.installed(stem);
        installed.is_some_and(|it| release.version < it.version)
    };
    let allowed = |stem: &Stem, release: &Release| {
        let asked = job.asked(stem);
        let fits = |pattern: &&Pattern| pattern.match_fmri(&release.fmri()).is_some();
        asked.is_none_or(|it| it.patterns.iter().all(fits))
    };
    let goes_back = |stem: &Stem| {
        let releases = job.releases(stem);
        let versioned = |it: &Pattern| matches!(it.version(), VersionPattern::Parts(_));
        let named = job
            .asked(stem)
            .is_some_and(|it| it.patterns.iter().any(|it| versioned(it)));
        let mut fit = releases.iter().filter(|it| allowed(stem, it)).peekable();
        named && fit.peek().is_some() && fit.all(|it| is_older(stem, it))
    };
    let stems = job.asked.iter().map(|it| it.stem.clone());
    below(job, stems.filter(goes_back).collect(), allowed)
}

/// These packages and, over any number of steps, what their releases incorporate.
fn below(
    job: &Job<'_>,
    start: Vec<Stem>,
    counts: impl Fn(&Stem, &Release) -> bool,
) -> BTreeSet<Stem> {
    let mut found: BTreeSet<Stem> = start.iter().cloned().collect();
    let mut open = VecDeque::from(start);
    while let Some(stem) = open.pop_front() {
        for release in job.releases(&stem).iter() {
            if !counts(&stem, release) {
                continue;
            }
            for target in release.incorporated() {
                if !found.contains(&target.stem) {
                    found.insert(target.stem.clone());
                    open.push_back(target.stem.clone());
                }
            }
        }
    }
    found
}
