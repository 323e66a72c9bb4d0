//! Looks at a root twice and says how long that took: `look ROOT`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use zones_runner::evidence::{Look, Scene, tree};
use zones_sys::RootFd;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let root = RootFd::open(Path::new(&path)).unwrap();
    let timed = |what: &str, look: &Look<'_>| {
        let began = Instant::now();
        let scene = tree(&root, look).unwrap();
        println!(
            "{what}: {} files in {:?}",
            scene.inventory.files.len(),
            began.elapsed()
        );
        scene
    };
    let first = timed("first look", &Look::default());
    let again = Look {
        before: Some(&first),
        ..Look::default()
    };
    for _ in 0..3 {
        timed("walk", &again);
    }
    let only = zones_archive::Candidates::default();
    let quick = Look {
        only: Some(&only),
        ..again
    };
    timed("nothing changed", &quick);
    let began = Instant::now();
    let saved = first.save();
    println!("saved: {} bytes in {:?}", saved.len(), began.elapsed());
    let began = Instant::now();
    let loaded = Scene::load(&saved).unwrap();
    println!(
        "loaded in {:?}, the same: {}",
        began.elapsed(),
        loaded == first
    );
    let all = &first.inventory;
    println!(
        "{} packages, {} owned paths, {} services, {} jobs, {} alternatives, {} users, {} needs",
        all.packages.len(),
        all.owners.len(),
        all.services.len(),
        all.cron.len(),
        all.alternatives.len(),
        all.users.len(),
        all.needs.len()
    );
    for note in first.notes.iter().take(5) {
        println!("note: {note}");
    }
    let empty = zones_matrix::leftovers::Inventory::default();
    let began = Instant::now();
    let lacks = zones_matrix::checks::closed(&empty, all);
    println!("{} things missing, in {:?}", lacks.len(), began.elapsed());
    for one in lacks.iter().take(8) {
        println!("  {one}");
    }
}
