//! What a matrix file may not say: each fault with its place and its hint.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use support::{ACME, Fake, plan_in};

/// What is replaced in the example, by what, and the one line that is said about it.
const CASES: &[(&str, &str, &str)] = &[
    (
        "schema = 1",
        "schema = 2",
        "line 2, column 10: `schema` must be 1: this version reads no other",
    ),
    ("schema = 1\n", "", "line 1, column 1: `schema` is missing"),
    (
        "jobs = \"auto\"",
        "jbos = 1",
        "unknown key `run.jbos` (hint: did you mean `jobs`?)",
    ),
    (
        "jobs = \"auto\"",
        "jobs = 0",
        "`run.jobs` must be \"auto\" or a number from 1",
    ),
    (
        "memory = \"75%\"",
        "memory = \"175%\"",
        "`run.memory` must be \"75%\" or an amount",
    ),
    (
        "timeout = \"10m\"",
        "timeout = 10",
        "`cell.timeout` must be a string (hint: it is a number)",
    ),
    (
        "timeout = \"10m\"",
        "timeout = \"10\"",
        "must be a duration such as \"10m\" (hint: it is `10`)",
    ),
    (
        "\"slowest-first\"",
        "\"slowest\"",
        "`run.order` cannot be `slowest` (hint: known: slowest-first",
    ),
    (
        "clock = \"isolated\"",
        "clock = \"isolatd\"",
        "`cell.clock` cannot be `isolatd`",
    ),
    (
        "[\"error\", \"timeout\"]",
        "[\"errors\"]",
        "cannot be `errors` (hint: did you mean `error`?)",
    ),
    (
        "suite = [\"bull",
        "option = [\"a\"]\nsuite = [\"bull",
        "an axis cannot be called `option`",
    ),
    (
        "[\"bullseye\", ",
        "[\"trixie\", ",
        "axis `suite` has `trixie` twice",
    ),
    (
        "id = \"{suite}-{arch}\"",
        "id = \"{suite}-{arc}\"",
        "`{arc}` means nothing here",
    ),
    (
        "id = \"{suite}-{arch}\"",
        "id = \"{suite}\"",
        "two platforms have the id `bookworm`",
    ),
    (
        "brand = \"debian\"\n",
        "",
        "platform `bullseye-amd64` has no brand",
    ),
    (
        "[\"arm64\", \"armhf\"] }",
        "[\"arm46\"] }",
        "`arch` has no value `arm46` (hint: did you mean",
    ),
    (
        "suite = \"bullseye\", arch = \"armhf\"",
        "siute = \"bullseye\"",
        "`siute` is no axis (hint: did",
    ),
    (
        "option = \"relocated\" }",
        "option = \"moved\" }",
        "`option` has no value `moved`",
    ),
    (
        "\"env.ACME_LTS\"",
        "\"$ACME_LTS\"",
        "`exclude.if` must be \"env.NAME\"",
    ),
    (
        "\"2027-06-30\"",
        "\"2026-11-20\"",
        "this failure was expected until 2026-11-20",
    ),
    (
        "\"2027-06-30\"",
        "\"soon\"",
        "`expect-fail.until` must be a date",
    ),
    (
        "until = \"2027-06-30\"\n",
        "",
        "`expect-fail.until` is missing",
    ),
    (
        "\"install:prev\", ",
        "\"instal:prev\", ",
        "unknown step `instal` (hint: did you mean `install`?)",
    ),
    (
        "\"install:prev\", ",
        "\"install:prv\", ",
        "unknown artifact `prv` (hint: did you mean `prev`?)",
    ),
    (
        "\"install:prev\", ",
        "\"install\", ",
        "step `install` needs an artifact here (hint: write",
    ),
    (
        "\"services-up\", \"no-b",
        "\"service-up\", \"no-b",
        "unknown check `service-up` (hint: did you",
    ),
    (
        "no-orphans-from:prev\"",
        "no-orphans-from:old\"",
        "unknown artifact `old`",
    ),
    (
        "\"=dist/*.deb\"",
        "\"dist/*.deb\"",
        "output `dist/*.deb` does not say whether it must match",
    ),
    (
        "id-suffix = \"+y2038\"",
        "id-suffix = \"y2038\"",
        "`y2038` is no suffix",
    ),
    ("enabled = false", "", ""),
    ("id-suffix = \"+y2038\"", "", ""),
    (
        "option = \"full\", scenario = \"fresh\" }",
        "scenario = \"fresh\" }",
        "names no single cell",
    ),
    (
        "[\"bookworm-amd64/*/fresh\"]",
        "[\"bookwrm-amd64/*/fresh\"]",
        "meets no cell; did you mean",
    ),
    (
        "\"/var/log/acme/**\"",
        "\"var/log\"",
        "`var/log` is no absolute path",
    ),
    (
        "\"matrix/kickstart.sh\"",
        "\"../kickstart.sh\"",
        "`../kickstart.sh` is outside",
    ),
    (
        "\"html\", ",
        "\"htm\", ",
        "`report.formats` cannot be `htm` (hint: did you mean `html`?)",
    ),
    ("[report]", "[report", "no TOML"),
    (
        "ACME_PARTS = \"client\" }",
        "\"A-B\" = \"\" }",
        "`A-B` cannot be the name of a variable",
    ),
];

#[test]
fn each_fault_is_named_with_its_place() {
    for (old, new, wanted) in CASES {
        assert!(ACME.contains(old), "the example has no `{old}`");
        let text = ACME.replacen(old, new, 1);
        match plan_in(&text, &Fake::default()) {
            Ok(_) => assert_eq!(*wanted, "", "`{new}` was accepted"),
            Err(error) => {
                let said = error.to_string();
                assert!(
                    !wanted.is_empty() && said.contains(wanted),
                    "`{new}`: {said}"
                );
                let first = said.lines().next().unwrap();
                assert!(first.starts_with("line "), "{first}");
            }
        }
    }
}

#[test]
fn the_place_is_the_line_and_column_of_the_word() {
    let text = ACME.replacen("jobs = \"auto\"", "jbos = 1", 1);
    let at = text
        .lines()
        .position(|line| line.starts_with("jbos"))
        .unwrap()
        + 1;
    let error = plan_in(&text, &Fake::default()).unwrap_err();
    assert_eq!((error.problems[0].line, error.problems[0].column), (at, 1));
}

#[test]
fn all_faults_are_said_at_once() {
    let text = ACME
        .replacen("tasks = 512", "task = 512", 1)
        .replacen("history", "histroy", 1);
    let error = plan_in(&text, &Fake::default()).unwrap_err();
    assert_eq!(error.problems.len(), 2, "{error}");
}

#[test]
fn a_filter_that_meets_nothing_is_refused() {
    // Both values are on their axes, but another filter took the cells away.
    let text = format!(
        "{ACME}[[exclude]]\nwhen = {{ suite = \"trixie\", arch = \"i386\" }}\n\
         [[exclude]]\nwhen = {{ platform = \"nowhere\" }}\n"
    );
    let said = plan_in(&text, &Fake::default()).unwrap_err().to_string();
    assert!(said.contains("this `exclude` meets no cell"), "{said}");
    assert!(said.contains("this `expect-fail` meets no cell"), "{said}");
    assert!(said.lines().all(|line| line.contains("(hint: ")), "{said}");
}

#[test]
fn what_is_over_what_meets_nothing_and_what_is_unknown_comes_with_a_hint() {
    for (old, new) in [
        ("\"2027-06-30\"", "\"2026-11-20\""),
        (
            "\"trixie\", arch = \"i386\", sc",
            "\"trxie\", arch = \"i386\", sc",
        ),
        ("[\"bookworm-amd64/*/fresh\"]", "[\"nowhere/*/fresh\"]"),
        ("jobs = \"auto\"", "jbos = 1"),
        ("jobs = \"auto\"", "zzz = 1"),
    ] {
        assert!(ACME.contains(old), "the example has no `{old}`");
        let text = ACME.replacen(old, new, 1);
        let said = plan_in(&text, &Fake::default()).unwrap_err().to_string();
        for line in said.lines() {
            assert!(line.contains("(hint: "), "`{new}`: {said}");
        }
    }
}

#[test]
fn scripts_must_be_there_and_releases_may_be_missing() {
    let world = Fake {
        missing: ["matrix/smoke.sh".to_owned()].into(),
        ..Fake::default()
    };
    let said = plan_in(ACME, &world).unwrap_err().to_string();
    assert!(
        said.contains("there is no file `matrix/smoke.sh`"),
        "{said}"
    );
    let world = Fake {
        missing: ["releases/4.1/trixie/i386".to_owned()].into(),
        ..Fake::default()
    };
    assert!(plan_in(ACME, &world).is_ok());
}

#[test]
fn an_included_cell_that_is_there_already_is_refused() {
    let text =
        ACME.replacen("enabled = false\n", "", 1)
            .replacen("id-suffix = \"+y2038\"\n", "", 1);
    let said = plan_in(&text, &Fake::default()).unwrap_err().to_string();
    assert!(
        said.contains("the included cell is there already"),
        "{said}"
    );
}

#[test]
fn a_product_of_axes_cannot_fill_the_memory() {
    let values: Vec<String> = (0..100).map(|n| format!("\"v{n}\"")).collect();
    let mut axes = "[axes]\n".to_owned();
    for axis in 0..20 {
        axes += &format!("a{axis} = [{}]\n", values.join(", "));
    }
    let text = ACME.replacen("[axes]\n", &axes, 1);
    let said = plan_in(&text, &Fake::default()).unwrap_err().to_string();
    assert!(said.contains("more than any plan may have"), "{said}");
}
