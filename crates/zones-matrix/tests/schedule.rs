//! Schedules in simulated time.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use support::acme;
use zones_matrix::{
    Decision, History, Limits, Outcome, Retries, RetryOn, Schedule, Settings, Task, TaskError,
    Verdict, tasks,
};

/// What a simulated task does: how long each attempt takes, and what it comes to.
type Script = Vec<(u64, Outcome)>;

/// One line of what a simulation did.
type Event = (Duration, usize, u32);

struct Simulation {
    schedule: Schedule,
    limits: Limits,
    scripts: Vec<Script>,
    log: Vec<Event>,
    most: (u64, u32),
}

impl Simulation {
    fn new(tasks: Vec<Task>, limits: Limits, scripts: Vec<Script>) -> Self {
        let schedule = Schedule::new(tasks, limits).unwrap();
        let (log, most) = (Vec::new(), (0, 0));
        Self {
            schedule,
            limits,
            scripts,
            log,
            most,
        }
    }

    /// Runs to the end; every wait is for an end or for a time, so it cannot go on for ever.
    fn run(&mut self) -> Vec<Verdict> {
        let mut now = Duration::ZERO;
        let mut running: BTreeMap<(Duration, usize), Outcome> = BTreeMap::new();
        for _ in 0..100_000 {
            match self.schedule.next(now) {
                Decision::Start { task, attempt } => {
                    let script = &self.scripts[task];
                    let (millis, outcome) = script[(attempt as usize - 1).min(script.len() - 1)];
                    running.insert((now + Duration::from_millis(millis), task), outcome);
                    self.log.push((now, task, attempt));
                    let (memory, jobs) = self.schedule.load();
                    assert!(memory <= self.limits.memory, "{memory} bytes at a time");
                    assert!(jobs <= self.limits.jobs, "{jobs} jobs at a time");
                    self.most = (self.most.0.max(memory), self.most.1.max(jobs));
                }
                Decision::Finished => {
                    assert!(running.is_empty());
                    let all = 0..self.scripts.len();
                    return all
                        .map(|task| self.schedule.verdict(task).unwrap())
                        .collect();
                }
                decision => {
                    let first = running
                        .first_key_value()
                        .map(|(key, outcome)| (*key, *outcome));
                    let until = match decision {
                        Decision::WaitUntil(time) => Some(time),
                        _ => None,
                    };
                    match (first, until) {
                        (Some(((end, task), outcome)), until) if until.is_none_or(|t| end <= t) => {
                            running.remove(&(end, task));
                            now = end;
                            self.schedule.ended(task, outcome, now);
                        }
                        (_, Some(time)) => now = time,
                        (Some(_), None) | (None, None) => panic!("nothing will ever happen"),
                    }
                }
            }
        }
        panic!("no end");
    }
}

fn task(id: usize, memory: u64) -> Task {
    Task {
        id: format!("cell{id}"),
        memory,
        retries: Settings::default().retries,
        expected_to_fail: false,
        touchstone: false,
        blocked: false,
        starts_from: None,
        makes: Vec::new(),
    }
}

fn limits(jobs: u32, memory: u64) -> Limits {
    Limits {
        jobs,
        memory,
        max_fail: 0,
        seed: 1,
    }
}

fn simulate(tasks: Vec<Task>, limits: Limits, scripts: Vec<Script>) -> (Vec<Verdict>, Vec<Event>) {
    let mut simulation = Simulation::new(tasks, limits, scripts);
    let verdicts = simulation.run();
    (verdicts, simulation.log)
}

fn pass(millis: u64) -> Script {
    vec![(millis, Outcome::Pass)]
}

#[test]
fn a_budget_of_two_cells_never_runs_three() {
    let tasks: Vec<Task> = (0..20).map(|id| task(id, 512)).collect();
    let mut simulation = Simulation::new(tasks, limits(8, 1024), vec![pass(10); 20]);
    simulation.run();
    assert_eq!(simulation.most, (1024, 2));
}

#[test]
fn a_small_cell_fills_a_gap_that_a_large_one_cannot() {
    let tasks = vec![task(0, 600), task(1, 600), task(2, 300)];
    let (_, log) = simulate(tasks, limits(3, 1000), vec![pass(100); 3]);
    let started: Vec<usize> = log.iter().map(|(_, task, _)| *task).collect();
    assert_eq!(started, [0, 2, 1]);
}

#[test]
fn a_cell_larger_than_the_budget_is_refused() {
    let error = Schedule::new(vec![task(0, 2048)], limits(1, 1024)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`cell0` needs 2K of memory and the budget is 1K")
    );
    assert!(matches!(
        Schedule::new(Vec::new(), limits(0, 1)),
        Err(TaskError::NoJobs)
    ));
}

#[test]
fn the_rest_waits_for_the_touchstones_and_is_cancelled_when_one_fails() {
    let mut tasks: Vec<Task> = (0..6).map(|id| task(id, 1)).collect();
    tasks[0].touchstone = true;
    tasks[1].touchstone = true;
    let (verdicts, log) = simulate(tasks.clone(), limits(9, 9), vec![pass(50); 6]);
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Pass));
    assert!(
        log[2..]
            .iter()
            .all(|(at, ..)| *at == Duration::from_millis(50))
    );
    let mut scripts = vec![pass(50); 6];
    scripts[1] = vec![(50, Outcome::Fail)];
    let (verdicts, log) = simulate(tasks, limits(9, 9), scripts);
    assert_eq!(
        verdicts[..3],
        [Verdict::Pass, Verdict::Fail, Verdict::Cancelled]
    );
    assert_eq!(log.len(), 2);
}

#[test]
fn retries_wait_and_can_make_a_cell_flaky() {
    let mut one = task(0, 1);
    one.retries = Retries {
        count: 2,
        on: vec![RetryOn::Timeout],
        jitter: false,
        ..one.retries
    };
    let script = vec![(10, Outcome::Timeout), (10, Outcome::Pass)];
    let (verdicts, log) = simulate(vec![one.clone()], limits(1, 1), vec![script]);
    assert_eq!(verdicts, [Verdict::Flaky]);
    assert_eq!(log[1], (Duration::from_millis(2010), 0, 2));
    // A failure is not among what is tried again.
    let script = vec![(10, Outcome::Fail), (10, Outcome::Pass)];
    let (verdicts, log) = simulate(vec![one], limits(1, 1), vec![script]);
    assert_eq!((verdicts, log.len()), (vec![Verdict::Fail], 1));
}

#[test]
fn what_the_test_bed_broke_is_tried_again_alone() {
    let mut tasks: Vec<Task> = (0..4).map(|id| task(id, 1)).collect();
    for task in &mut tasks {
        task.retries.count = 1;
    }
    let mut scripts = vec![pass(5000); 4];
    scripts[0] = vec![(10, Outcome::Error), (10, Outcome::Pass)];
    let (verdicts, log) = simulate(tasks, limits(4, 9), scripts);
    assert_eq!(verdicts[0], Verdict::Pass);
    let retry = log
        .iter()
        .find(|(_, task, attempt)| (*task, *attempt) == (0, 2))
        .unwrap();
    assert_eq!(retry.0, Duration::from_millis(5000));
}

#[test]
fn enough_failures_stop_the_run() {
    let tasks: Vec<Task> = (0..10).map(|id| task(id, 1)).collect();
    let scripts = vec![vec![(10, Outcome::Fail)]; 10];
    let stop = Limits {
        max_fail: 3,
        ..limits(1, 9)
    };
    let (verdicts, _) = simulate(tasks, stop, scripts);
    let count = |wanted| {
        verdicts
            .iter()
            .filter(|verdict| **verdict == wanted)
            .count()
    };
    assert_eq!((count(Verdict::Fail), count(Verdict::Cancelled)), (3, 7));
}

#[test]
fn pressure_lets_nothing_start_beside_what_runs() {
    let tasks: Vec<Task> = (0..3).map(|id| task(id, 1)).collect();
    let mut schedule = Schedule::new(tasks, limits(3, 9)).unwrap();
    let now = Duration::ZERO;
    schedule.pressure(50);
    // One at a time goes on, else a host that is always under pressure would never finish.
    assert_eq!(
        schedule.next(now),
        Decision::Start {
            task: 0,
            attempt: 1
        }
    );
    assert_eq!(schedule.next(now), Decision::Wait);
    schedule.pressure(5);
    assert_eq!(
        schedule.next(now),
        Decision::Start {
            task: 1,
            attempt: 1
        }
    );
}

#[test]
fn what_is_stopped_ends_with_what_it_has() {
    let tasks: Vec<Task> = (0..3).map(|id| task(id, 1)).collect();
    let mut schedule = Schedule::new(tasks, limits(1, 9)).unwrap();
    let now = Duration::ZERO;
    assert!(matches!(
        schedule.next(now),
        Decision::Start { task: 0, .. }
    ));
    schedule.stop();
    assert_eq!(schedule.next(now), Decision::Wait);
    assert_eq!(schedule.ended(0, Outcome::Pass, now), Some(Verdict::Pass));
    assert_eq!(schedule.next(now), Decision::Finished);
    assert_eq!(schedule.verdict(2), Some(Verdict::Cancelled));
}

#[test]
fn cells_that_share_a_beginning_wait_for_the_one_that_makes_it() {
    let plan = acme();
    let all: Vec<usize> = (0..plan.cells.len()).collect();
    let tasks = tasks(&plan, &all, &History::default());
    let makers = tasks.iter().filter(|task| !task.makes.is_empty()).count();
    let takers = tasks
        .iter()
        .filter(|task| task.starts_from.is_some())
        .count();
    assert_eq!((makers, takers), (48, 48));
    let scripts = vec![pass(100); tasks.len()];
    let (verdicts, log) = simulate(tasks.clone(), limits(16, 16 << 30), scripts);
    assert!(
        verdicts
            .iter()
            .all(|verdict| *verdict == Verdict::Pass || *verdict == Verdict::Xpass)
    );
    let began: BTreeMap<usize, Duration> = log.iter().map(|(at, task, _)| (*task, *at)).collect();
    for (at, task) in tasks.iter().enumerate() {
        let Some(node) = task.starts_from else {
            continue;
        };
        let maker = tasks
            .iter()
            .position(|other| other.makes.contains(&node))
            .unwrap();
        assert!(
            began[&at] >= began[&maker] + Duration::from_millis(100),
            "{}",
            task.id
        );
    }
}

#[test]
fn history_corrects_what_a_cell_declares() {
    let plan = acme();
    let mut history = History::default();
    history.peaks.insert(plan.cells[0].id.clone(), 100 << 20);
    history.peaks.insert(plan.cells[1].id.clone(), 500 << 20);
    let tasks = tasks(&plan, &[0, 1, 2], &history);
    let of = |at: usize| {
        tasks
            .iter()
            .find(|task| task.id == plan.cells[at].id)
            .unwrap()
            .memory
    };
    assert_eq!([of(0), of(1), of(2)], [125 << 20, 512 << 20, 512 << 20]);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Pass),
        1 => Just(Outcome::Fail),
        1 => Just(Outcome::Error),
        1 => Just(Outcome::Timeout),
        1 => Just(Outcome::Leftover),
        1 => Just(Outcome::Skip),
    ]
}

prop_compose! {
    fn job()(
        memory in 1u64..1000,
        touchstone in proptest::bool::weighted(0.1),
        blocked in proptest::bool::weighted(0.05),
        count in 0u32..3,
        group in 0usize..40,
        script in proptest::collection::vec((0u64..500, outcome()), 1..4),
    ) -> (Task, usize, Script) {
        let mut task = task(0, memory);
        task.touchstone = touchstone;
        task.blocked = blocked;
        task.retries.count = count;
        task.retries.on = vec![RetryOn::Fail, RetryOn::Error, RetryOn::Timeout];
        (task, group, script)
    }
}

proptest! {
    /// Whatever happens, the budget holds (the simulation asserts it), all cells end, and the same
    /// again gives the same.
    #[test]
    fn the_budget_holds_and_everything_ends(
        jobs in proptest::collection::vec(job(), 1..60),
        width in 1u32..6,
        spare in 0u64..1500,
        max_fail in 0u32..4,
        seed in any::<u64>(),
    ) {
        let mut made = BTreeMap::new();
        let mut tasks = Vec::new();
        for (at, (task, group, _)) in jobs.iter().enumerate() {
            let mut task = task.clone();
            task.id = format!("cell{at}");
            // Some cells share the beginning of an earlier one.
            match made.get(group) {
                Some(()) => task.starts_from = Some(*group),
                None if !task.blocked && group % 3 == 0 => {
                    made.insert(*group, ());
                    task.makes.push(*group);
                }
                None => {}
            }
            tasks.push(task);
        }
        let largest = tasks.iter().map(|task| task.memory).max().unwrap();
        let limits = Limits { jobs: width, memory: largest + spare, max_fail, seed };
        let scripts: Vec<Script> = jobs.into_iter().map(|(.., script)| script).collect();
        let first = simulate(tasks.clone(), limits, scripts.clone());
        prop_assert_eq!(first.0.len(), tasks.len());
        for (task, verdict) in tasks.iter().zip(&first.0) {
            let blocked = matches!(verdict, Verdict::Blocked | Verdict::Xfail | Verdict::Cancelled);
            prop_assert!(!task.blocked || blocked);
        }
        prop_assert_eq!(simulate(tasks, limits, scripts), first);
    }
}
