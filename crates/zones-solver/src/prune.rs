//! Leaves out of an answer what nothing needs.

use std::collections::{BTreeSet, VecDeque};

use crate::model::{Demand, Model};
use crate::sat::Var;
use crate::search::{Answer, Root};

/// The versions that the image has in the end.
pub(crate) fn prune(model: &Model, roots: &[Root], answer: &Answer) -> BTreeSet<Var> {
    let mut work = Pruning::new(model, roots, &answer.chosen);
    let mut needed = work.needed();
    while let Some(var) = work.needless(&needed) {
        work.chosen[var] = false;
        needed = work.needed();
    }
    work.last(&needed)
}

struct Pruning<'m> {
    model: &'m Model,
    roots: Vec<Var>,
    chosen: Vec<bool>,
    triggered: Vec<Vec<usize>>,
    /// By variable: the demands that it meets.
    meets: Vec<Vec<usize>>,
}

impl<'m> Pruning<'m> {
    fn new(model: &'m Model, roots: &[Root], chosen: &[bool]) -> Self {
        let count = model.candidates.len();
        let mut triggered = vec![Vec::new(); count];
        let mut meets = vec![Vec::new(); count];
        for (at, demand) in model.demands.iter().enumerate() {
            if !chosen[demand.owner] {
                continue;
            }
            triggered[demand.owner].push(at);
            if let Some(when) = demand.when {
                triggered[when].push(at);
            }
            for var in demand.any.iter().filter(|var| chosen[**var]) {
                meets[*var].push(at);
            }
        }
        let own = |root: &Root| root.any.iter().copied().find(|var| chosen[*var]);
        Self {
            model,
            roots: roots.iter().filter_map(own).collect(),
            chosen: chosen.to_vec(),
            triggered,
            meets,
        }
    }

    /// What the roots need, over any number of steps, in the order of finding.
    fn needed(&self) -> Vec<Var> {
        let mut found = Found::default();
        self.roots.iter().for_each(|var| found.add(*var));
        let mut choices = VecDeque::new();
        loop {
            while let Some(var) = found.open.pop_front() {
                for at in &self.triggered[var] {
                    let demand = &self.model.demands[*at];
                    match self.unmet(demand, &found.all).as_slice() {
                        [] => {}
                        [one] => found.add(*one),
                        _ => choices.push_back(*at),
                    }
                }
            }
            // What can be met in several ways waits until all else is there.
            let Some(at) = choices.pop_front() else {
                return found.order;
            };
            if let Some(first) = self.unmet(&self.model.demands[at], &found.all).first() {
                found.add(*first);
            }
        }
    }

    /// The chosen versions that can meet a demand which is triggered and unmet.
    fn unmet(&self, demand: &Demand, found: &BTreeSet<Var>) -> Vec<Var> {
        let is_on =
            found.contains(&demand.owner) && demand.when.is_none_or(|it| found.contains(&it));
        if !is_on || demand.any.iter().any(|var| found.contains(var)) {
            return Vec::new();
        }
        demand
            .any
            .iter()
            .copied()
            .filter(|var| self.chosen[*var])
            .collect()
    }

    /// The last one found that all others can do without.
    fn needless(&self, needed: &[Var]) -> Option<Var> {
        let all: BTreeSet<Var> = needed.iter().copied().collect();
        let roots: BTreeSet<Var> = self.roots.iter().copied().collect();
        let is_needed = |var: Var| {
            self.meets[var].iter().any(|at| {
                let demand = &self.model.demands[*at];
                let on = |it: Var| it != var && all.contains(&it);
                let is_on = on(demand.owner) && demand.when.is_none_or(on);
                is_on && !demand.any.iter().any(|it| on(*it))
            })
        };
        let mut others = needed.iter().rev().filter(|var| !roots.contains(var));
        others.find(|var| !is_needed(**var)).copied()
    }

    /// Takes out what is obsolete, and what was renamed and is not asked for by its old name.
    fn last(&self, needed: &[Var]) -> BTreeSet<Var> {
        let release = |var: Var| self.model.release(var);
        let is_real = |var: &Var| !release(*var).is_obsolete() && !release(*var).is_renamed();
        let mut kept: BTreeSet<Var> = needed.iter().copied().filter(is_real).collect();
        let all: BTreeSet<Var> = needed.iter().copied().collect();
        let mut open: VecDeque<Var> = kept.iter().copied().collect();
        while let Some(var) = open.pop_front() {
            for at in &self.triggered[var] {
                let demand = &self.model.demands[*at];
                let is_on =
                    kept.contains(&demand.owner) && demand.when.is_none_or(|it| kept.contains(&it));
                if !is_on || demand.any.iter().any(|it| kept.contains(it)) {
                    continue;
                }
                let old = |it: &&Var| all.contains(it) && !release(**it).is_obsolete();
                if let Some(old) = demand.any.iter().find(old) {
                    kept.insert(*old);
                    open.push_back(*old);
                }
            }
        }
        kept
    }
}

#[derive(Default)]
struct Found {
    all: BTreeSet<Var>,
    order: Vec<Var>,
    open: VecDeque<Var>,
}

impl Found {
    fn add(&mut self, var: Var) {
        if self.all.insert(var) {
            self.order.push(var);
            self.open.push_back(var);
        }
    }
}
