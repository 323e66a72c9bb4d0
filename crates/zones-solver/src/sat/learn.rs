//! What a conflict teaches.

use super::{Cause, Clash, Clause, Engine, Lit, Premise, Source};

impl Engine {
    /// Derives the clause that the last decision breaks by itself (first unique implication point),
    /// goes back to the level where it forces its first literal, and forces it.
    pub(super) fn learn(&mut self, clash: Clash) {
        let (lits, premises) = self.derive(clash);
        let level = lits[1..].iter().map(|lit| self.levels[lit.var()]).max();
        self.back_to(level.unwrap_or(0));
        let first = lits[0];
        let clause = Clause {
            lits,
            source: Source::Learned(premises),
        };
        let id = if clause.lits.len() == 1 {
            // Nothing to watch: it holds for good.
            self.clauses.push(clause);
            self.clauses.len() - 1
        } else {
            self.watch(clause)
        };
        self.assign(first, Cause::Clause(id));
    }

    /// The clause, its first literal the one to force, its second of the next highest level.
    fn derive(&mut self, clash: Clash) -> (Vec<Lit>, Vec<Premise>) {
        let level = self.decisions.len();
        let mut seen = std::collections::BTreeSet::new();
        let mut learned = Vec::new();
        let mut premises = Vec::new();
        let mut open = 0;
        let mut at = self.trail.len();
        let (mut lits, mut premise) = (clash.lits, clash.premise);
        let first = loop {
            premises.push(premise);
            self.work += lits.len() as u64;
            for lit in lits {
                if !seen.insert(lit.var()) {
                    continue;
                }
                match self.levels[lit.var()] {
                    0 => premises.push(Premise::Fixed(lit.var())),
                    own if own == level => open += 1,
                    _ => learned.push(lit),
                }
            }
            let lit = loop {
                at -= 1;
                let lit = self.trail[at];
                if seen.contains(&lit.var()) {
                    break lit;
                }
            };
            open -= 1;
            if open == 0 {
                break lit.denied();
            }
            (lits, premise) = self.reason(lit);
        };
        learned.insert(0, first);
        let rest = learned.iter().enumerate().skip(1);
        if let Some((highest, _)) = rest.max_by_key(|(_, lit)| self.levels[lit.var()]) {
            learned.swap(1, highest);
        }
        (learned, premises)
    }
}
