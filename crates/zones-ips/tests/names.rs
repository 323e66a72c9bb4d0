//! Versions, FMRIs and patterns: what programs of pkg(7) were seen to accept, and laws of order.

use proptest::prelude::*;
use zones_ips::pattern::Picked;
use zones_ips::{DotSequence, Fmri, Pattern, Timestamp, Version};

fn version(text: &str) -> Version {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fmri(text: &str) -> Fmri {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn versions_print_with_a_build() {
    let known = [
        ("1.0", "1.0,5.11"),
        ("0.0", "0.0,5.11"),
        ("1,5.10-2", "1,5.10-2"),
        ("1-1:20261121T123715Z", "1,5.11-1:20261121T123715Z"),
    ];
    for (text, printed) in known {
        assert_eq!(version(text).to_string(), printed);
        assert_eq!(version(printed).to_string(), printed);
    }
    let full = version("1.0,5.11-0.1:20261121T123715Z");
    assert_eq!(full.short(), "1.0-0.1");
    assert_eq!(full.without_build(), "1.0-0.1:20261121T123715Z");
}

#[test]
fn what_is_no_version_is_named() {
    let time = "Time must be ISO8601 format.";
    let known = [
        ("", "Version cannot be empty"),
        ("01.1", "Bad Version: 01.1"),
        ("1.", "Bad Version: 1."),
        ("1.0-", "Bad Version: "),
        ("1.0-1,5.11", "Bad Version: 1,5.11"),
        ("+1", "Bad Version: +1"),
        (
            "99999999999999999999999",
            "Bad Version: 99999999999999999999999",
        ),
        (",5.11", "Versions must have a release value"),
        ("-1", "Versions must have a release value"),
        ("1:2026", time),
        ("1:20260229T000000Z", time),
        ("1:20261121T240000Z", time),
        ("1:20261121T12371éZ", time),
        ("1:+0261121T123715Z", time),
        ("1:00001121T123715Z", time),
    ];
    for (text, message) in known {
        let error = text.parse::<Version>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn the_order_is_that_of_the_reference() {
    let rising = [
        "1.2",
        "1.2-0",
        "1.2.0",
        "1.10",
        "2-1",
        "2-1:20261121T123715Z",
        "2-1.0",
    ];
    for pair in rising.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
    assert_eq!(version("1,5.10-1"), version("1,5.11-1"));
}

#[test]
fn refining_is_having_all_given_parts_at_the_head() {
    let known = [
        ("1.4.3", true),
        ("1.4.3.7", true),
        ("1.4.3-9", true),
        ("1.4.4", false),
        ("1.4", false),
        ("1.4.30", false),
    ];
    for (text, expected) in known {
        assert_eq!(version(text).refines(&version("1.4.3")), expected, "{text}");
    }
    assert!(version("1-2.3").refines(&version("1-2")));
    assert!(!version("1").refines(&version("1-2")));
    assert!(!version("1-2").refines(&version("1-2:20261121T123715Z")));
    assert!(version("1.5").satisfies(&version("1.4.3")));
    assert!(!version("1.4").satisfies(&version("1.4.3")));
}

#[test]
fn fmris_are_read_in_all_forms() {
    let known = [
        ("a", "pkg:/a"),
        ("/a", "pkg:/a"),
        ("pkg:/a", "pkg:/a"),
        ("//p/a", "pkg://p/a"),
        ("pkg:///a", "pkg:/a"),
        ("pkg://p.q/a/b+c@1-2  ", "pkg://p.q/a/b+c@1,5.11-2"),
    ];
    for (text, printed) in known {
        assert_eq!(fmri(text).to_string(), printed);
        assert_eq!(fmri(printed), fmri(text));
    }
    let full = fmri("pkg://test/app/foo@1.0,5.11-0.1:20261121T123715Z");
    assert_eq!(
        full.without_build(),
        "pkg://test/app/foo@1.0-0.1:20261121T123715Z"
    );
    assert_eq!(full.short(), "app/foo@1.0-0.1");
    let (stem, version) = full.quoted().unwrap();
    assert_eq!(
        format!("{stem}/{version}"),
        "app%2Ffoo/1.0%2C5.11-0.1%3A20261121T123715Z"
    );
}

#[test]
fn what_is_no_fmri_is_named() {
    let known = [
        ("pkg:a", "Invalid Package Name: pkg:a"),
        ("a b", "Invalid Package Name: a b"),
        ("-a", "Invalid Package Name: -a"),
        ("a/-b", "Invalid Package Name: a/-b"),
        ("a@1@2", "Invalid Package Name: a@1"),
        ("pkg://p", "Missing '/' after publisher name"),
        ("pkg:/@1", "Missing package name"),
        ("", "Missing package name"),
        ("a@", "Version cannot be empty"),
        ("a/../b", "Invalid Package Name: a/../b"),
        ("pkg://../a", "Invalid publisher name: .."),
    ];
    for (text, detail) in known {
        let error = text.parse::<Fmri>().expect_err(text).to_string();
        assert_eq!(error, format!("Illegal FMRI '{text}': {detail}"));
    }
}

#[test]
fn patterns_pick_what_users_mean() {
    let all: Vec<_> = [
        "pkg://p/a/tool@1.2",
        "pkg://p/a/tool@1.2.3",
        "pkg://p/b/tool@1",
        "pkg://q/tool@3-1.5",
        "pkg://p/xtool@1",
    ]
    .map(fmri)
    .into();
    let pick = |pattern: &str| {
        let pattern: Pattern = pattern.parse().unwrap_or_else(|error| panic!("{error}"));
        match pattern.pick(&all) {
            Picked::Packages(found) => found.iter().map(|it| it.short()).collect::<Vec<_>>(),
            Picked::Ambiguous(stems) => stems.iter().map(|it| format!("? {it}")).collect(),
        }
    };
    assert_eq!(pick("tool"), ["tool@3-1.5"]);
    assert_eq!(pick("pkg://p/tool"), [""; 0]);
    assert_eq!(pick("a/tool"), ["a/tool@1.2", "a/tool@1.2.3"]);
    assert_eq!(pick("a/tool@latest"), ["a/tool@1.2.3"]);
    assert_eq!(pick("a/tool@1.2.3"), ["a/tool@1.2.3"]);
    assert_eq!(pick("a/tool@1.*.3"), ["a/tool@1.2.3"]);
    assert_eq!(pick("a/tool@2"), [""; 0]);
    assert_eq!(pick("/tool@*-1"), ["tool@3-1.5"]);
    assert_eq!(pick("pkg://p/?tool"), ["xtool@1"]);
    assert_eq!(pick("pkg://p/*").len(), 4);
    assert_eq!(pick("*tool").len(), 5);
    let less: Vec<_> = all
        .iter()
        .filter(|it| it.stem().as_str() != "tool")
        .collect();
    let picked = "tool".parse::<Pattern>().unwrap().pick(less);
    assert!(matches!(picked, Picked::Ambiguous(stems) if stems.len() == 2));
    let error = "a b*".parse::<Pattern>().unwrap_err().to_string();
    assert_eq!(
        error,
        "Illegal matching pattern 'a b*': Invalid Package Name: a b*"
    );
}

fn dots() -> impl Strategy<Value = DotSequence> {
    let numbers = prop::collection::vec(0_u64..4, 1..4);
    numbers.prop_map(|numbers| {
        let words: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        words.join(".").parse().expect("numbers with dots")
    })
}

fn versions() -> impl Strategy<Value = Version> {
    let time = prop::option::of((0_i64..3).prop_map(|at| Timestamp::from_unix(at).expect("1970")));
    let parts = (dots(), prop::option::of(dots()), time);
    parts.prop_map(|(component, branch, time)| Version::new(component, branch, time))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Ten times hundred versions, each beside each: 100,000 pairs.
    #[test]
    fn versions_are_totally_ordered(mut some in prop::collection::vec(versions(), 100)) {
        some.sort();
        for (at, a) in some.iter().enumerate() {
            for (other, b) in some.iter().enumerate() {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                prop_assert_eq!(a == b, a.cmp(b).is_eq());
                // Sorted by neighbours, all pairs are in order: the order is transitive.
                prop_assert!(at > other || a <= b);
                // What refines is never older.
                prop_assert!(!a.refines(b) || (a >= b && a.satisfies(b)));
            }
            prop_assert!(a.refines(a));
            prop_assert_eq!(&version(&a.to_string()), a);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn versions_come_back(a in versions(), seconds in -62_135_596_800_i64..=253_402_207_200) {
        prop_assert_eq!(version(&a.to_string()), a.clone());
        let a = a.at(Timestamp::from_unix(seconds).expect("a year of four digits"));
        prop_assert_eq!(version(&a.to_string()), a);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,40}", odd in "[p:/@,.0-9a*?TZ-]{0,30}") {
        for text in [text, odd] {
            if let Ok(fmri) = text.parse::<Fmri>() {
                prop_assert_eq!(fmri.to_string().parse(), Ok(fmri));
            }
            let _ = text.parse::<Pattern>();
        }
    }
}
