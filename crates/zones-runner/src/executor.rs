//! Runs the cells of a plan: the schedule says which, threads do them, the journal knows.

mod attempt;
mod caught;
mod prefix;
mod supplies;
mod undertaker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use zones_matrix::journal::{Moment, Record};
use zones_matrix::{
    Decision, Ending, History, Keep, Limits, Plan, Schedule, State, TaskError, Verdict, tasks,
};

use crate::bed::Bed;
use crate::folder::RunFolder;
use crate::inspect::Inspector;
use crate::ledger::{Ledger, Lost};
use crate::supply::Supply;
use attempt::{Attempt, Conclusion};
use caught::caught;
use prefix::Prefixes;
use supplies::Supplies;
use undertaker::Undertaker;

/// How often pressure is read and the journal brought to disk.
const TICK: Duration = Duration::from_millis(50);

/// What is to be run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Places of the cells that are meant.
    pub places: &'a [usize],
    /// The id of the run.
    pub run: &'a str,
    /// What the names of its zones begin with: other runs have another.
    pub tag: &'a str,
    /// Earlier runs.
    pub history: &'a History,
    /// Jobs and memory.
    pub limits: Limits,
    /// Which zones stay.
    pub keep: Keep,
    /// Whether no cell takes over steps of another.
    pub strict: bool,
}

/// Those who do the work.
pub struct Crew<'a> {
    /// Zones.
    pub bed: &'a dyn Bed,
    /// Images and artifacts.
    pub supply: &'a dyn Supply,
    /// Checks.
    pub inspector: &'a dyn Inspector,
    /// The journal.
    pub ledger: &'a Ledger<'a>,
    /// Where logs go.
    pub folder: &'a RunFolder,
    /// The memory pressure of the host, in hundredths of the time.
    pub pressure: &'a (dyn Fn() -> u32 + Sync),
}

impl std::fmt::Debug for Crew<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

/// What a user may order while a run is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start nothing more; what runs goes on to its end.
    Stop,
    /// Stop what runs, too.
    Kill,
}

/// Gives orders to a run.
#[derive(Debug, Clone)]
pub struct Helm(Sender<Event>);

/// The other end of a [`Helm`].
#[derive(Debug)]
pub struct Orders {
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Helm {
    /// A helm, and what a run listens to.
    #[must_use]
    pub fn new() -> (Self, Orders) {
        let (sender, events) = mpsc::channel();
        (Self(sender.clone()), Orders { sender, events })
    }

    /// Gives an order; a run that is over does not mind.
    pub fn order(&self, order: Order) {
        let _ = self.0.send(Event::Order(order));
    }
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A cell can never start.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The journal cannot be written.
    #[error(transparent)]
    Lost(#[from] Lost),
}

#[derive(Debug)]
enum Event {
    Ended {
        task: usize,
        attempt: u32,
        end: Result<Conclusion, Lost>,
    },
    Order(Order),
}

/// What all threads of a run see.
struct Shop<'a> {
    job: &'a Job<'a>,
    crew: &'a Crew<'a>,
    /// Set when what runs is to stop.
    killed: AtomicBool,
    prefixes: Mutex<Prefixes>,
    /// Zones that are up.
    up: Mutex<BTreeSet<String>>,
}

impl Shop<'_> {
    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    fn prefixes(&self) -> std::sync::MutexGuard<'_, Prefixes> {
        self.prefixes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs cells to their verdicts. The journal has its head and its cells already; it gets its end.
///
/// # Errors
/// [`ExecuteError`]. After [`ExecuteError::Lost`] zones may be left, as after a crash.
pub fn execute(job: &Job<'_>, crew: &Crew<'_>, orders: Orders) -> Result<Ending, ExecuteError> {
    let mut list = tasks(job.plan, job.places, job.history);
    if job.strict {
        for task in &mut list {
            (task.starts_from, task.makes) = (None, Vec::new());
        }
    }
    let cells: Vec<usize> = list
        .iter()
        .filter_map(|task| {
            let found = job
                .plan
                .cells
                .binary_search_by(|cell| cell.id.cmp(&task.id));
            found.ok()
        })
        .collect();
    let prefixes = Prefixes::new(job.plan, &cells);
    let schedule = Schedule::new(list, job.limits)?;
    let shop = Shop {
        job,
        crew,
        killed: AtomicBool::new(false),
        prefixes: Mutex::new(prefixes),
        up: Mutex::default(),
    };
    let supplies = Supplies::gather(job, crew, &cells);
    for note in supplies.notes() {
        crew.ledger.add(Record::Note { text: note })?;
    }
    let ended = thread::scope(|scope| {
        let mut run = Run {
            shop: &shop,
            supplies: &supplies,
            schedule,
            cells: &cells,
            undertaker: Undertaker::start(scope, crew, job),
            sender: orders.sender,
            reasons: BTreeMap::new(),
            told: vec![false; cells.len()],
            stopped: false,
        };
        let ended = run.steer(scope, &orders.events);
        run.close(ended.is_ok());
        ended
    });
    let ending = ended?;
    crew.ledger.add(Record::End { ending })?;
    Ok(ending)
}

struct Run<'scope, 'a> {
    shop: &'scope Shop<'a>,
    supplies: &'scope Supplies,
    schedule: Schedule,
    /// Places in the plan, by task.
    cells: &'scope [usize],
    undertaker: Undertaker,
    sender: Sender<Event>,
    /// Why the last attempt of a task ended as it did.
    reasons: BTreeMap<usize, String>,
    /// Tasks whose verdict is in the journal.
    told: Vec<bool>,
    stopped: bool,
}

impl<'scope, 'a: 'scope> Run<'scope, 'a> {
    /// Until every cell has its verdict.
    fn steer<'env>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        events: &Receiver<Event>,
    ) -> Result<Ending, Lost> {
        let ledger = self.shop.crew.ledger;
        loop {
            self.schedule.pressure((self.shop.crew.pressure)());
            let mut wait = TICK;
            let is_finished = loop {
                match self.schedule.next(ledger.now()) {
                    Decision::Start { task, attempt } => self.start(scope, task, attempt)?,
                    Decision::Wait => break false,
                    Decision::WaitUntil(time) => {
                        wait = wait.min(time.saturating_sub(ledger.now()));
                        break false;
                    }
                    Decision::Finished => break true,
                }
            };
            self.tell_cancelled()?;
            if is_finished {
                let interrupted = self.stopped;
                return Ok(if interrupted {
                    Ending::Interrupted
                } else {
                    Ending::Complete
                });
            }
            match events.recv_timeout(wait) {
                Ok(Event::Ended { task, attempt, end }) => self.ended(task, attempt, end?)?,
                Ok(Event::Order(order)) => self.obey(order)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            ledger.tick()?;
        }
    }

    fn start<'env>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        task: usize,
        attempt: u32,
    ) -> Result<(), Lost> {
        let place = self.cells[task];
        let id = &self.shop.job.plan.cells[place].id;
        let golden = match self.supplies.of(self.shop.job.plan, place) {
            Ok(golden) => golden,
            Err((outcome, reason)) => {
                let conclusion = Conclusion::without_zone(outcome, reason);
                return self.ended(task, attempt, conclusion);
            }
        };
        self.shop.crew.ledger.add(Record::State {
            cell: id.clone(),
            attempt,
            moment: Moment::Done,
            state: State::Ready,
        })?;
        let makes = self.schedule.task(task).makes.clone();
        let sender = self.sender.clone();
        let (shop, supplies) = (self.shop, self.supplies);
        scope.spawn(move || {
            let attempt_at = Attempt::new(shop, supplies, golden, place, attempt, &makes);
            let end = caught(|| attempt_at.run()).unwrap_or_else(|why| attempt_at.broken(why));
            // The receiver is there for as long as anything runs, unless the journal is lost.
            let _ = sender.send(Event::Ended { task, attempt, end });
        });
        Ok(())
    }

    fn ended(&mut self, task: usize, attempt: u32, end: Conclusion) -> Result<(), Lost> {
        let ledger = self.shop.crew.ledger;
        let id = self.schedule.task(task).id.clone();
        ledger.add(Record::Attempt {
            cell: id.clone(),
            attempt,
            outcome: end.outcome,
            reason: end.reason.clone(),
            peak: end.peak,
        })?;
        let verdict = self.schedule.ended(task, end.outcome, ledger.now());
        self.reasons.insert(task, end.reason);
        if let Some(zone) = end.zone {
            self.dispose(zone, verdict);
        }
        if let Some(verdict) = verdict {
            self.tell(task, verdict)?;
        }
        Ok(())
    }

    /// A zone whose attempt is over stays, waits for those that start from its snapshots, or goes.
    fn dispose(&mut self, zone: String, verdict: Option<Verdict>) {
        let is_kept = match (self.shop.job.keep, verdict) {
            (Keep::Never, _) | (_, None) => false,
            (Keep::All, Some(verdict)) => verdict != Verdict::Cancelled,
            (Keep::Failed, Some(verdict)) => matches!(
                verdict,
                Verdict::Fail
                    | Verdict::Leftover
                    | Verdict::Timeout
                    | Verdict::Xpass
                    | Verdict::Flaky
            ),
        };
        let crew = self.shop.crew;
        if is_kept && crew.bed.keep(&zone).is_ok() {
            self.shop.prefixes().abandon(&zone);
            return;
        }
        if let Some(zone) = self.shop.prefixes().retire(zone) {
            self.undertaker.take(zone);
        }
    }

    fn tell(&mut self, task: usize, verdict: Verdict) -> Result<(), Lost> {
        if std::mem::replace(&mut self.told[task], true) {
            return Ok(());
        }
        let place = self.cells[task];
        let cell = &self.shop.job.plan.cells[place];
        let reason = self.reasons.remove(&task).unwrap_or_else(|| match verdict {
            Verdict::Blocked | Verdict::Xfail => {
                format!("not in the store: {}", cell.missing.join(", "))
            }
            Verdict::Cancelled => "never started".to_owned(),
            _ => String::new(),
        });
        self.shop.crew.ledger.add(Record::Verdict {
            cell: cell.id.clone(),
            verdict,
            reason,
        })?;
        // Logs are packed by the undertaker, after the verdict.
        self.undertaker.pack(cell.id.clone());
        let free = self.shop.prefixes().done(cell);
        free.into_iter().for_each(|zone| self.undertaker.take(zone));
        Ok(())
    }

    /// Verdicts that came without an attempt.
    fn tell_cancelled(&mut self) -> Result<(), Lost> {
        for task in 0..self.told.len() {
            if !self.told[task]
                && let Some(verdict) = self.schedule.verdict(task)
            {
                self.tell(task, verdict)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<(), Lost> {
        self.schedule.stop();
        let text = match order {
            Order::Stop => "interrupted: what runs goes on to its end",
            Order::Kill => "interrupted again: what runs is stopped",
        };
        self.stopped = true;
        let text = text.to_owned();
        self.shop.crew.ledger.add(Record::Note { text })?;
        if order == Order::Kill {
            self.shop.killed.store(true, Ordering::Release);
            let up: Vec<String> = self.shop.up().iter().cloned().collect();
            for zone in up {
                // Whoever follows the zone sees that it is gone, and says so.
                let _ = self.shop.crew.bed.halt(&zone);
            }
        }
        Ok(())
    }

    /// What is left is removed; threads end.
    fn close(mut self, is_whole: bool) {
        if is_whole {
            let left = self.shop.prefixes().all();
            left.into_iter().for_each(|zone| self.undertaker.take(zone));
        } else {
            self.shop.killed.store(true, Ordering::Release);
        }
        self.undertaker.close();
    }
}
