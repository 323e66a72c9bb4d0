//! Which packages must be there, those first whose versions matter most.

use std::collections::BTreeSet;

use crate::job::{Job, Mode};
use crate::model::Model;

/// The places of the packages: those named, in the order of the request; then the installed ones.
///
/// Where everything moves, incorporations come before what they incorporate: they say what fits
/// together, so the newest of them is worth more than the newest of a part.
pub(super) fn packages(job: &Job<'_>, model: &Model) -> Vec<usize> {
    // A model takes in what is named first, in order.
    let all = 0..model.packages.len();
    let asked = all.clone().filter(|at| model.packages[*at].is_asked);
    let kept = all.filter(|at| {
        let package = &model.packages[*at];
        let is_removed = job.removed.contains(&package.stem);
        !package.is_asked && !is_removed && package.installed.is_some()
    });
    let mut kept: Vec<usize> = kept.collect();
    kept.sort_by(|a, b| model.packages[*a].stem.cmp(&model.packages[*b].stem));
    let kept = match job.mode {
        Mode::UpdateAll => incorporators_first(model, &kept),
        _ => kept,
    };
    asked.chain(kept).collect()
}

fn incorporators_first(model: &Model, packages: &[usize]) -> Vec<usize> {
    let mut walk = Walk {
        model,
        members: packages.iter().copied().collect(),
        seen: BTreeSet::new(),
        done: Vec::new(),
    };
    let pins = |at: &&usize| walk.pins(**at).next().is_some();
    let (heads, rest): (Vec<&usize>, Vec<&usize>) = packages.iter().partition(pins);
    // Last finished comes first, so the walk goes backwards to keep the order of names.
    for at in heads.into_iter().rev() {
        walk.visit(*at);
    }
    let mut order: Vec<usize> = walk.done.iter().rev().copied().collect();
    let heads: BTreeSet<usize> = order.iter().copied().collect();
    order.extend(rest.into_iter().filter(|at| !heads.contains(at)));
    order
}

struct Walk<'m> {
    model: &'m Model,
    members: BTreeSet<usize>,
    seen: BTreeSet<usize>,
    /// Incorporations, each after those that it incorporates.
    done: Vec<usize>,
}

impl Walk<'_> {
    /// The installed packages that the installed version of a package incorporates.
    fn pins(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let installed = self.model.packages[at].installed;
        let release = installed.map(|var| self.model.release(var));
        let targets = release.into_iter().flat_map(|it| it.incorporated());
        let places = targets.filter_map(|it| self.model.place(&it.stem));
        places.filter(|it| self.members.contains(it))
    }

    /// Depth first, by a list instead of the stack: chains may be long.
    fn visit(&mut self, at: usize) {
        let mut open = vec![(at, false)];
        while let Some((at, is_done)) = open.pop() {
            if is_done {
                self.done.push(at);
            } else if self.seen.insert(at) {
                open.push((at, true));
                let next: Vec<usize> = self.pins(at).filter(|it| !self.seen.contains(it)).collect();
                let heads = next
                    .into_iter()
                    .filter(|it| self.pins(*it).next().is_some());
                open.extend(heads.map(|it| (it, false)));
            }
        }
    }
}
