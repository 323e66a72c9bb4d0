//! Runs as a runner would have written them.

#![allow(clippy::unwrap_used)] // what fails here fails the test that asked

use std::io;
use std::time::Duration;

use serde_json::json;
use zones_matrix::journal::{
    CheckResult, Excerpt, Head, JOURNAL_SCHEMA, Moment, Record, Sink, Status, Writer, read,
};
use zones_matrix::leftovers::{Class, Finding, Subject, Weight};
use zones_matrix::{Ending, Outcome, Plan, Run, State, Verdict, judge};

use super::acme;

/// A journal in memory, with the number of times it was brought to disk.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) syncs: usize,
}

impl Sink for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        Ok(())
    }
}

/// A journal, and the records in it.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
}

/// Writes runs of the example; time goes on by itself.
pub(crate) struct Author {
    writer: Writer<Memory>,
    records: Vec<Record>,
    now: Duration,
}

impl Author {
    pub(crate) fn new(run: &str, plan: &Plan, places: &[usize], parent: Option<&str>) -> Self {
        let mut author = Self {
            writer: Writer::new(Memory::default()),
            records: Vec::new(),
            now: Duration::ZERO,
        };
        author.add(Record::Run(Head {
            schema: JOURNAL_SCHEMA,
            run: run.to_owned(),
            name: plan.name.clone(),
            started: "2026-11-21T20:00:00Z".to_owned(),
            parent: parent.map(str::to_owned),
            shard: None,
            plan: plan.key().to_string(),
            seed: plan.seed,
            host: json!({ "kernel": "6.18" }),
        }));
        for record in plan.announce(places) {
            author.add(record);
        }
        author
    }

    pub(crate) fn add(&mut self, record: Record) {
        self.now += Duration::from_millis(7);
        self.records.push(record.clone());
        self.writer.add(self.now, record).unwrap();
    }

    /// One cell from its clone to its verdict, with the outcomes of its attempts.
    pub(crate) fn cell(&mut self, plan: &Plan, at: usize, outcomes: &[Outcome]) {
        let cell = &plan.cells[at];
        for (attempt, outcome) in (1..).zip(outcomes) {
            self.attempt(plan, at, attempt, *outcome);
        }
        let verdict = judge(outcomes, cell.expect_fail.is_some()).unwrap();
        let reason = if verdict == Verdict::Pass {
            ""
        } else {
            "see the last attempt"
        };
        let (id, reason) = (cell.id.clone(), reason.to_owned());
        self.add(Record::Verdict {
            cell: id,
            verdict,
            reason,
        });
    }

    fn state(&mut self, cell: &str, attempt: u32, state: State) {
        for moment in [Moment::Intent, Moment::Done] {
            let cell = cell.to_owned();
            self.add(Record::State {
                cell,
                attempt,
                moment,
                state,
            });
        }
    }

    fn attempt(&mut self, plan: &Plan, at: usize, attempt: u32, outcome: Outcome) {
        let cell = &plan.cells[at];
        let id = cell.id.clone();
        self.state(&id, attempt, State::Cloning);
        self.state(&id, attempt, State::Booting);
        for (step, (planned, number)) in cell.steps.iter().zip(0u16..).enumerate() {
            self.state(&id, attempt, State::Step(number));
            let fails = outcome == Outcome::Fail && step + 1 == cell.steps.len();
            let error = if fails {
                "dpkg: error processing acme (--install): <b>&amp;\u{7}"
            } else {
                ""
            };
            let text = format!("$ {}\nUnpacking acme ...\n{error}\n", planned.run);
            self.now += Duration::from_millis(130);
            self.add(Record::Step {
                cell: id.clone(),
                attempt,
                step: number,
                micros: 130_000,
                exit: Some(i32::from(fails)),
                slow: false,
                shared: false,
                log: Excerpt {
                    text: if fails { text } else { String::new() },
                    error: error.to_owned(),
                    path: format!("cells/{id}/steps/{number:02}.log"),
                },
            });
        }
        self.state(&id, attempt, State::Checking);
        for (place, check) in cell.checks.iter().enumerate() {
            let fails = outcome == Outcome::Leftover && place == 0;
            self.add(Record::Check {
                cell: id.clone(),
                attempt,
                result: CheckResult {
                    check: check.to_string(),
                    status: if fails { Status::Fail } else { Status::Pass },
                    message: if fails {
                        "1 user, 1 file".to_owned()
                    } else {
                        String::new()
                    },
                    findings: if fails { findings() } else { Vec::new() },
                },
            });
        }
        self.state(&id, attempt, State::Collecting);
        self.state(&id, attempt, State::Halting);
        let reason = match outcome {
            Outcome::Pass => "",
            Outcome::Error => "clone: no space left",
            _ => "a step failed",
        };
        let (reason, peak) = (reason.to_owned(), 100 << 20);
        self.add(Record::Attempt {
            cell: id.clone(),
            attempt,
            outcome,
            reason,
            peak,
        });
        self.state(&id, attempt, State::Destroying);
    }

    pub(crate) fn end(mut self, ending: Ending) -> Written {
        self.add(Record::End { ending });
        let bytes = self.writer.finish().unwrap().bytes;
        let records = self.records;
        Written { bytes, records }
    }
}

fn findings() -> Vec<Finding> {
    let finding = |subject, name: &str, detail: &str| Finding {
        subject,
        class: Class::Added,
        name: name.to_owned(),
        detail: detail.to_owned(),
        owner: None,
        count: 1,
        weight: Weight::Fault,
    };
    vec![
        finding(Subject::User, "acme-agent", "uid 998"),
        finding(
            Subject::File,
            "/usr/lib/acme/<script>alert(1)</script>",
            "a file",
        ),
    ]
}

/// What each cell of the sample comes to: mostly well.
pub(crate) fn outcomes(at: usize) -> &'static [Outcome] {
    match at % 16 {
        3 => &[Outcome::Fail],
        5 => &[Outcome::Fail, Outcome::Pass],
        7 => &[Outcome::Leftover],
        9 => &[Outcome::Error, Outcome::Pass],
        11 => &[Outcome::Timeout],
        13 => &[Outcome::Skip],
        _ => &[Outcome::Pass],
    }
}

/// A run of 16 cells with all kinds of verdicts.
pub(crate) fn sample() -> Written {
    sample_of(16)
}

/// A run of the first cells of the example.
pub(crate) fn sample_of(count: usize) -> Written {
    let plan = acme();
    let places: Vec<usize> = (0..count).collect();
    let mut author = Author::new("r1", &plan, &places, None);
    author.add(Record::Note {
        text: "11 images of 12 were there".to_owned(),
    });
    for at in places {
        author.cell(&plan, at, outcomes(at));
    }
    author.end(Ending::Complete)
}

/// A run of 16 cells, and one that did the failed ones again: they pass now, but for one.
pub(crate) fn history() -> [Run; 2] {
    let plan = acme();
    let first = Run::from_journal(&read(&sample().bytes).unwrap()).unwrap();
    let again = [3, 5, 7, 11];
    let mut author = Author::new("r2", &plan, &again, Some("r1"));
    for at in again {
        let outcomes: &[Outcome] = if at == 7 {
            &[Outcome::Leftover]
        } else {
            &[Outcome::Pass]
        };
        author.cell(&plan, at, outcomes);
    }
    let second = author.end(Ending::Complete);
    [
        first,
        Run::from_journal(&read(&second.bytes).unwrap()).unwrap(),
    ]
}
