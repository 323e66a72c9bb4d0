//! Versions whose dependencies nothing can meet.

use super::{Model, Origin};
use crate::depend::names;
use crate::reason::Reason;
use crate::sat::Var;

impl Model {
    /// Rejects versions with unmet dependencies, then those that depended on them, and so on.
    pub(super) fn trim_unmet(&mut self) {
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.candidates.len()];
        let mut left = Vec::with_capacity(self.demands.len());
        let mut open = std::collections::VecDeque::new();
        for (at, demand) in self.demands.iter().enumerate() {
            let choices = demand.any.iter().filter(|var| self.is_open(**var));
            let mut count = 0;
            for var in choices {
                users[*var].push(at);
                count += 1;
            }
            left.push(count);
            if count == 0 {
                open.push_back(at);
            }
        }
        while let Some(at) = open.pop_front() {
            let demand = &self.demands[at];
            let owner = demand.owner;
            // A condition may stay unmet; then both are not chosen together.
            if demand.when.is_some() || !self.is_open(owner) {
                continue;
            }
            self.candidates[owner].rejected = Some(self.unmet(at));
            for user in &users[owner] {
                left[*user] -= 1;
                if left[*user] == 0 {
                    open.push_back(*user);
                }
            }
        }
    }

    fn unmet(&self, at: usize) -> Reason {
        let demand = &self.demands[at];
        let Origin::Depend(owner, place) = self.origins[demand.origin as usize] else {
            return Reason::Rejected; // only dependencies make demands
        };
        let depend = &self.release(owner).depends[place];
        let (kind, targets) = (depend.word(), names(depend.targets()));
        if !demand.any.is_empty() {
            return Reason::AllOut(kind, targets, demand.any.to_vec());
        }
        let is_gone = |var: Var| self.release(var).is_obsolete();
        let mut packages = depend
            .targets()
            .iter()
            .filter_map(|it| self.package(&it.stem));
        match packages.any(|it| it.versions.clone().any(is_gone)) {
            true => Reason::AllObsolete(kind, targets),
            false => Reason::NoVersion(kind, targets),
        }
    }
}
