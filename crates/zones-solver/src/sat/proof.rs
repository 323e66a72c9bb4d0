//! Which of the caller's clauses a contradiction rests on.

use std::collections::BTreeSet;

use super::{Clash, Engine, Lit, Premise, Source, Value};

impl Engine {
    /// The caller's numbers below a clash that no decision led to, in order.
    pub(super) fn core(&self, clash: &Clash) -> Vec<u32> {
        let mut found = BTreeSet::new();
        let mut clauses = BTreeSet::new();
        let mut vars = BTreeSet::new();
        let mut open = vec![clash.premise];
        open.extend(clash.lits.iter().map(|lit| Premise::Fixed(lit.var())));
        while let Some(premise) = open.pop() {
            match premise {
                Premise::Group => {}
                Premise::Given(number) => {
                    found.insert(number);
                }
                Premise::Clause(id) if !clauses.insert(id) => {}
                Premise::Clause(id) => match &self.clauses[id].source {
                    Source::Given(number) => {
                        found.insert(*number);
                    }
                    Source::Learned(premises) => open.extend(premises),
                },
                Premise::Fixed(var) if !vars.insert(var) => {}
                Premise::Fixed(var) => {
                    let lit = match self.values[var] {
                        Value::Yes => Lit::yes(var),
                        _ => Lit::no(var),
                    };
                    let (lits, premise) = self.reason(lit);
                    open.push(premise);
                    open.extend(lits.iter().map(|lit| Premise::Fixed(lit.var())));
                }
            }
        }
        found.into_iter().collect()
    }
}
