//! Small random repositories, solved by trying every choice.
//!
//! A plan must obey every rule, must exist exactly when trying all finds one, must have the newest
//! versions of what is named in its order, and must not have a package that could be left out.

#[allow(unreachable_pub, dead_code, reason = "each suite uses its part")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use support::{World, stem, target, version};
use zones_ips::{Stem, Version};
use zones_solver::{Depend, Image, Operation, Release, Request, Status, solve};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A dependency by kind, targets (place of the name, version; 0 is none).
type Rule = (u8, (usize, u64), (usize, u64));

fn depend((kind, first, second): Rule) -> Depend {
    let name = |(at, number): (usize, u64)| match number {
        0 => target(NAMES[at]),
        number => target(&format!("{}@{number}", NAMES[at])),
    };
    let (first, second) = (name(first), name(second));
    match kind {
        0..4 => Depend::Require(first),
        4 => Depend::Optional(first),
        5 => Depend::Exclude(first),
        6..8 => Depend::Incorporate(first),
        8 => Depend::RequireAny(vec![first, second]),
        9 => Depend::Conditional {
            predicate: first,
            target: second,
        },
        10 => Depend::Group(first),
        _ => Depend::GroupAny(vec![first, second]),
    }
}

/// Releases by name: whether it is obsolete, and what it asks for.
fn worlds() -> impl Strategy<Value = World> {
    let place = || (0..NAMES.len(), 0..4_u64);
    let rule = (0..12_u8, place(), place());
    let release = (0..8_u8, proptest::collection::vec(rule, 0..3));
    let package = proptest::collection::vec(release, 1..4);
    proptest::collection::vec(package, NAMES.len()).prop_map(|packages| {
        let mut world = World::read("publisher test\n");
        for (name, releases) in NAMES.iter().zip(packages) {
            for (at, (mark, rules)) in releases.into_iter().enumerate() {
                let is_obsolete = mark == 0;
                let rules = if is_obsolete { Vec::new() } else { rules };
                let release = Release {
                    publisher: "test".parse().expect("a publisher"),
                    stem: stem(name),
                    version: version(&(at + 1).to_string()),
                    status: if is_obsolete {
                        Status::Obsolete
                    } else {
                        Status::Plain
                    },
                    depends: rules.into_iter().map(depend).collect(),
                    hold: None,
                    is_explicit: false,
                };
                world
                    .offers
                    .entry(stem(name))
                    .or_default()
                    .push(Arc::new(release));
            }
        }
        world
    })
}

type Choice = BTreeMap<Stem, Arc<Release>>;

/// Whether a choice obeys the rules of its releases. Obsolete releases stand for absence.
fn obeys(choice: &Choice) -> bool {
    let has = |it: &zones_solver::Target| {
        let release = choice
            .get(&it.stem)
            .filter(|it| it.status != Status::Obsolete);
        release.map(|it| &it.version)
    };
    let met = |it: &zones_solver::Target| {
        has(it).is_some_and(|version| it.version.as_ref().is_none_or(|w| version.satisfies(w)))
    };
    // The solver knows of a package that goes for good, which is all that a group asks for.
    let gone = |it: &zones_solver::Target| {
        choice
            .get(&it.stem)
            .is_some_and(|it| it.status == Status::Obsolete)
    };
    let rule = |own: &Stem, depend: &Depend| match depend {
        Depend::Require(it) => met(it),
        Depend::Group(it) => met(it) || gone(it),
        Depend::RequireAny(all) => all.iter().any(met),
        Depend::GroupAny(all) => all.iter().any(|it| met(it) || gone(it)),
        Depend::Conditional { predicate, target } => !met(predicate) || met(target),
        Depend::Optional(it) => it.stem == *own || has(it).is_none() || met(it),
        Depend::Exclude(it) => {
            it.stem == *own
                || has(it).is_none_or(|own| it.version.as_ref().is_some_and(|w| own < w))
        }
        Depend::Incorporate(it) => {
            let version = choice.get(&it.stem).map(|it| &it.version);
            let refines = |own: &Version| it.version.as_ref().is_none_or(|w| own.refines(w));
            it.stem == *own || version.is_none_or(refines)
        }
        _ => true,
    };
    choice
        .values()
        .all(|it| it.depends.iter().all(|depend| rule(&it.stem, depend)))
}

/// All choices: for each package a release or none.
fn choices(world: &World) -> Vec<Choice> {
    let mut all: Vec<Choice> = vec![BTreeMap::new()];
    for releases in world.offers.values() {
        let mut next = all.clone();
        for choice in &all {
            next.extend(releases.iter().map(|release| {
                let mut choice = choice.clone();
                choice.insert(release.stem.clone(), release.clone());
                choice
            }));
        }
        all = next;
    }
    all
}

/// What the plan leaves in the image.
fn apply(world: &World, image: &Image, plan: &zones_solver::Plan) -> Choice {
    let mut after = image.installed.clone();
    for change in &plan.changes {
        after.remove(&change.stem);
        if let Some(to) = &change.to {
            after.insert(change.stem.clone(), world.find(&to.to_string()));
        }
    }
    after
}

fn shown(choice: &Choice) -> String {
    let names: Vec<_> = choice.values().map(|it| it.fmri().short()).collect();
    names.join(" ")
}

fn request(names: &[usize]) -> Request {
    let names: Vec<&str> = names.iter().map(|at| NAMES[*at]).collect();
    Request {
        operation: Operation::Install(support::patterns(&names)),
        reject: Vec::new(),
        is_missing_ignored: false,
    }
}

/// Whether a plan's outcome obeys the rules; a group may rest on a package that is gone for good.
fn is_sound(world: &World, after: &Choice) -> bool {
    let mut with_gone = vec![after.clone()];
    for (name, releases) in &world.offers {
        let gone = releases.iter().filter(|it| it.status == Status::Obsolete);
        let gone: Vec<_> = gone.filter(|_| !after.contains_key(name)).collect();
        let more: Vec<Choice> = with_gone
            .iter()
            .flat_map(|choice| {
                gone.iter().map(|it| {
                    let mut choice = choice.clone();
                    choice.insert(name.clone(), Arc::clone(it));
                    choice
                })
            })
            .collect();
        with_gone.extend(more);
    }
    with_gone.iter().any(obeys)
}

fn is_newest_obsolete(world: &World, name: &str) -> bool {
    world.offers[&stem(name)]
        .last()
        .is_some_and(|it| it.status == Status::Obsolete)
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_global_rejects: u32::MAX,
        ..ProptestConfig::with_cases(600)
    })]

    #[test]
    fn installing_into_nothing_finds_what_trying_all_finds(
        world in worlds(),
        names in proptest::sample::subsequence(vec![0_usize, 1, 2], 1..3),
    ) {
        prop_assume!(names.iter().all(|at| !is_newest_obsolete(&world, NAMES[*at])));
        let image = world.image();
        let stems: Vec<Stem> = names.iter().map(|at| stem(NAMES[*at])).collect();
        let is_there = |choice: &Choice| {
            let there = |it: &Stem| choice.get(it).is_some_and(|it| it.status == Status::Plain);
            stems.iter().all(there)
        };
        let fits = choices(&world).into_iter().filter(|it| is_there(it) && obeys(it));
        let newest = |choice: &Choice| -> Vec<Version> {
            stems.iter().map(|it| choice[it].version.clone()).collect()
        };
        let best = fits.map(|it| newest(&it)).max();
        match (solve(&world.offers, &image, &request(&names)), best) {
            (Ok(plan), Some(best)) => {
                let after = apply(&world, &image, &plan);
                prop_assert!(is_sound(&world, &after), "breaks rules: {}", shown(&after));
                prop_assert_eq!(newest(&after), best);
                for name in after.keys().filter(|it| !stems.contains(it)) {
                    let mut less = after.clone();
                    less.remove(name);
                    prop_assert!(!obeys(&less), "{name} is needless");
                }
            }
            (Err(_), None) => {}
            (Ok(plan), None) => prop_assert!(false, "a plan where none can be: {plan:?}"),
            (Err(failure), Some(best)) => prop_assert!(false, "{failure}\nbut {best:?} is possible"),
        }
    }

    #[test]
    fn an_update_leaves_nothing_that_could_be_newer(
        world in worlds(),
        names in proptest::sample::subsequence(vec![0_usize, 1, 2], 1..3),
    ) {
        // Start from the oldest of what can be installed.
        let mut old = world.clone();
        for releases in old.offers.values_mut() {
            releases.truncate(1);
        }
        let mut image = world.image();
        let Ok(plan) = solve(&old.offers, &image, &request(&names)) else {
            return Ok(());
        };
        image.installed = apply(&old, &image, &plan);
        let update = Request { operation: Operation::Update(Vec::new()), ..request(&[]) };
        let plan = solve(&world.offers, &image, &update);
        let plan = plan.map_err(|it| TestCaseError::fail(it.to_string()))?;
        let after = apply(&world, &image, &plan);
        prop_assert!(is_sound(&world, &after), "breaks rules: {}", shown(&after));
        let kept: Vec<&Stem> = image.installed.keys().collect();
        // What is gone for good says nothing of how new the rest could be.
        if kept.iter().all(|it| after.contains_key(*it)) {
            let versions = |choice: &Choice| -> Option<Vec<Version>> {
                kept.iter().map(|it| Some(choice.get(*it)?.version.clone())).collect()
            };
            let own = versions(&after).expect("all are there");
            let others = choices(&world).into_iter().filter(obeys);
            for other in others.filter_map(|it| versions(&it)) {
                let as_new = other.iter().zip(&own).all(|(a, b)| a >= b);
                prop_assert!(!as_new || other == own, "{other:?}\nis newer than {own:?}");
            }
            let next = Image { installed: after.clone(), ..image.clone() };
            let again = solve(&world.offers, &next, &update);
            let changes = again.map_err(|it| TestCaseError::fail(it.to_string()))?.changes;
            // What came along is not promised to be the best whole, so it alone may change again.
            let moved = changes.iter().find(|it| kept.contains(&&it.stem));
            prop_assert!(moved.is_none(), "a second update moves {moved:?}");
        }
    }

    #[test]
    fn equal_input_gives_equal_output(world in worlds()) {
        let image = world.image();
        let once = solve(&world.offers, &image, &request(&[0, 1]));
        prop_assert_eq!(once, solve(&world.offers, &image, &request(&[0, 1])));
    }
}
