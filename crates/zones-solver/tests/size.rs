//! How much work large repositories are.

#[allow(unreachable_pub, dead_code, reason = "each suite uses its part")]
mod support;

use std::sync::Arc;

use support::{World, stem, target, version};
use zones_solver::{Depend, Operation, Release, Request, Status, solve};

fn release(name: &str, number: usize, depends: Vec<Depend>) -> Arc<Release> {
    Arc::new(Release {
        publisher: "test".parse().expect("a publisher"),
        stem: stem(name),
        version: version(&format!("1.{number}")),
        status: Status::Plain,
        depends,
        hold: None,
        is_explicit: false,
    })
}

/// `stems` packages of `versions` versions, each needing some before it, all incorporated by each
/// version of `entire`.
fn world(stems: usize, versions: usize) -> World {
    let mut world = World::read("publisher test\n");
    let name = |at: usize| format!("pkg/p{at}");
    for number in 0..versions {
        let pins = |at| Depend::Incorporate(target(&format!("{}@1.{number}", name(at))));
        let entire = release("entire", number, (0..stems).map(pins).collect());
        world.offers.entry(stem("entire")).or_default().push(entire);
        for at in 0..stems {
            let needs = [at / 2, at / 3, at / 7].into_iter().filter(|it| *it < at);
            let need = |it| Depend::Require(target(&format!("{}@1.{number}", name(it))));
            let one = release(&name(at), number, needs.map(need).collect());
            world.offers.entry(stem(&name(at))).or_default().push(one);
        }
    }
    world
}

fn request(operation: Operation) -> Request {
    Request {
        operation,
        reject: Vec::new(),
        is_missing_ignored: false,
    }
}

#[test]
fn an_incorporation_of_two_thousand_is_little_work() {
    let world = world(2000, 20);
    let mut image = world.image();
    for releases in world.offers.values() {
        image
            .installed
            .insert(releases[0].stem.clone(), releases[0].clone());
    }
    let update = request(Operation::Update(Vec::new()));
    let update = solve(&world.offers, &image, &update).expect("a plan");
    assert_eq!(update.changes.len(), 2001);
    assert!(
        update
            .changes
            .iter()
            .all(|it| it.to_string().ends_with("-> 1.19"))
    );
    // One look at each pair of versions that exclude each other would be 2000 * 19 * 20.
    assert!(update.work < 400_000, "{} steps", update.work);
    let nothing = request(Operation::Install(support::patterns(&["pkg/p7"])));
    let nothing = solve(&world.offers, &image, &nothing).expect("a plan");
    assert!(nothing.is_empty());
    assert!(nothing.work < 200_000, "{} steps", nothing.work);
}

#[test]
fn work_grows_with_the_packages_and_no_faster() {
    let all = || support::patterns(&["entire", "pkg/*"]);
    let work = |stems| {
        let world = world(stems, 10);
        let install = request(Operation::Install(all()));
        let plan = solve(&world.offers, &world.image(), &install).expect("a plan");
        assert_eq!(plan.changes.len(), stems + 1);
        plan.work
    };
    let (small, large) = (work(50), work(400));
    assert!(large < 9 * small, "{small} and {large} steps");
}

#[test]
fn choices_that_exclude_each_other_are_learnt() {
    // Twelve packages of two ways each; all second ways exclude each other, so do the first.
    let mut world = World::read("publisher test\n");
    let mut top = Vec::new();
    for at in 0..12 {
        let others = |way: &str| -> Vec<Depend> {
            let others = (0..12).filter(|other| *other != at);
            others
                .map(|other| Depend::Exclude(target(&format!("{way}{other}"))))
                .collect()
        };
        for way in ["first", "second"] {
            let name = format!("{way}{at}");
            world
                .offers
                .insert(stem(&name), vec![release(&name, 1, others(way))]);
        }
        let ways = vec![
            target(&format!("first{at}")),
            target(&format!("second{at}")),
        ];
        top.push(Depend::RequireAny(ways));
    }
    world
        .offers
        .insert(stem("top"), vec![release("top", 1, top)]);
    let install = request(Operation::Install(support::patterns(&["top"])));
    let failure = solve(&world.offers, &world.image(), &install).expect_err("no way");
    let text = failure.to_string();
    assert!(
        text.starts_with("No solution was found to satisfy constraints"),
        "{text}"
    );
    // Three of the choices are enough to say why.
    assert!(text.lines().count() < 14, "{text}");
}
