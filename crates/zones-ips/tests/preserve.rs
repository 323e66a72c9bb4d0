//! Editable files: the whole table, and that nothing grows.

use Direction::{Downgrade, Initial, Repair, Upgrade};
use Disk::{Edited, Missing, Unchanged};
use Outcome::{Keep, Leave, RenameThenWrite, Salvage, SalvageThenWrite, Write, WriteBeside};
use zones_ips::Action;
use zones_ips::preserve::{Case, Direction, Disk, Outcome, Removal, decide, remove};

const WORDS: [&str; 7] = [
    "none",
    "true",
    "renameold",
    "renamenew",
    "legacy",
    "install-only",
    "abandon",
];

fn file(hash: &str, word: &str, more: &str) -> Action {
    let preserve = if word == "none" {
        String::new()
    } else {
        format!("preserve={word}")
    };
    let line = format!("file {hash} path=etc/x mode=0644 owner=root group=root {preserve} {more}");
    line.trim_end()
        .parse()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn outcome(direction: Direction, disk: Disk, old: Option<&Action>, new: &Action) -> Outcome {
    decide(&Case::of(direction, disk, old, new).expect("files of known words"))
}

#[test]
fn an_initial_install_salvages_what_was_there() {
    // In the order of WORDS: absent, present.
    let table = [
        (Write, Write),
        (Write, SalvageThenWrite),
        (Write, SalvageThenWrite),
        (Write, SalvageThenWrite),
        (Leave, Salvage),
        (Write, Keep),
        (Leave, Leave),
    ];
    for (word, (absent, present)) in WORDS.iter().zip(table) {
        let new = file("a", word, "");
        assert_eq!(outcome(Initial, Missing, None, &new), absent, "{word}");
        assert_eq!(outcome(Initial, Edited, None, &new), present, "{word}");
    }
}

#[test]
fn an_upgrade_follows_the_word_of_the_new_version() {
    // In the order of WORDS: as packaged, edited, missing.
    let table = [
        (Write, Write, Write),
        (Write, Keep, Write),
        (Write, RenameThenWrite(".old"), Write),
        (Write, WriteBeside(".new"), Write),
        (Write, Write, Leave),
        (Keep, Keep, Leave),
        (Leave, Leave, Leave),
    ];
    for (word, (unchanged, edited, missing)) in WORDS.iter().zip(table) {
        let (old, new) = (file("a", word, ""), file("b", word, ""));
        assert_eq!(
            outcome(Upgrade, Unchanged, Some(&old), &new),
            unchanged,
            "{word}"
        );
        assert_eq!(outcome(Upgrade, Edited, Some(&old), &new), edited, "{word}");
        assert_eq!(
            outcome(Upgrade, Missing, Some(&old), &new),
            missing,
            "{word}"
        );
    }
    let (old, new) = (file("a", "true", ""), file("b", "legacy", ""));
    assert_eq!(
        outcome(Upgrade, Edited, Some(&old), &new),
        RenameThenWrite(".legacy")
    );
}

#[test]
fn equal_content_is_never_written_over_a_file() {
    for word in WORDS {
        let (old, new) = (file("a", word, ""), file("a", word, "x=y"));
        for direction in [Upgrade, Downgrade] {
            for disk in [Unchanged, Edited] {
                let outcome = outcome(direction, disk, Some(&old), &new);
                assert!(!outcome.needs_content(), "{word} {disk:?}: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_downgrade_keeps_unless_the_format_is_older() {
    let newer = "preserve-version=2";
    for word in ["true", "renameold", "renamenew"] {
        let (old, new) = (file("b", word, ""), file("a", word, ""));
        assert_eq!(outcome(Downgrade, Unchanged, Some(&old), &new), Keep);
        assert_eq!(outcome(Downgrade, Edited, Some(&old), &new), Keep);
        let old = file("b", word, newer);
        let renamed = RenameThenWrite(".update");
        assert_eq!(outcome(Downgrade, Edited, Some(&old), &new), renamed);
        assert_eq!(outcome(Downgrade, Unchanged, Some(&old), &new), Write);
        assert_eq!(
            outcome(Downgrade, Edited, Some(&old), &file("a", word, newer)),
            Keep
        );
        assert_eq!(outcome(Downgrade, Missing, Some(&old), &new), Write);
    }
    let (old, new) = (file("b", "none", ""), file("a", "none", ""));
    assert_eq!(outcome(Downgrade, Edited, Some(&old), &new), Write);
}

#[test]
fn a_repair_never_overwrites_an_editable_file() {
    for word in &WORDS[1..] {
        let both = file("a", word, "");
        let outcome = outcome(Repair, Edited, Some(&both), &both);
        assert!(!outcome.needs_content(), "{word}");
    }
    let plain = file("a", "none", "");
    assert_eq!(outcome(Repair, Edited, Some(&plain), &plain), Write);
    assert_eq!(outcome(Repair, Unchanged, Some(&plain), &plain), Keep);
}

#[test]
fn a_removal_salvages_edits() {
    let of = |word: &str, disk| remove(file("a", word, "").preserve().unwrap(), disk);
    for word in ["true", "renameold", "renamenew", "legacy"] {
        assert_eq!(of(word, Edited), Removal::Salvage);
        assert_eq!(of(word, Unchanged), Removal::Delete);
    }
    assert_eq!(of("abandon", Edited), Removal::Leave);
    assert_eq!(of("install-only", Unchanged), Removal::Leave);
    assert_eq!(of("none", Edited), Removal::Delete);
    assert_eq!(of("none", Missing), Removal::Leave);
}
