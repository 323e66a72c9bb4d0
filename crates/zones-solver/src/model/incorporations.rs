//! Versions that cannot stand beside each other.

use super::{Ban, Model, Origin};
use crate::depend::{Depend, Target};
use crate::job::{Job, Mode};
use crate::reason::Reason;
use crate::release::Release;
use crate::sat::Var;

impl Model {
    /// Turns the constraints of open versions into bans.
    pub(super) fn ban(&mut self) {
        for owner in 0..self.candidates.len() {
            if !self.is_open(owner) {
                continue;
            }
            let release = self.candidates[owner].release.clone();
            for (at, depend) in release.depends.iter().enumerate() {
                self.ban_one(owner, at, depend);
            }
        }
    }

    fn ban_one(&mut self, owner: Var, at: usize, depend: &Depend) {
        let (Depend::Incorporate(target) | Depend::Optional(target) | Depend::Exclude(target)) =
            depend
        else {
            return;
        };
        let Some(package) = self.place(&target.stem) else {
            return;
        };
        if package == self.candidates[owner].package {
            return;
        }
        let origin = self.origin(Origin::Depend(owner, at));
        for other in self.packages[package].versions.clone() {
            let candidate = &self.candidates[other];
            if candidate.rejected.is_none() && is_against(depend, target, &candidate.release) {
                self.bans.push(Ban {
                    owner,
                    other,
                    origin,
                });
            }
        }
    }

    /// Rejects what every open version of a package that must be there rules out.
    pub(super) fn trim_incorporated(&mut self, job: &Job<'_>) {
        let mut counts = vec![0_usize; self.candidates.len()];
        let mut last = vec![Var::MAX; self.candidates.len()];
        for place in 0..self.packages.len() {
            let Some(reason) = self.binds(job, place) else {
                continue;
            };
            let versions = self.packages[place].versions.clone();
            let open = versions.clone().filter(|var| self.is_open(*var)).count();
            let start = self.bans.partition_point(|ban| ban.owner < versions.start);
            let end = self.bans.partition_point(|ban| ban.owner < versions.end);
            let mut touched = Vec::new();
            for ban in &self.bans[start..end] {
                let Origin::Depend(owner, at) = self.origins[ban.origin as usize] else {
                    continue;
                };
                let is_pin = matches!(self.release(owner).depends[at], Depend::Incorporate(_));
                // An owner that was rejected meanwhile says nothing; one may ban a version twice.
                if is_pin && self.is_open(owner) && last[ban.other] != owner {
                    last[ban.other] = owner;
                    counts[ban.other] += 1;
                    touched.push(ban.other);
                }
            }
            for var in touched {
                if counts[var] >= open && open > 0 && self.is_open(var) {
                    self.candidates[var].rejected = Some(reason.clone());
                }
                counts[var] = 0;
            }
        }
    }

    /// Whether a package is there for certain, so that what it incorporates binds.
    fn binds(&self, job: &Job<'_>, place: usize) -> Option<Reason> {
        let package = &self.packages[place];
        let linked = job.image.parent.is_some() && package.installed.is_some();
        let mut versions = package.versions.clone();
        if linked && versions.any(|var| self.release(var).asks_parent()) {
            return Some(Reason::SyncedIncorporation(package.stem.clone()));
        }
        let named = package.is_asked && job.mode != Mode::Uninstall;
        named.then(|| Reason::AskedIncorporation(package.stem.clone()))
    }
}

/// Whether a constraint rules a release of its target out. Being gone breaks incorporations only.
fn is_against(depend: &Depend, target: &Target, release: &Release) -> bool {
    match depend {
        Depend::Incorporate(_) => !target.is_refined(&release.version),
        Depend::Optional(_) => !release.is_obsolete() && !target.is_met(&release.version),
        _ => !release.is_obsolete() && target.is_reached(&release.version),
    }
}
