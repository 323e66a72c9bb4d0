//! Which packages the patterns of a request name.

use std::collections::BTreeSet;
use std::sync::Arc;

use zones_ips::Pattern;
use zones_ips::Stem;
use zones_ips::pattern::{NameMatch, VersionPattern};

use super::{Job, Mode};
use crate::failure::{Failure, Problem};
use crate::release::{Release, Status};
use crate::request::Request;

pub(super) struct Named<'a> {
    pub(super) asked: Vec<(Stem, &'a Pattern)>,
    pub(super) removed: BTreeSet<Stem>,
}

/// All that is wrong with the patterns, sorted by what it is.
#[derive(Default)]
struct Misses {
    unknown: Vec<String>,
    not_installed: Vec<String>,
    other_variant: Vec<String>,
    obsolete: Vec<String>,
    ambiguous: Vec<Problem>,
}

pub(super) fn resolve<'a>(job: &Job<'_>, request: &'a Request) -> Result<Named<'a>, Failure> {
    let mut stems: BTreeSet<Stem> = job.offers.stems().into_iter().collect();
    stems.extend(job.image.installed.keys().cloned());
    let mut misses = Misses::default();
    let mut named = Named {
        asked: Vec::new(),
        removed: BTreeSet::new(),
    };
    for pattern in &request.reject {
        let found: Vec<Stem> = stems
            .iter()
            .filter(|it| fits(pattern, it))
            .cloned()
            .collect();
        if found.is_empty() && !request.is_missing_ignored {
            misses.unknown.push(pattern.to_string());
        }
        named.removed.extend(found);
    }
    for pattern in request.operation.patterns() {
        match job.mode {
            Mode::Uninstall => {
                named
                    .removed
                    .extend(installed(job, pattern, request, &mut misses));
            }
            Mode::UpdateNamed => {
                let found = installed(job, pattern, request, &mut misses);
                named
                    .asked
                    .extend(found.into_iter().map(|stem| (stem, pattern)));
            }
            _ => {
                let found = available(job, pattern, &stems, &mut misses);
                named
                    .asked
                    .extend(found.into_iter().map(|stem| (stem, pattern)));
            }
        }
    }
    // What is rejected cannot be asked for by a pattern that names more.
    named
        .asked
        .retain(|(stem, pattern)| !(pattern.is_glob() && named.removed.contains(stem)));
    misses.check()?;
    Ok(named)
}

fn fits(pattern: &Pattern, stem: &Stem) -> bool {
    pattern.match_stem(stem).is_some()
}

/// The installed packages of a pattern.
fn installed(
    job: &Job<'_>,
    pattern: &Pattern,
    request: &Request,
    misses: &mut Misses,
) -> Vec<Stem> {
    let matches = job.image.installed.values().filter_map(|release| {
        // An update names the version to go to, a removal the one that is there.
        let how = match job.mode {
            Mode::Uninstall => pattern.match_fmri(&release.fmri()),
            _ => pattern.match_stem(&release.stem),
        };
        how.map(|how| (release.stem.clone(), how))
    });
    let found = exact_first(matches.collect());
    if found.is_empty() && !request.is_missing_ignored {
        misses.not_installed.push(pattern.to_string());
    }
    one_package(pattern, found, misses)
}

/// The packages of a pattern that can be installed.
fn available(
    job: &Job<'_>,
    pattern: &Pattern,
    stems: &BTreeSet<Stem>,
    misses: &mut Misses,
) -> Vec<Stem> {
    let by_name = stems
        .iter()
        .filter_map(|it| Some((it.clone(), pattern.match_stem(it)?)));
    let candidates = exact_first(by_name.collect());
    let mut known = Vec::new();
    for stem in candidates {
        let mut releases = job.releases(&stem).to_vec();
        let is_asked = |it: &Arc<Release>| pattern.match_fmri(&it.fmri()).is_some();
        releases.retain(is_asked);
        if let Some(fit) = Fit::of(job, &releases) {
            known.push((stem, fit, releases));
        }
    }
    if known.is_empty() {
        misses.unknown.push(pattern.to_string());
        return Vec::new();
    }
    let is_only = |fit: Fit| known.iter().all(|(_, it, _)| *it == fit);
    if is_only(Fit::OtherVariant) {
        misses.other_variant.push(pattern.to_string());
        return Vec::new();
    }
    if known.iter().all(|(_, it, _)| *it != Fit::Good) {
        misses.obsolete.push(pattern.to_string());
        return Vec::new();
    }
    if known.len() > 1 {
        known.retain(|(_, fit, _)| *fit == Fit::Good);
        drop_old_names(&mut known);
    }
    let found = known.into_iter().map(|(stem, ..)| stem).collect();
    one_package(pattern, found, misses)
}

/// How the newest release of what a pattern takes can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Good,
    Obsolete,
    OtherVariant,
}

impl Fit {
    fn of(job: &Job<'_>, releases: &[Arc<Release>]) -> Option<Self> {
        if releases.is_empty() {
            return None;
        }
        let other = |it: &&Arc<Release>| matches!(it.status, Status::OtherVariant(_));
        let usable: Vec<_> = releases.iter().filter(|it| !other(it)).collect();
        // The publisher that comes first speaks for the package.
        let first = usable
            .iter()
            .filter_map(|it| job.image.rank(&it.publisher))
            .min();
        let of_first = |it: &&&Arc<Release>| job.image.rank(&it.publisher) == first;
        Some(match usable.iter().find(of_first) {
            None => Self::OtherVariant,
            Some(newest) if newest.is_obsolete() => Self::Obsolete,
            Some(_) => Self::Good,
        })
    }
}

/// Drops packages that were renamed to another one of the list.
fn drop_old_names(known: &mut Vec<(Stem, Fit, Vec<Arc<Release>>)>) {
    let stems: BTreeSet<Stem> = known.iter().map(|(stem, ..)| stem.clone()).collect();
    known.retain(|(_, _, releases)| {
        let newest = releases.first().filter(|it| it.is_renamed());
        let mut targets = newest.into_iter().flat_map(|it| &it.depends);
        !targets.any(|it| {
            it.targets()
                .iter()
                .any(|target| stems.contains(&target.stem))
        })
    });
}

/// A name that is one package's whole stem means that package alone.
fn exact_first(mut matches: Vec<(Stem, NameMatch)>) -> Vec<Stem> {
    if matches.iter().any(|(_, how)| *how == NameMatch::Exact) {
        matches.retain(|(_, how)| *how == NameMatch::Exact);
    }
    matches.into_iter().map(|(stem, _)| stem).collect()
}

fn one_package(pattern: &Pattern, found: Vec<Stem>, misses: &mut Misses) -> Vec<Stem> {
    if found.len() > 1 && !pattern.is_glob() {
        misses
            .ambiguous
            .push(Problem::Ambiguous(pattern.to_string(), found));
        return Vec::new();
    }
    found
}

impl Misses {
    fn check(self) -> Result<(), Failure> {
        let lists = [
            (self.unknown, Problem::Unknown as fn(Vec<String>) -> Problem),
            (self.not_installed, Problem::NotInstalled),
            (self.other_variant, Problem::OtherVariant),
            (self.obsolete, Problem::Obsolete),
        ];
        let mut problems = self.ambiguous;
        for (list, problem) in lists {
            if !list.is_empty() {
                problems.push(problem(list));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::failed(problems)),
        }
    }
}

/// Whether a pattern takes the newest version only.
pub(crate) fn is_latest(pattern: &Pattern) -> bool {
    *pattern.version() == VersionPattern::Latest
}
