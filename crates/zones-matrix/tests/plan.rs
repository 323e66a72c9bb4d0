//! The worked example as a plan: ids, counts, keys, order, selection, shares.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use std::collections::BTreeSet;

use support::{ACME, Fake, acme, circumstances, plan_in};
use zones_matrix::{Clock, Matrix, Plan, Shard, explain, plan};

fn ids(plan: &Plan) -> Vec<&str> {
    plan.cells.iter().map(|cell| cell.id.as_str()).collect()
}

#[test]
fn the_example_has_192_cells_with_unique_sorted_ids() {
    let plan = acme();
    assert_eq!(plan.cells.len(), 192);
    assert_eq!(plan.platforms.len(), 12);
    let all = ids(&plan);
    assert!(all.is_sorted_by(|a, b| a < b));
    assert_eq!(all[0], "bookworm-amd64/client/fresh");
    assert_eq!(all[191], "trixie-i386/server/upgrade-major");
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"._-+/".contains(&b);
    assert!(all.iter().all(|id| id.bytes().all(safe)));
    assert_eq!(plan.to_json(), acme().to_json());
}

#[test]
fn equal_beginnings_run_once() {
    let plan = acme();
    assert_eq!(plan.steps(), 672);
    assert_eq!(plan.prefixes.executions(), 576);
    // `fresh` ends where `uninstall` goes on, on each platform with each option.
    assert_eq!(plan.prefixes.forks().count(), 48);
    let apart = ACME.replace("share-prefix = true", "share-prefix = false");
    let apart = plan_in(&apart, &Fake::default()).unwrap();
    assert_eq!(apart.prefixes.executions(), 672);
}

#[test]
fn cells_know_their_settings_and_steps() {
    let plan = acme();
    let cell = plan.cell("trixie-armhf/full/upgrade").unwrap();
    assert_eq!(cell.settings.memory.0, 768 << 20);
    assert_eq!(cell.settings.timeout.as_secs(), 1800);
    assert_eq!(cell.settings.retries.count, 1);
    assert_eq!(cell.settings.clock, Clock::Isolated);
    assert_eq!(cell.services, ["acmed", "acme-agent"]);
    assert!(cell.tags.contains("emulated"));
    let steps: Vec<&str> = cell.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        steps,
        ["install:prev", "edit-config", "upgrade:new", "smoke"]
    );
    assert_eq!(
        cell.steps[0].run,
        "matrix/install.sh /run/matrix/artifacts/prev"
    );
    assert_eq!(cell.steps[3].slow_after.as_secs(), 30);
    let checks: Vec<String> = cell.checks.iter().map(ToString::to_string).collect();
    assert_eq!(checks[2], "no-orphans-from:prev");
    let plain = plan.cell("trixie-amd64/full/upgrade").unwrap();
    assert_eq!(plain.settings.memory.0, 512 << 20);
    let expected = plan.cell("trixie-i386/relocated/upgrade-major").unwrap();
    assert_eq!(
        expected.expect_fail.as_ref().unwrap().reason,
        "3.9 never shipped for trixie/i386"
    );
    let count = plan
        .cells
        .iter()
        .filter(|cell| cell.expect_fail.is_some())
        .count();
    assert_eq!(count, 4);
}

#[test]
fn artifacts_are_one_for_each_platform() {
    let plan = acme();
    assert_eq!(plan.artifacts.len(), 3 * 12);
    let world = Fake {
        missing: BTreeSet::from(["releases/3.9/trixie/i386".to_owned()]),
        ..Fake::default()
    };
    let plan = plan_in(ACME, &world).unwrap();
    let blocked = plan.cells.iter().filter(|cell| !cell.missing.is_empty());
    let blocked: Vec<&str> = blocked.map(|cell| cell.id.as_str()).collect();
    assert_eq!(blocked.len(), 4);
    assert!(
        blocked
            .iter()
            .all(|id| id.starts_with("trixie-i386/") && id.ends_with("-major"))
    );
}

#[test]
fn conditions_and_switches_change_the_count() {
    let world = Fake {
        set: BTreeSet::from(["ACME_LTS".to_owned()]),
        ..Fake::default()
    };
    let plan = plan_in(ACME, &world).unwrap();
    assert_eq!(plan.cells.len(), 188);
    let more = ACME.replace("enabled = false", "enabled = true");
    let plan = plan_in(&more, &Fake::default()).unwrap();
    assert_eq!(plan.cells.len(), 193);
    let cell = plan.cell("trixie-amd64/full/fresh+y2038").unwrap();
    assert!(matches!(&cell.settings.clock, Clock::Fake(time) if time.as_second() == 2_147_483_630));
    // Another clock is another beginning.
    assert_eq!(plan.prefixes.executions(), 578);
}

#[test]
fn one_byte_of_the_kickstart_changes_all_images_and_is_named() {
    let before = acme();
    let mut world = Fake::default();
    world
        .content
        .insert("matrix/kickstart.sh".to_owned(), "x".to_owned());
    let after = plan_in(ACME, &world).unwrap();
    for (before, after) in before.platforms.iter().zip(&after.platforms) {
        assert_ne!(before.image.key, after.image.key);
        assert_ne!(before.image.weak, after.image.weak);
        let found = explain(&before.image.inputs, &after.image.inputs);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/kickstart"]);
    }
    // A kickstart for each release: only that release's images change.
    let text = ACME.replace("matrix/kickstart.sh", "matrix/kickstart-{suite}.sh");
    let mut world = Fake::default();
    let before = plan_in(&text, &world).unwrap();
    world
        .content
        .insert("matrix/kickstart-trixie.sh".to_owned(), "x".to_owned());
    let after = plan_in(&text, &world).unwrap();
    let changed = before.platforms.iter().zip(&after.platforms);
    let changed = changed.filter(|(before, after)| before.image.key != after.image.key);
    let changed: Vec<&str> = changed.map(|(platform, _)| platform.id.as_str()).collect();
    assert_eq!(
        changed,
        [
            "trixie-amd64",
            "trixie-i386",
            "trixie-arm64",
            "trixie-armhf"
        ]
    );
}

#[test]
fn a_new_version_changes_the_key_and_not_the_weak_one() {
    let (before, after) = (
        acme(),
        plan_in(
            ACME,
            &Fake {
                version: 2,
                ..Fake::default()
            },
        )
        .unwrap(),
    );
    let (before, after) = (&before.platforms[0].image, &after.platforms[0].image);
    assert_ne!(before.key, after.key);
    assert_eq!(before.weak, after.weak);
    assert_eq!(
        explain(&before.inputs, &after.inputs)[0].path,
        "/resolved/libc6"
    );
}

#[test]
fn a_changed_script_changes_the_cells_that_run_it() {
    let before = acme();
    let mut world = Fake::default();
    world
        .content
        .insert("matrix/purge.sh".to_owned(), "x".to_owned());
    let after = plan_in(ACME, &world).unwrap();
    assert_ne!(before.key(), after.key());
    for (before, after) in before.cells.iter().zip(&after.cells) {
        assert_eq!(
            before.key != after.key,
            before.scenario == "uninstall",
            "{}",
            before.id
        );
    }
}

#[test]
fn touchstones_start_first_and_orders_are_stable() {
    let plan = acme();
    let first: Vec<&str> = plan.order[..4]
        .iter()
        .map(|&at| plan.cells[at].id.as_str())
        .collect();
    assert!(
        first
            .iter()
            .all(|id| id.starts_with("bookworm-amd64/") && id.ends_with("/fresh"))
    );
    assert_eq!(plan.cells.iter().filter(|cell| cell.touchstone).count(), 4);
    // Without history what has the longest limit goes first: here what is emulated.
    let next = &plan.cells[plan.order[4]];
    assert!(next.tags.contains("emulated"), "{}", next.id);

    let mut known = circumstances();
    for cell in &plan.cells {
        known.history.micros.insert(cell.id.clone(), 1000);
    }
    known
        .history
        .micros
        .insert("trixie-i386/full/upgrade".to_owned(), 9000);
    let matrix = Matrix::parse(ACME).unwrap();
    let slow = plan_of(&matrix, &known);
    assert_eq!(slow.cells[slow.order[4]].id, "trixie-i386/full/upgrade");

    let seeded = ACME.replace("\"slowest-first\"", "\"seeded\"");
    let matrix = Matrix::parse(&seeded).unwrap();
    let (one, same) = (plan_of(&matrix, &known), plan_of(&matrix, &known));
    known.seed = 8;
    let other = plan_of(&matrix, &known);
    assert_eq!(one.order, same.order);
    assert_ne!(one.order, other.order);

    let declared = ACME.replace("\"slowest-first\"", "\"declared\"");
    let matrix = Matrix::parse(&declared).unwrap();
    let plan = plan_of(&matrix, &known);
    assert_eq!(plan.cells[plan.order[4]].id, "bullseye-amd64/client/fresh");
    assert_eq!(
        plan.cells[plan.order[5]].id,
        "bullseye-amd64/client/upgrade"
    );
}

fn plan_of(matrix: &Matrix, circumstances: &zones_matrix::Circumstances) -> Plan {
    plan(matrix, &Fake::default(), circumstances).unwrap()
}

#[test]
fn selections_are_globs_over_ids_and_words() {
    let plan = acme();
    let cases: [(&[&str], usize); 13] = [
        (&[], 192),
        (&["trixie-*/full/*"], 16),
        (&["*/*/uninstall"], 48),
        (&["trixie-*"], 64),
        (&["*/full"], 48),
        (&["full"], 48),
        (&["+emulated"], 96),
        (&["-armhf"], 144),
        (&["+emulated", "-armhf"], 48),
        (&["trixie-*/full/*", "*/*/uninstall"], 60),
        (&["*/*/uninstall", "+emulated"], 24),
        (&["bookworm-amd64/full/upgrade"], 1),
        (&["-trixie-*/full/*"], 176),
    ];
    for (patterns, count) in cases {
        assert_eq!(
            plan.select(patterns, None).unwrap().len(),
            count,
            "{patterns:?}"
        );
    }
    let error = plan.select(&["trixie-amd46/full/*"], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`trixie-amd46/full/*` meets no cell; did you mean `trixie-amd64`?"
    );
    assert!(plan.select(&["+emulated", "-emulated"], None).is_err());
}

#[test]
fn shares_cover_the_plan() {
    let plan = acme();
    let shards: Vec<Shard> = (1..=3).map(|k| format!("{k}/3").parse().unwrap()).collect();
    let parts = shards
        .iter()
        .map(|shard| plan.select(&[], Some(*shard)).unwrap());
    let parts: Vec<Vec<usize>> = parts.collect();
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 192);
    assert!(
        parts.iter().all(|part| part.len() > 40),
        "{:?}",
        parts.iter().map(Vec::len)
    );
}

#[test]
fn ten_thousand_cells_need_consent() {
    let text = wide();
    let error = plan_in(&text, &Fake::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("10000 cells are more than `run.max-cells`"),
        "{error}"
    );
    let mut yes = circumstances();
    yes.many = zones_matrix::Many::Wanted;
    let matrix = Matrix::parse(&text).unwrap();
    let begin = std::time::Instant::now();
    let plan = plan_of(&matrix, &yes);
    assert_eq!(plan.cells.len(), 10_000);
    println!("10,000 cells in {:?}", begin.elapsed());
}

/// 50 platforms, 50 options, 4 scenarios.
fn wide() -> String {
    let list = |prefix: &str, count: u32| {
        let names: Vec<String> = (0..count).map(|n| format!("\"{prefix}{n}\"")).collect();
        names.join(", ")
    };
    let mut text = format!(
        "schema = 1\nname = \"wide\"\n[axes]\nsuite = [{}]\narch = [{}]\n[platform]\n\
         id = \"{{suite}}-{{arch}}\"\nbrand = \"debian\"\n\
         image.bootstrap = {{ suite = \"{{suite}}\", arch = \"{{arch}}\" }}\n\
         [artifact]\nnew = {{ path = \"new/{{suite}}\" }}\n\
         [step]\ninstall = \"run/install {{artifact}}\"\nsmoke = \"run/smoke\"\n",
        list("s", 10),
        list("a", 5)
    );
    for option in 0..50 {
        text += &format!("[option.o{option}]\nenv = {{ PART = \"{option}\" }}\n");
    }
    for scenario in 0..4 {
        text += &format!("[scenario.c{scenario}]\nsteps = [\"install:new\", \"smoke\"]\n");
    }
    text
}

#[test]
fn platforms_outside_the_product_join() {
    let extra = "[[platform.extra]]\nid = \"rhel5-i386\"\nbrand = \"linux-old\"\n\
                 axes = { suite = \"rhel5\", arch = \"i386\" }\n\
                 image.import = { tarball = \"rhel5.tar.xz\" }\n\n[option]";
    let text = ACME.replacen("[option]", extra, 1);
    let plan = plan_in(&text, &Fake::default()).unwrap();
    assert_eq!(plan.cells.len(), 208);
    let cell = plan.cell("rhel5-i386/full/upgrade").unwrap();
    assert_eq!(plan.platform(cell).brand, "linux-old");
    let origin = &plan.platform(cell).image.inputs["origin"];
    assert_eq!(origin["tarball"], "rhel5.tar.xz");
    assert_eq!(plan.select(&["rhel5"], None).unwrap().len(), 16);
}

#[test]
fn the_json_form_says_what_it_is() {
    let plan = acme().to_json();
    assert_eq!(plan["schema"], 1);
    assert_eq!(plan["kind"], "zones-matrix-plan");
    assert_eq!(plan["counts"]["executions"], 576);
    assert_eq!(plan["cells"].as_array().unwrap().len(), 192);
    let cell = &plan["cells"][0];
    assert_eq!(cell["settings"]["timeout-ms"], 600_000);
    assert_eq!(cell["settings"]["retries"]["backoff"], "exponential");
    assert_eq!(cell["steps"][0]["name"], "install:new");
    assert_eq!(cell["key"].as_str().unwrap().len(), 64);
    assert_eq!(cell["touchstone"], true);
}
