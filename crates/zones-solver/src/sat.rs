//! Clauses over yes-or-no variables, and the search for values that satisfy them.
//!
//! Knows nothing of packages. Variables stand in groups of which at most one is true, which is what
//! versions of a package are: that rule is built in instead of written out as pairs. The search
//! learns a clause from each conflict and jumps back to where that clause decides (conflict-driven
//! clause learning); a [`Guide`] makes every decision, so equal input gives equal answers.

mod learn;
mod proof;

use std::ops::Range;

/// A variable, from 0.
pub(crate) type Var = usize;

/// A variable or its denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lit(usize);

impl Lit {
    pub(crate) fn yes(var: Var) -> Self {
        Self(var * 2)
    }

    pub(crate) fn no(var: Var) -> Self {
        Self(var * 2 + 1)
    }

    pub(crate) fn var(self) -> Var {
        self.0 / 2
    }

    fn is_yes(self) -> bool {
        self.0.is_multiple_of(2)
    }

    fn denied(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// What the search knows of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Open,
    Yes,
    No,
}

/// Who decides where clauses leave a choice.
pub(crate) trait Guide {
    /// The variable to try as true, which must be open; none when all that is true is complete.
    fn next(&mut self, engine: &Engine) -> Option<Var>;
    /// Decisions were taken back.
    fn rewind(&mut self);
}

/// Why the search gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsolved {
    /// These clauses, named by the caller's numbers, contradict each other.
    Core(Vec<u32>),
    /// More work than allowed.
    TooHard,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Choice,
    /// A clause of one literal, by the caller's number.
    Given(u32),
    /// Another of the group is true.
    Rival(Var),
    /// The other of a pair is true; the caller's number.
    Pair(Var, u32),
    Clause(usize),
}

/// What a derived clause rests on.
#[derive(Debug, Clone, Copy)]
enum Premise {
    /// That groups have one true member.
    Group,
    /// The caller's number.
    Given(u32),
    Clause(usize),
    /// The value of a variable that follows from the clauses alone.
    Fixed(Var),
}

/// Literals that are all false, against a rule.
#[derive(Debug)]
struct Clash {
    lits: Vec<Lit>,
    premise: Premise,
}

#[derive(Debug)]
enum Source {
    Given(u32),
    Learned(Vec<Premise>),
}

#[derive(Debug)]
struct Clause {
    lits: Vec<Lit>,
    source: Source,
}

/// For each variable those that are not true beside it, and the caller's numbers, in one list.
#[derive(Debug, Default)]
struct Pairs {
    /// Where the part of each variable begins, and the end.
    starts: Vec<usize>,
    others: Vec<(Var, u32)>,
}

impl Pairs {
    fn new(count: usize, given: &[(Var, Var, u32)]) -> Self {
        let mut starts = vec![0; count + 1];
        for (a, b, _) in given {
            starts[a + 1] += 1;
            starts[b + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut others = vec![(0, 0); given.len() * 2];
        for (a, b, number) in given {
            for (own, other) in [(*a, *b), (*b, *a)] {
                others[next[own]] = (other, *number);
                next[own] += 1;
            }
        }
        Self { starts, others }
    }

    fn of(&self, var: Var) -> Range<usize> {
        self.starts[var]..self.starts[var + 1]
    }
}

/// The clauses and the state of the search.
#[derive(Debug)]
pub(crate) struct Engine {
    groups: Vec<Range<Var>>,
    /// Pairs as they came: two variables and the caller's number.
    given_pairs: Vec<(Var, Var, u32)>,
    pairs: Pairs,
    clauses: Vec<Clause>,
    /// Clauses to look at when a literal becomes false.
    watches: Vec<Vec<usize>>,
    units: Vec<(Lit, u32)>,
    empty: Option<u32>,
    values: Vec<Value>,
    levels: Vec<usize>,
    causes: Vec<Cause>,
    trail: Vec<Lit>,
    /// Length of the trail before each decision.
    decisions: Vec<usize>,
    head: usize,
    work: u64,
    work_max: u64,
}

impl Engine {
    /// An engine over the variables of these groups, which follow each other without gaps.
    pub(crate) fn new(groups: &[Range<Var>], work_max: u64) -> Self {
        let count = groups.last().map_or(0, |group| group.end);
        let spread = groups
            .iter()
            .flat_map(|group| group.clone().map(|_| group.clone()));
        Self {
            groups: spread.collect(),
            given_pairs: Vec::new(),
            pairs: Pairs::default(),
            clauses: Vec::new(),
            watches: vec![Vec::new(); count * 2],
            units: Vec::new(),
            empty: None,
            values: vec![Value::Open; count],
            levels: vec![0; count],
            causes: vec![Cause::Choice; count],
            trail: Vec::new(),
            decisions: Vec::new(),
            head: 0,
            work: 0,
            work_max,
        }
    }

    /// `a` and `b` are not both true.
    pub(crate) fn forbid_pair(&mut self, a: Var, b: Var, number: u32) {
        if a == b {
            self.units.push((Lit::no(a), number));
            return;
        }
        self.given_pairs.push((a, b, number));
    }

    /// One of the literals is true. All clauses are given before the search starts.
    pub(crate) fn add(&mut self, mut lits: Vec<Lit>, number: u32) {
        lits.sort_by_key(|lit| lit.0);
        lits.dedup();
        if lits.windows(2).any(|two| two[0].var() == two[1].var()) {
            return; // a literal and its denial: always satisfied
        }
        match lits[..] {
            [] => self.empty = Some(number),
            [one] => self.units.push((one, number)),
            _ => {
                self.watch(Clause {
                    lits,
                    source: Source::Given(number),
                });
            }
        }
    }

    fn watch(&mut self, clause: Clause) -> usize {
        let id = self.clauses.len();
        for lit in &clause.lits[..2] {
            self.watches[lit.0].push(id);
        }
        self.clauses.push(clause);
        id
    }

    pub(crate) fn value(&self, var: Var) -> Value {
        self.values[var]
    }

    fn holds(&self, lit: Lit) -> Value {
        match (self.values[lit.var()], lit.is_yes()) {
            (Value::Open, _) => Value::Open,
            (Value::Yes, true) | (Value::No, false) => Value::Yes,
            _ => Value::No,
        }
    }

    /// The true variables in the order in which they became so, from the `from`th value on.
    pub(crate) fn trail(&self, at: usize) -> Option<Option<Var>> {
        let lit = self.trail.get(at)?;
        Some(lit.is_yes().then(|| lit.var()))
    }

    /// Literals looked at so far.
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    /// Searches. On success the true variables are the answer; open ones are false.
    pub(crate) fn solve(&mut self, guide: &mut impl Guide) -> Result<(), Unsolved> {
        if let Some(number) = self.empty {
            return Err(Unsolved::Core(vec![number]));
        }
        self.pairs = Pairs::new(self.values.len(), &std::mem::take(&mut self.given_pairs));
        for (lit, number) in std::mem::take(&mut self.units) {
            if !self.assign(lit, Cause::Given(number)) {
                let clash = Clash {
                    lits: vec![lit],
                    premise: Premise::Given(number),
                };
                return Err(Unsolved::Core(self.core(&clash)));
            }
        }
        loop {
            let clash = self.propagate();
            if self.work > self.work_max {
                return Err(Unsolved::TooHard);
            }
            match clash {
                Some(clash) if self.decisions.is_empty() => {
                    return Err(Unsolved::Core(self.core(&clash)));
                }
                Some(clash) => {
                    self.learn(clash);
                    guide.rewind();
                }
                None => {
                    let Some(var) = guide.next(self) else {
                        return Ok(());
                    };
                    self.decisions.push(self.trail.len());
                    self.assign(Lit::yes(var), Cause::Choice);
                }
            }
        }
    }

    /// Makes a literal true; whether it is not false already.
    fn assign(&mut self, lit: Lit, cause: Cause) -> bool {
        match self.holds(lit) {
            Value::Yes => true,
            Value::No => false,
            Value::Open => {
                let var = lit.var();
                self.values[var] = if lit.is_yes() { Value::Yes } else { Value::No };
                self.levels[var] = self.decisions.len();
                self.causes[var] = cause;
                self.trail.push(lit);
                true
            }
        }
    }

    /// Draws all consequences, until nothing follows or something clashes.
    fn propagate(&mut self) -> Option<Clash> {
        while let Some(&lit) = self.trail.get(self.head) {
            self.head += 1;
            if lit.is_yes()
                && let Some(clash) = self.exclude(lit.var())
            {
                return Some(clash);
            }
            if let Some(clash) = self.visit(lit.denied()) {
                return Some(clash);
            }
        }
        None
    }

    /// What cannot be true beside `var`.
    fn exclude(&mut self, var: Var) -> Option<Clash> {
        let both = |other, premise| Clash {
            lits: vec![Lit::no(var), Lit::no(other)],
            premise,
        };
        self.work += self.groups[var].len() as u64 + self.pairs.of(var).len() as u64;
        for other in self.groups[var].clone() {
            if other != var && !self.assign(Lit::no(other), Cause::Rival(var)) {
                return Some(both(other, Premise::Group));
            }
        }
        for at in self.pairs.of(var) {
            let (other, number) = self.pairs.others[at];
            if !self.assign(Lit::no(other), Cause::Pair(var, number)) {
                return Some(both(other, Premise::Given(number)));
            }
        }
        None
    }

    /// Looks at the clauses that watch a literal which became false.
    fn visit(&mut self, gone: Lit) -> Option<Clash> {
        let mut list = std::mem::take(&mut self.watches[gone.0]);
        let mut clash = None;
        let mut at = 0;
        while at < list.len() {
            self.work += 1;
            let id = list[at];
            if self.move_watch(id, gone) {
                list.swap_remove(at);
                continue;
            }
            at += 1;
            let first = self.clauses[id].lits[0];
            if !self.assign(first, Cause::Clause(id)) {
                clash = Some(Clash {
                    lits: self.clauses[id].lits.clone(),
                    premise: Premise::Clause(id),
                });
                break;
            }
        }
        self.watches[gone.0] = list;
        clash
    }

    /// Finds another literal to watch. If not, the first of the clause is the last that may hold.
    fn move_watch(&mut self, id: usize, gone: Lit) -> bool {
        if self.clauses[id].lits[0] == gone {
            self.clauses[id].lits.swap(0, 1);
        }
        let lits = &self.clauses[id].lits;
        if self.holds(lits[0]) == Value::Yes {
            return false;
        }
        let rest = 2..lits.len();
        let Some(other) = rest
            .into_iter()
            .find(|at| self.holds(lits[*at]) != Value::No)
        else {
            self.work += lits.len() as u64;
            return false;
        };
        self.work += other as u64;
        let new = lits[other];
        self.clauses[id].lits.swap(1, other);
        self.watches[new.0].push(id);
        true
    }

    /// Takes back all decisions above `level`.
    fn back_to(&mut self, level: usize) {
        let Some(&length) = self.decisions.get(level) else {
            return;
        };
        for lit in self.trail.drain(length..) {
            self.values[lit.var()] = Value::Open;
        }
        self.decisions.truncate(level);
        self.head = length;
    }

    /// The literals that made `lit` true, all false, and the rule.
    fn reason(&self, lit: Lit) -> (Vec<Lit>, Premise) {
        match self.causes[lit.var()] {
            Cause::Choice => (Vec::new(), Premise::Group),
            Cause::Given(number) => (Vec::new(), Premise::Given(number)),
            Cause::Rival(other) => (vec![Lit::no(other)], Premise::Group),
            Cause::Pair(other, number) => (vec![Lit::no(other)], Premise::Given(number)),
            Cause::Clause(id) => {
                let others = self.clauses[id]
                    .lits
                    .iter()
                    .copied()
                    .filter(|it| *it != lit);
                (others.collect(), Premise::Clause(id))
            }
        }
    }
}

#[cfg(test)]
mod tests;
