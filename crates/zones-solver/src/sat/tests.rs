use proptest::prelude::*;

use super::{Engine, Guide, Lit, Unsolved, Value, Var};

/// Tries variables in order until every clause holds.
struct InOrder(Vec<Vec<Lit>>);

impl Guide for InOrder {
    fn next(&mut self, engine: &Engine) -> Option<Var> {
        let open = |clause: &&Vec<Lit>| {
            let holds = |lit: &Lit| match engine.value(lit.var()) {
                Value::Yes => lit.is_yes(),
                _ => !lit.is_yes(),
            };
            !clause.iter().any(holds)
        };
        let clause = self.0.iter().find(open)?;
        let mut vars = clause
            .iter()
            .filter(|lit| lit.is_yes())
            .map(|lit| lit.var());
        vars.find(|var| engine.value(*var) == Value::Open)
    }

    fn rewind(&mut self) {}
}

type Plain = (Vec<usize>, Vec<Vec<(usize, bool)>>, Vec<(usize, usize)>);

/// Sizes of groups, clauses, pairs.
fn problems() -> impl Strategy<Value = Plain> {
    proptest::collection::vec(1..4_usize, 1..6).prop_flat_map(|groups| {
        let count: usize = groups.iter().sum();
        let clause = proptest::collection::vec((0..count, any::<bool>()), 1..4);
        let pairs = proptest::collection::vec((0..count, 0..count), 0..8);
        (
            Just(groups),
            proptest::collection::vec(clause, 0..16),
            pairs,
        )
    })
}

fn ranges(sizes: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let range = |size: &usize| {
        start += size;
        start - size..start
    };
    sizes.iter().map(range).collect()
}

fn lits(clause: &[(usize, bool)]) -> Vec<Lit> {
    let lit = |(var, yes): &(usize, bool)| if *yes { Lit::yes(*var) } else { Lit::no(*var) };
    clause.iter().map(lit).collect()
}

fn is_model(plain: &Plain, only: Option<&[u32]>, bits: u32) -> bool {
    let yes = |var: usize| bits >> var & 1 == 1;
    let asked = |number: usize| only.is_none_or(|only| only.contains(&(number as u32)));
    let (groups, clauses, pairs) = plain;
    let one = |range: &std::ops::Range<usize>| range.clone().filter(|v| yes(*v)).count() <= 1;
    let clause = |(at, clause): (usize, &Vec<(usize, bool)>)| {
        !asked(at) || clause.iter().any(|(var, want)| yes(*var) == *want)
    };
    let pair =
        |(at, (a, b)): (usize, &(usize, usize))| !(asked(at + clauses.len()) && yes(*a) && yes(*b));
    ranges(groups).iter().all(one)
        && clauses.iter().enumerate().all(clause)
        && pairs.iter().enumerate().all(pair)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_finds_a_model_or_a_contradiction(plain in problems()) {
        let (groups, clauses, pairs) = &plain;
        let count: usize = groups.iter().sum();
        let mut engine = Engine::new(&ranges(groups), 1_000_000);
        for (at, clause) in clauses.iter().enumerate() {
            engine.add(lits(clause), at as u32);
        }
        for (at, (a, b)) in pairs.iter().enumerate() {
            engine.forbid_pair(*a, *b, (at + clauses.len()) as u32);
        }
        let mut all: Vec<Vec<Lit>> = clauses.iter().map(|clause| lits(clause)).collect();
        all.extend(pairs.iter().map(|(a, b)| vec![Lit::no(*a), Lit::no(*b)]));
        match engine.solve(&mut InOrder(all)) {
            Ok(()) => {
                let yes = (0..count).filter(|var| engine.value(*var) == Value::Yes);
                let bits = yes.fold(0_u32, |bits, var| bits | 1 << var);
                prop_assert!(is_model(&plain, None, bits));
            }
            Err(Unsolved::Core(core)) => {
                for bits in 0..1_u32 << count {
                    prop_assert!(!is_model(&plain, Some(&core), bits), "{core:?} has a model");
                }
            }
            Err(Unsolved::TooHard) => prop_assert!(false, "too much work"),
        }
    }
}

#[test]
fn work_is_bounded() {
    let mut engine = Engine::new(&ranges(&[4]), 3);
    engine.add(vec![Lit::yes(0), Lit::yes(1)], 0);
    let clauses = vec![vec![Lit::yes(0), Lit::yes(1)]];
    assert_eq!(engine.solve(&mut InOrder(clauses)), Err(Unsolved::TooHard));
}
