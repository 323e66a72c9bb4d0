//! Whether packages can be removed without breaking others.

use zones_ips::Stem;

use crate::depend::{Depend, Target};
use crate::failure::{Failure, Problem};
use crate::job::{Job, Mode};
use crate::release::Release;

/// Refuses to remove what installed packages that stay depend on.
pub(crate) fn check(job: &Job<'_>) -> Result<(), Failure> {
    if job.mode != Mode::Uninstall {
        return Ok(());
    }
    let mut problems = Vec::new();
    for stem in &job.removed {
        let Some(package) = job.installed(stem) else {
            continue;
        };
        let stay = job
            .image
            .installed
            .values()
            .filter(|it| !job.removed.contains(&it.stem));
        let needs = |it: &&std::sync::Arc<Release>| it.depends.iter().any(|d| breaks(job, stem, d));
        let dependents: Vec<_> = stay.filter(needs).map(|it| it.fmri()).collect();
        if !dependents.is_empty() {
            problems.push(Problem::Needed(package.fmri(), dependents));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(problems)),
    }
}

/// Whether a dependency that is met now is unmet without `stem` and all else that goes.
fn breaks(job: &Job<'_>, stem: &Stem, depend: &Depend) -> bool {
    let is_installed = |it: &Target| {
        let release = job.installed(&it.stem);
        release.is_some_and(|release| it.is_met(&release.version))
    };
    let stays = |it: &Target| is_installed(it) && !job.removed.contains(&it.stem);
    if !depend.is_demand() || depend.is_group() {
        return false;
    }
    if let Depend::Conditional { predicate, .. } = depend
        && !stays(predicate)
    {
        return false;
    }
    let targets = depend.targets();
    targets
        .iter()
        .any(|it| it.stem == *stem && is_installed(it))
        && !targets.iter().any(stays)
}
