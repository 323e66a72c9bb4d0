//! Reports of one run: they agree, other programs read them, and nothing in a run breaks out.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use std::collections::BTreeMap;

use quick_xml::events::Event;
use support::sample::{history, sample, sample_of};
use zones_matrix::journal::read;
use zones_matrix::report::{
    Change, Page, annotation, compare, html, json, junit, markdown, tap, totals,
};
use zones_matrix::{Run, Verdict};

fn run() -> Run {
    Run::from_journal(&read(&sample().bytes).unwrap()).unwrap()
}

#[test]
fn totals_are_those_of_the_verdicts() {
    let run = run();
    assert_eq!(
        totals(&run),
        "11 pass, 1 fail, 1 leftover, 1 flaky, 1 skip, 1 timeout"
    );
    assert_eq!(run.exit_status(), 1);
    assert_eq!(run.retries(), 2);
    assert_eq!(run.count(Verdict::Pass), 11);
}

#[test]
fn the_json_form_has_every_cell() {
    let value = json(&run());
    assert_eq!(value["schema"], 1);
    assert_eq!(value["exit-status"], 1);
    assert_eq!(value["counts"]["pass"], 11);
    assert_eq!(value["counts"]["not-run"], 0);
    let cells = value["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 16);
    let failed = cells.iter().find(|cell| cell["verdict"] == "fail").unwrap();
    assert!(failed["error"].as_str().unwrap().starts_with("dpkg: error"));
    let left = cells
        .iter()
        .find(|cell| cell["verdict"] == "leftover")
        .unwrap();
    let checks = left["attempts"][0]["checks"].as_array().unwrap();
    assert_eq!(checks[0]["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn junit_reads_back_with_one_case_for_a_cell_and_one_for_a_failed_check() {
    let text = junit(&run()).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    // 16 cells, one check that failed.
    assert_eq!(report.tests, 17);
    // fail, leftover and its check, flaky, timeout
    assert_eq!((report.failures, report.errors), (5, 0));
    let suites: Vec<&str> = report
        .test_suites
        .iter()
        .map(|suite| suite.name.as_str())
        .collect();
    assert_eq!(suites, ["bookworm-amd64"]);
    assert_eq!(text.matches("<flakyFailure").count(), 1);
    assert!(!text.contains('\u{7}'), "a control character is no XML");
    assert!(text.contains("name=\"check.equals-fresh\""));
}

/// Elements of the common schema of JUnit reports, with the attributes that each must have and may
/// have, and the elements that may stand in it. Source: junit-10.xsd of the xUnit plugin of
/// Jenkins; properties of a case as in that of Maven Surefire. What was skipped is counted at the
/// root, too, as most writers do.
static SCHEMA: [Row; 15] = [
    (
        "testsuites",
        &[],
        &[
            "name",
            "time",
            "tests",
            "failures",
            "errors",
            "disabled",
            "skipped",
            "timestamp",
            "uuid",
        ],
        &["testsuite"],
    ),
    (
        "testsuite",
        &["name", "tests"],
        &[
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "disabled",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
            "version",
        ],
        &[
            "testsuite",
            "properties",
            "testcase",
            "system-out",
            "system-err",
        ],
    ),
    ("properties", &[], &[], &["property"]),
    ("property", &["name", "value"], &[], &[]),
    (
        "testcase",
        &["name"],
        &[
            "classname",
            "time",
            "group",
            "assertions",
            "status",
            "timestamp",
        ],
        &[
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
            "properties",
        ],
    ),
    ("skipped", &[], &["message", "type"], &[]),
    ("error", &[], &["message", "type"], &[]),
    ("failure", &[], &["message", "type"], &[]),
    (
        "rerunFailure",
        &[],
        RERUN,
        &["stackTrace", "system-out", "system-err"],
    ),
    (
        "rerunError",
        &[],
        RERUN,
        &["stackTrace", "system-out", "system-err"],
    ),
    (
        "flakyFailure",
        &[],
        RERUN,
        &["stackTrace", "system-out", "system-err"],
    ),
    (
        "flakyError",
        &[],
        RERUN,
        &["stackTrace", "system-out", "system-err"],
    ),
    ("stackTrace", &[], &[], &[]),
    ("system-out", &[], &[], &[]),
    ("system-err", &[], &[], &[]),
];
/// Name, attributes that must be there and that may be, elements in it.
type Row = (&'static str, Words, Words, Words);
type Words = &'static [&'static str];
const RERUN: Words = &["message", "type", "time", "timestamp"];

/// Asserts that a document is as the schema says; how many elements of each name it has.
fn validate(text: &str) -> BTreeMap<String, usize> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut counts = BTreeMap::new();
    loop {
        let event = reader.read_event().unwrap();
        let (start, is_empty) = match event {
            Event::Eof => break,
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            _ => continue,
        };
        let name = start.name().as_ref().to_owned();
        let row = SCHEMA.iter().find(|row| row.0 == name);
        let (_, must, may, _) = row.unwrap_or_else(|| panic!("no element is called {name}"));
        let inside = open
            .last()
            .and_then(|outer| SCHEMA.iter().find(|row| row.0 == outer));
        match inside {
            Some(outer) => assert!(outer.3.contains(&name.as_str()), "{name} in {}", outer.0),
            None => assert_eq!(name, "testsuites"),
        }
        let mut given = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.unwrap();
            let key = attribute.key.as_ref().to_owned();
            let value = attribute.value.into_owned();
            let key = key.as_str();
            let is_known = must.contains(&key) || may.contains(&key);
            assert!(is_known, "{name} has an attribute {key}");
            match key {
                "time" => assert!(value.parse::<f64>().is_ok(), "{value}"),
                "tests" | "failures" | "errors" | "skipped" | "disabled" => {
                    assert!(value.parse::<u32>().is_ok(), "{value}");
                }
                _ => {}
            }
            given.push(key.to_owned());
        }
        for key in *must {
            assert!(
                given.iter().any(|known| known == key),
                "{name} has no {key}"
            );
        }
        *counts.entry(name.clone()).or_insert(0) += 1;
        if !is_empty {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    counts
}

#[test]
fn junit_is_valid_by_the_common_schema() {
    let counts = validate(&junit(&run()).unwrap());
    assert_eq!((counts["testsuites"], counts["testsuite"]), (1, 1));
    assert_eq!(counts["testcase"], 17);
    // What was tried again, and failed again or not.
    let again = ["rerunFailure", "rerunError", "flakyFailure", "flakyError"];
    let again = again.iter().filter_map(|name| counts.get(*name));
    assert_eq!(again.sum::<usize>(), 2, "{counts:?}");
    let large = Run::from_journal(&read(&sample_of(192).bytes).unwrap()).unwrap();
    assert_eq!(validate(&junit(&large).unwrap())["testsuite"], 12);
}

#[test]
#[should_panic(expected = "no element is called colour")]
fn the_schema_refuses_what_it_does_not_know() {
    validate("<testsuites><testsuite name=\"a\" tests=\"0\"><colour/></testsuite></testsuites>");
}

/// A small reader of TAP 14, written from the specification and not from the writer.
fn tap_points(text: &str) -> Vec<(bool, String, String)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan = text.lines().find(|line| line.starts_with("1..")).unwrap();
    let planned: usize = plan[3..].parse().unwrap();
    let (mut points, mut inside, mut yaml) = (Vec::new(), 0, false);
    for line in lines {
        if yaml {
            yaml = line != "  ...";
            continue;
        }
        if let Some(sub) = line.strip_prefix("    ") {
            if let Some(count) = sub.strip_prefix("1..") {
                inside = count.parse().unwrap();
            } else {
                assert!(
                    sub.starts_with("ok ") || sub.starts_with("not ok "),
                    "{sub}"
                );
                inside -= 1;
            }
            continue;
        }
        let (ok, rest) = match (line.strip_prefix("not ok "), line.strip_prefix("ok ")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => {
                yaml = line == "  ---";
                assert!(yaml || line.starts_with('#') || line == plan, "{line}");
                continue;
            }
        };
        assert_eq!(inside, 0, "a subtest is shorter than its plan");
        let (number, rest) = rest.split_once(" - ").unwrap();
        assert_eq!(number.parse(), Ok(points.len() + 1));
        let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        points.push((ok, name.to_owned(), directive.to_owned()));
    }
    assert_eq!(points.len(), planned);
    points
}

#[test]
fn tap_has_a_point_for_each_cell() {
    let points = tap_points(&tap(&run()));
    assert_eq!(points.len(), 16);
    assert_eq!(points.iter().filter(|(ok, ..)| !ok).count(), 4);
    let skipped = points
        .iter()
        .filter(|(.., directive)| directive.starts_with("SKIP"))
        .count();
    assert_eq!(skipped, 1);
}

#[test]
fn tap_marks_what_never_ran_and_what_may_fail() {
    let mut run = run();
    run.cells[0].verdict = None;
    run.cells[1].verdict = Some(Verdict::Xfail);
    run.cells[1].info.expect_fail = Some("known # 7".to_owned());
    let points = tap_points(&tap(&run));
    assert_eq!(points[0].2, "SKIP not run");
    assert_eq!(
        (points[1].0, points[1].2.as_str()),
        (false, "TODO known \\# 7")
    );
}

#[test]
fn the_summary_is_a_table_that_nothing_breaks_out_of() {
    let text = markdown(&run());
    assert!(
        text.starts_with("### acme failed: 11 pass, 1 fail"),
        "{text}"
    );
    assert!(
        text.contains("| bookworm-amd64 | **3/4** | **2/4** | **3/4** | 4/4 |"),
        "{text}"
    );
    assert!(text.contains("&lt;b&gt;&amp;amp;"), "{text}");
    assert!(!text.contains("<b>"));
    assert_eq!(
        annotation(&run()),
        "::error title=acme::11 pass, 1 fail, 1 leftover, 1 flaky, 1 skip, 1 timeout"
    );
}

#[test]
fn two_runs_are_compared_cell_by_cell() {
    let [first, second] = history();
    let all = Run::merge(vec![first.clone(), second]).unwrap();
    let changes = compare(&first, &all);
    let count = |change| changes.of(change).count();
    assert_eq!(count(Change::Fixed), 3);
    assert_eq!(count(Change::StillBroken), 1);
    assert_eq!(count(Change::Broken), 0);
    let back = compare(&all, &first);
    assert_eq!(back.of(Change::Broken).count(), 3);
    let mut fewer = first.clone();
    let gone = fewer.cells.remove(0).info.id;
    assert_eq!(
        compare(&first, &fewer).of(Change::Gone).collect::<Vec<_>>(),
        [gone.as_str()]
    );
    assert_eq!(
        compare(&fewer, &first).of(Change::New).collect::<Vec<_>>(),
        [gone.as_str()]
    );
}

#[test]
fn a_page_of_192_cells_is_small_and_holds_its_data_unharmed() {
    let run = Run::from_journal(&read(&sample_of(192).bytes).unwrap()).unwrap();
    let before = [run.clone()];
    let page = html(&Page {
        run: &run,
        before: &before,
    });
    println!("{} bytes", page.len());
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let begin = page.find("id=\"data\">").unwrap() + 10;
    let end = begin + page[begin..].find("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(&page[begin..end]).unwrap();
    assert_eq!(data["cells"].as_array().unwrap().len(), 192);
    assert_eq!(
        data["options"],
        serde_json::json!(["client", "server", "full", "relocated"])
    );
    let order = serde_json::json!(["fresh", "upgrade", "upgrade-major", "uninstall"]);
    assert_eq!(data["scenarios"], order);
    // What a product prints and names cannot become markup.
    assert!(!page.contains("<script>alert"));
    assert!(data.to_string().contains("<script>alert(1)</script>"));
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
