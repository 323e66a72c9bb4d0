//! What cannot stand beside each other is refused before anything is touched.

use crate::support::{World, fmri, names};

const CLOSING: &str = "\n\nThese packages cannot be installed together. Any non-conflicting subset\n\
                       of the above packages can be installed.";

fn refused(packages: &[(&str, Vec<String>)], world: &World) -> String {
    let packages: Vec<_> = packages
        .iter()
        .map(|(name, lines)| world.package(name, lines))
        .collect();
    let error = world.plan(&packages).expect_err("a conflict");
    assert!(names(&world.path("")).is_empty(), "the image is untouched");
    error.to_string()
}

#[test]
fn two_deliverers_of_a_file() {
    let mut world = World::new();
    let (a, b) = (
        world.file("usr/bin/x", "a", ""),
        world.file("usr/bin/x", "b", ""),
    );
    let text = refused(&[("b@1", vec![b]), ("a@1", vec![a])], &world);
    let expected = format!(
        "The following packages all deliver file actions to usr/bin/x:\n\n  {}\n  {}{CLOSING}",
        fmri("a@1"),
        fmri("b@1")
    );
    assert_eq!(text, expected);
}

#[test]
fn several_kinds_at_one_path() {
    let mut world = World::new();
    let file = world.file("usr/x", "a", "");
    let text = refused(
        &[
            ("a@1", vec![file.clone()]),
            ("b@1", vec!["link path=usr/x target=y".into()]),
        ],
        &world,
    );
    let expected = format!(
        "The following packages deliver conflicting action types to usr/x:\n\n  file:\n    {}\n  \
         link:\n    {}{CLOSING}",
        fmri("a@1"),
        fmri("b@1")
    );
    assert_eq!(text, expected);
    // A folder that is there only because something lies in it is a folder all the same.
    let below = world.file("usr/x/y", "b", "");
    let text = refused(&[("a@1", vec![file]), ("b@1", vec![below])], &world);
    assert!(text.contains("\n  dir:\n    pkg://test/b@1"), "{text}");
}

#[test]
fn one_package_with_two_copies() {
    let mut world = World::new();
    let (a, b) = (world.file("x", "a", ""), world.file("x", "b", ""));
    let text = refused(&[("a@1", vec![a, b])], &world);
    let expected = format!(
        "The package {} delivers multiple copies of file x\n\
         This package must be corrected before it can be installed.",
        fmri("a@1")
    );
    assert_eq!(text, expected);
}

#[test]
fn shared_things_that_differ() {
    let world = World::new();
    let rows = [
        (
            "dir path=etc owner=root group=",
            "mode=0755 path=etc",
            "root",
            "sys",
        ),
        ("link path=x target=", "target=", "a", "b"),
        ("user username=u group=other uid=", "uid=", "10", "11"),
        ("group groupname=g gid=", "gid=", "10", "11"),
    ];
    for (line, shown, one, two) in rows {
        let more = if line.starts_with("dir") {
            " mode=0755"
        } else {
            ""
        };
        let of = |value| vec![format!("{line}{value}{more}")];
        let text = refused(&[("a@1", of(one)), ("b@1", of(two))], &world);
        assert!(text.contains("with conflicting attributes:"), "{text}");
        assert!(text.contains("1 package delivers '"), "{text}");
        assert!(text.ends_with(CLOSING), "{text} {shown}");
        let equal = [("a@1", of(one)), ("b@1", of(one))];
        let equal: Vec<_> = equal.iter().map(|(n, l)| world.package(n, l)).collect();
        world.plan(&equal).expect("shared things that agree");
    }
}

#[test]
fn several_conflicts_are_told_at_once() {
    let mut world = World::new();
    let lines =
        |world: &mut World, text: &str| vec![world.file("x", text, ""), world.file("y", text, "")];
    let (a, b) = (lines(&mut world, "a"), lines(&mut world, "b"));
    let text = refused(&[("a@1", a), ("b@1", b)], &world);
    assert_eq!(text.matches("all deliver file actions").count(), 2);
    assert!(
        text.contains("can be installed.\n\nThe following"),
        "{text}"
    );
}

#[test]
fn overlays_need_the_consent_of_what_lies_below() {
    let mut world = World::new();
    let below = world.file("etc/x", "below", "preserve=true overlay=allow");
    let plain = world.file("etc/x", "below", "preserve=true");
    let above = world.file("etc/x", "above", "preserve=true overlay=true");
    let tight = world.file("etc/x", "above", "preserve=true overlay=true mode=0600");
    let package = |name, line: &String| World::package(&world, name, std::slice::from_ref(line));
    let (one, two) = (package("a@1", &below), package("b@1", &above));
    world.plan(&[one.clone(), two]).expect("an overlay");
    for (first, second) in [
        (&plain, &above),
        (&below, &below),
        (&above, &above),
        (&below, &tight),
    ] {
        let packages = [package("a@1", first), package("b@1", second)];
        world.plan(&packages).expect_err("no overlay");
    }
}

#[test]
fn reserved_and_hostile_paths_are_refused() {
    let mut world = World::new();
    world.policy.reserved = vec!["var/pkg".parse().expect("path")];
    for (path, word) in [
        ("../etc/x", "invalid path"),
        ("a/../../x", "invalid path"),
        ("a//b", "invalid path"),
        ("var/pkg/state/x", "reserved"),
    ] {
        let line = world.file(path, "x", "");
        let text = refused(&[("a@1", vec![line])], &world);
        assert!(text.contains(word), "{path}: {text}");
    }
}
