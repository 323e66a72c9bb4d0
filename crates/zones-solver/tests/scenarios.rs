//! Scenarios as text: what publishers offer, what is installed, what is asked, what comes out.
//!
//! A file has publishers at its head, then cases. A case has lines of the image, the request after
//! `$`, then what is expected: changes, or `exit N` and the message. `BLESS=1` writes down
//! what comes out, to be read before it is committed.

#[allow(unreachable_pub, dead_code, reason = "each suite uses its part")]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use support::World;
use zones_solver::{Failure, Plan, solve};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = std::fs::read_dir(&folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    files.sort();
    files
}

fn said(outcome: Result<Plan, Failure>) -> String {
    match outcome {
        Ok(plan) if plan.is_empty() => "nothing to do\n".to_owned(),
        Ok(plan) => {
            let mut text = String::new();
            for change in &plan.changes {
                let publisher = change.to.as_ref().and_then(|it| it.publisher());
                let publisher = publisher.filter(|it| it.as_str() != "test");
                let of = publisher.map_or_else(String::new, |it| format!(" ({it})"));
                writeln!(text, "{change}{of}").expect("text");
            }
            for stem in &plan.avoid {
                writeln!(text, "avoid {stem}").expect("text");
            }
            for stem in &plan.unavoid {
                writeln!(text, "unavoid {stem}").expect("text");
            }
            text
        }
        Err(failure) => {
            let mut text = format!("exit {}\n", failure.exit as i32);
            for line in failure.to_string().lines() {
                let line = format!("| {}", line.replace('\t', "<TAB>"));
                writeln!(text, "{}", line.trim_end()).expect("text");
            }
            text
        }
    }
}

/// The text of a file with the outcomes as they are, and the number of cases.
fn replay(text: &str) -> (String, usize) {
    let head = text.find("case ").expect("a case");
    let offers: String = text[..head]
        .lines()
        .filter(|it| !it.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    let world = World::read(&offers);
    let mut out = text[..head].to_owned();
    let mut count = 0;
    for case in text[head..].split("case ").skip(1) {
        let mut image = world.image();
        let mut lines = case.lines();
        writeln!(out, "case {}", lines.next().expect("a name")).expect("text");
        for line in lines {
            out += line;
            out.push('\n');
            if let Some(line) = line.strip_prefix("$ ") {
                out += &said(solve(&world.offers, &image, &support::request(line)));
                out.push('\n');
                count += 1;
                break;
            }
            world.add(&mut image, line);
        }
    }
    (out.trim_end().to_owned() + "\n", count)
}

#[test]
fn scenarios_come_out_as_written() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut count = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("a scenario");
        let (now, cases) = replay(&text);
        count += cases;
        if bless {
            std::fs::write(&file, &now).expect("write the scenario");
        } else {
            let name = file.file_name().unwrap_or_default();
            assert!(now == text, "{} comes out as:\n{now}", name.display());
        }
    }
    assert!(count >= 60, "only {count} scenarios were found");
}
