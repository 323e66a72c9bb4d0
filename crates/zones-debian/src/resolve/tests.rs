use super::{Variant, resolve};
use crate::index::Index;

/// `name version | field: value | ...` for each package.
fn repository(rows: &[&str]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut parts = row.split(" ; ");
        let (name, version) = parts
            .next()
            .and_then(|p| p.split_once(' '))
            .expect("name version");
        text += &format!("Package: {name}\nVersion: {version}\nArchitecture: all\n");
        for field in parts {
            text += field;
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn chosen(rows: &[&str], variant: Variant, include: &[&str]) -> Result<String, String> {
    let text = repository(rows);
    let mut index = Index::default();
    index.add(&text, 0, "amd64");
    let include: Vec<String> = include.iter().map(ToString::to_string).collect();
    let names = resolve(&index, variant, &include).map_err(|e| e.to_string())?;
    Ok(names.into_keys().collect::<Vec<_>>().join(" "))
}

const BASE: [&str; 12] = [
    "base-files 1 ; Essential: yes ; Pre-Depends: awk",
    "mawk 1 ; Priority: required ; Provides: awk ; Depends: libc (>= 2)",
    "gawk 1 ; Priority: optional ; Provides: awk",
    "libc 2-1 ; Priority: optional ; Breaks: old (<< 2)",
    "apt 1 ; Priority: required ; Depends: gpgv | gpgv2, keyring",
    "gpgv 1 ; Priority: optional",
    "gpgv2 1 ; Priority: optional",
    "keyring 1 ; Priority: optional",
    "vim 1 ; Priority: standard ; Depends: mta (>= 2) | editor",
    "nano 1 ; Priority: optional ; Provides: editor",
    "old 1 ; Priority: optional",
    "new 1 ; Conflicts: nano",
];

#[test]
fn the_base_takes_what_is_already_there() {
    let base = "apt base-files gpgv keyring libc mawk";
    assert_eq!(chosen(&BASE, Variant::Minbase, &[]).as_deref(), Ok(base));
    let with = chosen(&BASE, Variant::Minbase, &["gpgv2"]);
    assert_eq!(
        with.as_deref(),
        Ok("apt base-files gpgv2 keyring libc mawk")
    );
    let standard = chosen(&BASE, Variant::Standard, &[]);
    assert_eq!(
        standard.as_deref(),
        Ok("apt base-files gpgv keyring libc mawk nano vim")
    );
    let provided = chosen(&BASE, Variant::Minbase, &["editor"]);
    assert_eq!(
        provided.as_deref(),
        Ok("apt base-files gpgv keyring libc mawk nano")
    );
}

#[test]
fn errors_name_both_sides() {
    let rows = [
        (
            vec!["a 1 ; Depends: b (>= 2)", "b 1"],
            "package `a` needs `b (>= 2)`, but `b` has version 1",
        ),
        (
            vec!["a 1 ; Depends: b | c"],
            "package `a` needs `b | c`, but there is no `b` and there is no `c`",
        ),
        (
            vec!["a 1 ; Depends: b, c", "b 1 ; Conflicts: c", "c 1"],
            "package `a` needs `c`, but `c` and `b` exclude each other",
        ),
        (
            vec!["aa 1"],
            "no package `a` in the chosen suite and components; did you mean `aa`?",
        ),
    ];
    for (repository, want) in rows {
        let said = chosen(&repository, Variant::Minbase, &["a"]);
        assert_eq!(said, Err(want.to_owned()));
    }
    let said = chosen(&BASE, Variant::Minbase, &["old"]).expect_err("conflict");
    assert_eq!(
        said,
        "package `mawk` needs `libc (>= 2)`, but `libc` and `old` exclude each other"
    );
    let said = chosen(
        &["a 1 ; Conflicts: b", "b 1"],
        Variant::Minbase,
        &["a", "b"],
    );
    let want = "package `a` conflicts with `b` (`b`); leave one of them out";
    assert_eq!(said, Err(want.to_owned()));
}

#[test]
fn a_conflict_makes_it_take_the_next_alternative() {
    let rows = ["a 1 ; Depends: x | y ; Conflicts: x", "x 1", "y 1"];
    assert_eq!(
        chosen(&rows, Variant::Minbase, &["a"]).as_deref(),
        Ok("a y")
    );
    let rows = [
        "a 1 ; Depends: v",
        "x 1 ; Provides: v",
        "y 1 ; Provides: v ; Priority: standard",
    ];
    assert_eq!(
        chosen(&rows, Variant::Minbase, &["a"]).as_deref(),
        Ok("a y")
    );
}

#[test]
fn a_package_may_replace_others_that_provide_the_same() {
    let rows = ["a 1 ; Provides: mta ; Conflicts: mta", "b 1 ; Depends: mta"];
    assert_eq!(
        chosen(&rows, Variant::Minbase, &["a", "b"]).as_deref(),
        Ok("a b")
    );
}
