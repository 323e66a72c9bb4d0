//! Runs held against lists of findings that are known.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use support::acme;
use support::sample::Author;
use zones_matrix::journal::read;
use zones_matrix::{Ending, Expectations, Outcome, Plan, Run, known};

/// A run of the first cells of the example, with these outcomes; its ids.
fn run(outcomes: &[Outcome]) -> (Run, Vec<String>) {
    let plan: Plan = acme();
    let places: Vec<usize> = (0..outcomes.len()).collect();
    let mut author = Author::new("a", &plan, &places, None);
    for (at, outcome) in outcomes.iter().enumerate() {
        author.cell(&plan, at, &[*outcome]);
    }
    let written = author.end(Ending::Complete);
    let run = Run::from_journal(&read(&written.bytes).unwrap()).unwrap();
    let ids = places.iter().map(|at| plan.cells[*at].id.clone());
    (run, ids.collect())
}

fn departures(list: &str, run: &Run) -> Vec<String> {
    let all = Expectations::parse(list).unwrap().compare(run);
    all.departures.iter().map(ToString::to_string).collect()
}

#[test]
fn a_list_that_a_run_wrote_is_what_the_run_has() {
    use Outcome as O;
    let (run, ids) = run(&[O::Pass, O::Leftover, O::Fail, O::Pass]);
    let list = known(&run);
    let all = Expectations::parse(&list).unwrap().compare(&run);
    assert!(all.is_exact(), "{list}\n{all:?}");
    assert_eq!(all.judged, 4);
    assert!(all.met >= 3, "{all:?}");
    assert!(list.contains(&format!("'{}'", ids[1])), "{list}");
    // Without the list, all of it is new; names of files are not eaten by patterns.
    let none = departures("schema = 1\n", &run);
    assert_eq!(none.len(), all.met, "{none:?}");
    assert!(none.iter().all(|line| line.starts_with("unexpected  ")));
    let user = format!("unexpected  {}  ", ids[1]);
    let is_user = |line: &&String| line.starts_with(&user) && line.ends_with("uid 998");
    assert_eq!(none.iter().filter(is_user).count(), 1, "{none:?}");
}

#[test]
fn what_is_expected_and_not_there_is_told_with_its_line() {
    let (passed, ids) = run(&[Outcome::Pass, Outcome::Pass]);
    let check = passed.cells[0].info.checks[0].clone();
    let cell = &ids[0];
    let list = format!(
        "schema = 1\n\n[[finding]]\ncells = '{cell}'\ncheck = '{check}'\nfinds = 'added user *'\n"
    );
    assert_eq!(
        departures(&list, &passed),
        [format!(
            "missing     {cell}  {check}  added user *  (line 3)"
        )]
    );
    // Of cells that the run does not have nothing is asked; a check that no cell has is a mistake.
    let list = "schema = 1\n[[finding]]\ncells = 'potato-*/*/*'\ncheck = 'x'\nfinds = 'y'\n\
                [[finding]]\ncells = '**'\ncheck = 'no-usres'\nfinds = 'y'\n";
    let all = Expectations::parse(list).unwrap().compare(&passed);
    assert_eq!(all.elsewhere, [2]);
    let said: Vec<String> = all.departures.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["idle        line 6: no cell of it has `no-usres`"]);
}

#[test]
fn a_step_that_fails_can_be_known() {
    let (failed, ids) = run(&[Outcome::Fail]);
    let step = failed.cells[0].info.steps.last().unwrap().name.clone();
    let list = format!(
        "schema = 1\n[[finding]]\ncells = ['{}']\nstep = '{step}'\n",
        ids[0]
    );
    assert_eq!(departures(&list, &failed), [""; 0]);
    let other = format!("{list}finds = 'exit status 7'\n");
    assert_eq!(departures(&other, &failed).len(), 2);
}

#[test]
fn a_cell_that_says_nothing_is_not_as_expected() {
    use Outcome as O;
    let (run, ids) = run(&[O::Blocked, O::Cancelled, O::Skip]);
    let said = departures("schema = 1\n", &run);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with(&format!("unknown     {}  blocked", ids[0])),
        "{said:?}"
    );
}

#[test]
fn faults_of_a_list_are_told_with_their_place() {
    for (text, wanted) in [
        ("", "`schema` is missing"),
        (
            "schema = 1\n[[findings]]\n",
            "unknown key `findings` (hint: did you mean `finding`?)",
        ),
        (
            "schema = 1\n[[finding]]\ncheck = 'a'\nfinds = 'b'\n",
            "line 2, column 1: `finding.cells` is missing",
        ),
        (
            "schema = 1\n[[finding]]\ncells = 'a'\nfinds = 'b'\n",
            "nobody is said to find it (hint: write",
        ),
        (
            "schema = 1\n[[finding]]\ncells = 'a'\ncheck = 'b'\n",
            "`finding.finds` is missing",
        ),
        (
            "schema = 1\n[[finding]]\ncells = 'a'\ncheck = 'b'\nstep = 'c'\nfinds = 'd'\n",
            "that of a check or of a step",
        ),
    ] {
        let said = Expectations::parse(text).unwrap_err().to_string();
        assert!(said.contains(wanted), "{text}: {said}");
    }
}
