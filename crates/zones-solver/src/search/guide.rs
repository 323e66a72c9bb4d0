//! Which choice is tried first: the order that makes one answer the best.
//!
//! First each package that must be there gets its most wanted version that still fits, in the order
//! of the packages. Then each demand of what is there gets its first version that still fits,
//! demands that name one package before those that name several, so that nothing is pulled in where
//! something that is needed anyway would do. All else stays out.

use std::collections::BTreeSet;

use super::Root;
use crate::model::{Demand, Model};
use crate::sat::{Engine, Guide, Value, Var};

/// The order of choices.
pub(super) struct Preferences<'m> {
    model: &'m Model,
    roots: &'m [&'m Root],
    demands: &'m [&'m Demand],
    /// By variable: the demands that it takes part in triggering.
    triggered: Vec<Vec<usize>>,
    /// By demand: whether it names several packages.
    is_choice: Vec<bool>,
    root: usize,
    /// Values of the trail whose demands of one package are met; then those of several.
    met: [usize; 2],
    work: u64,
}

impl<'m> Preferences<'m> {
    pub(super) fn new(model: &'m Model, roots: &'m [&'m Root], demands: &'m [&'m Demand]) -> Self {
        let mut triggered = vec![Vec::new(); model.candidates.len()];
        let mut is_choice = Vec::with_capacity(demands.len());
        for (at, demand) in demands.iter().enumerate() {
            triggered[demand.owner].push(at);
            if let Some(when) = demand.when {
                triggered[when].push(at);
            }
            let packages = demand.any.iter().map(|var| model.candidates[*var].package);
            is_choice.push(packages.collect::<BTreeSet<_>>().len() > 1);
        }
        Self {
            model,
            roots,
            demands,
            triggered,
            is_choice,
            root: 0,
            met: [0; 2],
            work: 0,
        }
    }

    pub(super) fn work(&self) -> u64 {
        self.work
    }

    fn next_root(&mut self, engine: &Engine) -> Option<Var> {
        while let Some(root) = self.roots.get(self.root) {
            self.work += 1;
            let mut any = root.any.iter().copied();
            let is_met = any.clone().any(|var| engine.value(var) == Value::Yes);
            let open = any.find(|var| engine.value(*var) == Value::Open);
            match open.filter(|_| !is_met) {
                Some(var) => return Some(var),
                None => self.root += 1,
            }
        }
        None
    }

    /// The first choice for a demand of what is true; `pass` 0 for demands of one package, 1 for
    /// those of several.
    fn next_demand(&mut self, engine: &Engine, pass: usize) -> Option<Var> {
        while let Some(var) = engine.trail(self.met[pass]) {
            let demands = var.map_or(&[][..], |var| &self.triggered[var]);
            self.work += 1 + demands.len() as u64;
            for at in demands {
                if self.is_choice[*at] == (pass == 1)
                    && let Some(choice) = self.choice(engine, self.demands[*at])
                {
                    return Some(choice);
                }
            }
            self.met[pass] += 1;
        }
        None
    }

    /// The version to try for a demand that is triggered and unmet.
    fn choice(&self, engine: &Engine, demand: &Demand) -> Option<Var> {
        let is_yes = |var: &Var| engine.value(*var) == Value::Yes;
        let is_on = is_yes(&demand.owner) && demand.when.as_ref().is_none_or(is_yes);
        if !is_on || demand.any.iter().any(is_yes) {
            return None;
        }
        let open = |var: &&Var| self.model.is_open(**var) && engine.value(**var) == Value::Open;
        demand.any.iter().find(open).copied()
    }
}

impl Guide for Preferences<'_> {
    fn next(&mut self, engine: &Engine) -> Option<Var> {
        self.next_root(engine)
            .or_else(|| self.next_demand(engine, 0))
            .or_else(|| self.next_demand(engine, 1))
    }

    fn rewind(&mut self) {
        self.root = 0;
        self.met = [0; 2];
    }
}
