//! Programs and what they need, as the loader looks for it.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

use zones_matrix::checks::closed;
use zones_matrix::leftovers::{Elf, Entry, Inventory, Kind, Needs};

/// Adds a file with what it needs; with a run path, it is of a program or library that has one.
fn add(all: &mut Inventory, path: &str, interpreter: bool, needed: &[&str], runpath: &[&str]) {
    let bytes = |texts: &[&str]| texts.iter().map(|it| it.as_bytes().to_vec()).collect();
    let elf = Elf {
        machine: 62,
        wide: true,
        interpreter: interpreter.then(|| b"/lib/ld.so".to_vec()),
        needed: bytes(needed),
        rpath: Vec::new(),
        runpath: bytes(runpath),
        is_static: false,
        is_go: false,
    };
    let path = path.as_bytes().to_vec();
    all.files
        .insert(path.clone(), Entry::new(Kind::File, 0o755));
    all.needs.insert(path, Needs::Elf(elf));
}

#[test]
fn what_a_program_has_loaded_is_not_looked_for_again() {
    // The private folder is named by the program alone; its first library needs the second.
    for (needed, wanted) in [
        (vec!["core.so", "shared.so"], vec![]),
        (
            vec!["core.so"],
            vec!["missing need /usr/lib/private/core.so: library shared.so is not in the zone"],
        ),
    ] {
        let mut all = Inventory::default();
        for folder in ["/lib", "/usr", "/usr/lib", "/usr/lib/private", "/usr/sbin"] {
            let entry = Entry::new(Kind::Folder, 0o755);
            all.files.insert(folder.as_bytes().to_vec(), entry);
        }
        add(&mut all, "/lib/ld.so", false, &[], &[]);
        let program = "/usr/sbin/program";
        add(&mut all, program, true, &needed, &["/usr/lib/private"]);
        let core = "/usr/lib/private/core.so";
        add(&mut all, core, false, &["shared.so"], &[]);
        add(&mut all, "/usr/lib/private/shared.so", false, &[], &[]);
        let found = closed(&Inventory::default(), &all);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, wanted, "{needed:?}");
    }
}
