//! One attempt at one cell, from clone to halt.

use std::time::{Duration, Instant};

use zones_matrix::checks::Extra;
use zones_matrix::journal::{CheckResult, Excerpt, Moment, Record, Status};
use zones_matrix::{Cell, Check, Outcome, State, Step};
use zones_types::Bytes;

use super::Shop;
use super::caught::caught;
use super::prefix::{Beginning, Taken};
use super::supplies::Supplies;
use crate::bed::{BedError, Call, Origin, Plot, StepEnd, Usage};
use crate::capture::Capture;
use crate::inspect::{Inspection, Look};
use crate::ledger::Lost;
use crate::script::{self, Reported};
use crate::supply::Golden;

/// The exit status of a step that says that it does not apply here. Source: automake, "Scripts-based
/// Testsuites".
const EXIT_SKIP: i32 = 77;
/// A step that asks for more reboots never ends.
const REBOOTS_MAX: u32 = 16;

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(super) struct Conclusion {
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    pub(super) peak: u64,
    /// The zone that is to be kept or removed.
    pub(super) zone: Option<String>,
}

impl Conclusion {
    pub(super) fn without_zone(outcome: Outcome, reason: String) -> Self {
        Self {
            outcome,
            reason,
            peak: 0,
            zone: None,
        }
    }
}

/// Why an attempt goes no further.
enum Break {
    /// The journal is gone: nothing more is done.
    Lost,
    /// It has its outcome.
    End(Outcome, String),
}

impl From<Lost> for Break {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

pub(super) struct Attempt<'a> {
    shop: &'a Shop<'a>,
    supplies: &'a Supplies,
    golden: &'a Golden,
    cell: &'a Cell,
    number: u32,
    /// Nodes after which a snapshot is taken for others.
    makes: &'a [usize],
    zone: String,
    began: Instant,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        shop: &'a Shop<'a>,
        supplies: &'a Supplies,
        golden: &'a Golden,
        place: usize,
        number: u32,
        makes: &'a [usize],
    ) -> Self {
        Self {
            shop,
            supplies,
            golden,
            cell: &shop.job.plan.cells[place],
            number,
            makes,
            zone: format!("{}-{place}-{number}", shop.job.tag),
            began: Instant::now(),
        }
    }

    /// Does it all. The zone is halted afterwards, and still there.
    ///
    /// # Errors
    /// [`Lost`].
    pub(super) fn run(&self) -> Result<Conclusion, Lost> {
        let mut usage = Usage::default();
        let mut is_made = false;
        let worked = self.work(&mut usage, &mut is_made);
        if let Err(Break::Lost) = worked {
            return Err(Lost);
        }
        let halted = match is_made {
            true => self.halt()?,
            false => Ok(()),
        };
        let (mut outcome, mut reason) = match worked {
            Ok(()) => (Outcome::Pass, String::new()),
            Err(Break::End(outcome, reason)) => (outcome, reason),
            Err(Break::Lost) => return Err(Lost),
        };
        if let (Err(error), Outcome::Pass) = (&halted, outcome) {
            (outcome, reason) = (Outcome::Error, error.to_string());
        }
        if self.shop.is_killed() && outcome != Outcome::Pass {
            (outcome, reason) = (Outcome::Cancelled, "stopped by the user".to_owned());
        }
        Ok(Conclusion {
            outcome,
            reason,
            peak: usage.peak,
            zone: Some(self.zone.clone()),
        })
    }

    /// The end of an attempt that the runner itself broke off. Its zone goes down and away.
    ///
    /// # Errors
    /// [`Lost`].
    pub(super) fn broken(&self, why: String) -> Result<Conclusion, Lost> {
        let halted = caught(|| self.halt());
        let zone = Some(self.zone.clone());
        match halted {
            Ok(Err(Lost)) => Err(Lost),
            // Whoever removes the zone halts it first, and says when that fails.
            Ok(Ok(_)) | Err(_) => Ok(Conclusion {
                zone,
                ..Conclusion::without_zone(Outcome::Error, why)
            }),
        }
    }

    fn work(&self, usage: &mut Usage, is_made: &mut bool) -> Result<(), Break> {
        let (origin, mut inspection, taken) = self.beginning();
        self.state(Moment::Intent, State::Cloning)?;
        self.go_on()?;
        let artifacts = self.supplies.artifacts(self.shop.job.plan, self.cell);
        let plot = Plot {
            zone: &self.zone,
            run: self.shop.job.run,
            cell: &self.cell.id,
            model: &self.golden.origin.zone,
            origin: &origin,
            settings: &self.cell.settings,
            artifacts: &artifacts,
        };
        self.bed(self.shop.crew.bed.make(&plot))?;
        *is_made = true;
        self.state(Moment::Done, State::Cloning)?;
        self.state(Moment::Intent, State::Booting)?;
        self.boot(&self.zone)?;
        self.state(Moment::Done, State::Booting)?;
        let sampler = self.shop.crew.bed.sampler(&self.zone);
        match taken.is_empty() {
            true => self.look(&mut *inspection, Look::Start)?,
            false => inspection.resumes(&self.zone),
        }
        for (at, step) in taken.iter().enumerate() {
            self.record(at, Some(0), step.micros, true, step.log.clone())?;
        }
        let mut done = taken;
        let result = self.steps(&mut *inspection, &mut done);
        *usage = self.shop.crew.bed.usage(&self.zone);
        let is_asked_for = self.cell.checks.contains(&Check::Timing);
        let timing = sampler.and_then(|sampler| sampler.end().result(is_asked_for));
        if let Some(timing) = &timing {
            self.check(timing.clone())?;
        }
        result?;
        if !self.cell.checks.is_empty() || !inspection.warnings().is_empty() {
            self.checks(&mut *inspection, timing.is_some())?;
        }
        match timing {
            Some(late) if late.status == Status::Fail => {
                let text = format!("{}: {}", late.check, late.message);
                Err(Break::End(Outcome::Error, text))
            }
            _ => Ok(()),
        }
    }

    /// What the zone is a clone of, what was seen of it, and the steps that it has behind it.
    fn beginning(&self) -> (Origin, Box<dyn Inspection>, Vec<Taken>) {
        if !self.shop.job.strict
            && let Some((_, beginning)) = self.shop.prefixes().longest(self.cell)
        {
            let inspection = beginning.inspection.fork(self.cell);
            return (
                beginning.origin.clone(),
                inspection,
                beginning.steps.clone(),
            );
        }
        let inspection = self.shop.crew.inspector.open(self.cell, self.golden);
        (self.golden.origin.clone(), inspection, Vec::new())
    }

    fn boot(&self, zone: &str) -> Result<(), Break> {
        // Known before, so that an order to stop everything finds it.
        self.shop.up().insert(zone.to_owned());
        self.go_on()?;
        self.bed(self.shop.crew.bed.boot(zone))
    }

    fn halt(&self) -> Result<Result<(), BedError>, Lost> {
        self.state(Moment::Intent, State::Halting)?;
        let halted = self.shop.crew.bed.halt(&self.zone);
        self.shop.up().remove(&self.zone);
        self.state(Moment::Done, State::Halting)?;
        Ok(halted)
    }

    fn steps(&self, inspection: &mut dyn Inspection, done: &mut Vec<Taken>) -> Result<(), Break> {
        for (at, step) in self.cell.steps.iter().enumerate().skip(done.len()) {
            let number = u16::try_from(at).unwrap_or(u16::MAX);
            self.state(Moment::Intent, State::Step(number))?;
            self.go_on()?;
            let taken = self.step(at, step)?;
            self.disk(step)?;
            done.push(taken);
            self.state(Moment::Done, State::Step(number))?;
            self.look(inspection, Look::Step(at))?;
            if self.makes.contains(&step.node) && !self.shop.job.strict {
                self.share(step.node, inspection, done);
            }
        }
        Ok(())
    }

    /// A storage that cannot limit a cell is asked what the cell took.
    fn disk(&self, step: &Step) -> Result<(), Break> {
        let Some(limit) = self.cell.settings.disk else {
            return Ok(());
        };
        match self.shop.crew.bed.disk(&self.zone) {
            Some(used) if used > limit.0 => {
                let (name, used) = (&step.name, Bytes(used));
                let text = format!("{name}: {used} on the disk, the limit is {limit}");
                Err(Break::End(Outcome::Fail, text))
            }
            _ => Ok(()),
        }
    }

    /// Keeps the zone as it is for others. When that fails they do the steps themselves.
    fn share(&self, node: usize, inspection: &mut dyn Inspection, done: &[Taken]) {
        let name = format!("step{}", done.len());
        inspection.leaves(&self.zone);
        if self.shop.crew.bed.snapshot(&self.zone, &name).is_err() {
            return;
        }
        let beginning = Beginning {
            origin: Origin {
                zone: self.zone.clone(),
                snapshot: Some(name),
            },
            inspection: inspection.fork(self.cell),
            steps: done.to_vec(),
        };
        self.shop.prefixes().add(node, beginning);
    }

    fn step(&self, at: usize, step: &Step) -> Result<Taken, Break> {
        let began = Instant::now();
        let path = self
            .shop
            .crew
            .folder
            .log(&self.cell.id, at, &step.name, self.number);
        let script = format!("{}/steps/{:02}", script::FOLDER, at + 1);
        let again = format!("zones matrix shell {} -- /bin/sh {script}", self.cell.id);
        let capture = Capture::create(&path, &format!("{again}  # {}", step.run));
        let mut capture = capture.map_err(|error| fault("log", &error))?;
        let ended = self.until_no_reboot(at, step, began, &mut capture);
        let gist = capture.finish().map_err(|error| fault("log", &error))?;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let exit = ended.as_ref().ok().and_then(|end| end.exit);
        let is_fine = exit == Some(0);
        let log = Excerpt {
            text: gist.text,
            error: if is_fine { String::new() } else { gist.error },
            path: self.shop.crew.folder.relative(&path),
        };
        self.record(at, exit, micros, false, log.clone())?;
        let end = ended?;
        let named = script::reported(&end.reported);
        for result in &named {
            if let Reported::Result(result) = result {
                self.check(result.clone())?;
            }
        }
        let failed = named.iter().find_map(|result| match result {
            Reported::Result(result) if result.status == Status::Fail => Some(&result.check),
            _ => None,
        });
        match (exit, failed) {
            (Some(0), None) => Ok(Taken { micros, log }),
            (Some(0), Some(name)) => Err(Break::End(
                Outcome::Fail,
                format!("{}: {name} failed", step.name),
            )),
            (Some(EXIT_SKIP), _) => Err(Break::End(
                Outcome::Skip,
                format!("{} does not apply", step.name),
            )),
            (Some(status), _) => Err(self.failed(step, status)),
            (None, _) => {
                let text = format!(
                    "{}: the time of {:?} is up",
                    step.name,
                    self.limit(step, began)
                );
                Err(Break::End(Outcome::Timeout, text))
            }
        }
    }

    /// A step that reboots the zone is run again, and told its mark.
    fn until_no_reboot(
        &self,
        at: usize,
        step: &Step,
        began: Instant,
        capture: &mut Capture,
    ) -> Result<StepEnd, Break> {
        let mut mark = String::new();
        let mut reported = Vec::new();
        for _ in 0..REBOOTS_MAX {
            let limit = self.limit(step, began);
            let script = script::text(self.cell, step, self.number, &mark);
            let call = Call {
                zone: &self.zone,
                step: u16::try_from(at).unwrap_or(u16::MAX),
                script: &script,
                limit,
            };
            let mut end = self.bed(self.shop.crew.bed.step(&call, capture))?;
            let next = script::reported(&end.reported)
                .into_iter()
                .find_map(|it| match it {
                    Reported::Reboot(mark) => Some(mark),
                    Reported::Result(_) => None,
                });
            reported.append(&mut end.reported);
            match next {
                Some(next) if end.exit == Some(0) => {
                    let text = format!("the zone reboots: {next}");
                    capture.note(&text).map_err(|error| fault("log", &error))?;
                    self.bed(self.shop.crew.bed.halt(&self.zone))?;
                    self.boot(&self.zone)?;
                    mark = next;
                    // Asked for, and done.
                    reported.retain(|line| !line.starts_with(script::REBOOT));
                }
                _ => {
                    end.reported = reported;
                    return Ok(end);
                }
            }
        }
        let text = format!("{}: more than {REBOOTS_MAX} reboots", step.name);
        Err(Break::End(Outcome::Fail, text))
    }

    /// A cell that was killed for want of memory failed by that.
    fn failed(&self, step: &Step, status: i32) -> Break {
        let killed = self.shop.crew.bed.usage(&self.zone).killed;
        if killed > 0 {
            let limit = self.cell.settings.memory;
            let text = format!("{}: out of memory, the limit is {limit}", step.name);
            return Break::End(Outcome::Oom, text);
        }
        Break::End(
            Outcome::Fail,
            format!("{}: exit status {status}", step.name),
        )
    }

    /// Time that is left for a step.
    fn limit(&self, step: &Step, began: Instant) -> Duration {
        let whole = self
            .cell
            .settings
            .timeout
            .saturating_sub(self.began.elapsed());
        match step.timeout {
            Some(own) => whole.min(own.saturating_sub(began.elapsed())),
            None => whole,
        }
    }

    /// `is_timed` says that the check of time is told already.
    fn checks(&self, inspection: &mut dyn Inspection, is_timed: bool) -> Result<(), Break> {
        self.go_on()?;
        if inspection.wants_reboot() {
            self.bed(self.shop.crew.bed.halt(&self.zone))?;
            self.boot(&self.zone)?;
            self.look(inspection, Look::Rebooted)?;
        }
        for (number, extra) in inspection.extras().into_iter().enumerate() {
            self.state(Moment::Intent, State::Collecting)?;
            self.extra(number, extra, inspection)?;
            self.state(Moment::Done, State::Collecting)?;
        }
        self.state(Moment::Intent, State::Checking)?;
        let mut first: Option<(Outcome, String)> = None;
        let mut unseen = None;
        for warning in inspection.warnings() {
            self.check(warning)?;
        }
        let told = |check: &&Check| !(is_timed && **check == Check::Timing);
        for check in self.cell.checks.iter().filter(told) {
            let result = inspection.judge(check);
            if result.status == Status::Skip && inspection.sees() {
                let text = format!("{}: {}", result.check, result.message);
                unseen = unseen.or(Some((Outcome::Error, text)));
            }
            if result.status == Status::Fail {
                let outcome = match check.is_cleanliness() {
                    true => Outcome::Leftover,
                    false => Outcome::Fail,
                };
                let text = format!("{}: {}", result.check, result.message);
                // A failure of the product at work weighs more than what it leaves.
                match &first {
                    None => first = Some((outcome, text)),
                    Some((Outcome::Leftover, _)) if outcome == Outcome::Fail => {
                        first = Some((outcome, text));
                    }
                    Some(_) => {}
                }
            }
            self.check(result)?;
        }
        self.state(Moment::Done, State::Checking)?;
        // A check that could not be made is no check that passed.
        match first.or(unseen) {
            Some((outcome, text)) => Err(Break::End(outcome, text)),
            None => Ok(()),
        }
    }

    /// Runs a step once more, in a clone of the cell's last state or of the image.
    fn extra(
        &self,
        number: usize,
        extra: Extra,
        inspection: &mut dyn Inspection,
    ) -> Result<(), Break> {
        let (origin, step) = match &extra {
            Extra::Again(at) => {
                let name = format!("end{number}");
                self.bed(self.shop.crew.bed.snapshot(&self.zone, &name))?;
                let (zone, snapshot) = (self.zone.clone(), Some(name));
                (Origin { zone, snapshot }, self.cell.steps.get(*at))
            }
            Extra::Fresh(name) => (self.golden.origin.clone(), self.like(name)),
        };
        let Some(step) = step else { return Ok(()) };
        let zone = format!("{}x{number}", self.zone);
        let done = self.beside(number, &zone, &origin, step, |exit| {
            let seen = inspection.again(extra, exit, &zone);
            seen.map_err(|why| Break::End(Outcome::Error, format!("look: {why}")))
        });
        let halted = self.shop.crew.bed.halt(&zone);
        self.shop.up().remove(&zone);
        let destroyed = self.shop.crew.bed.destroy(&zone);
        done?;
        self.bed(halted)?;
        self.bed(destroyed)
    }

    /// In a zone of its own, and what follows while it is up.
    fn beside(
        &self,
        number: usize,
        zone: &str,
        origin: &Origin,
        step: &Step,
        then: impl FnOnce(Option<i32>) -> Result<(), Break>,
    ) -> Result<(), Break> {
        let artifacts = self.supplies.artifacts(self.shop.job.plan, self.cell);
        let plot = Plot {
            zone,
            run: self.shop.job.run,
            cell: &self.cell.id,
            model: &self.golden.origin.zone,
            origin,
            settings: &self.cell.settings,
            artifacts: &artifacts,
        };
        self.bed(self.shop.crew.bed.make(&plot))?;
        self.boot(zone)?;
        let at = self.cell.steps.len() + number;
        let name = format!("again-{}", step.name);
        let path = self
            .shop
            .crew
            .folder
            .log(&self.cell.id, at, &name, self.number);
        let capture = Capture::create(&path, &step.run);
        let mut capture = capture.map_err(|error| fault("log", &error))?;
        let script = script::text(self.cell, step, self.number, "");
        let call = Call {
            zone,
            step: u16::try_from(at).unwrap_or(u16::MAX),
            script: &script,
            limit: self.limit(step, Instant::now()),
        };
        let end = self.bed(self.shop.crew.bed.step(&call, &mut capture))?;
        capture.finish().map_err(|error| fault("log", &error))?;
        then(end.exit)
    }

    /// A step of this name in any cell of the same platform and option.
    fn like(&self, name: &str) -> Option<&Step> {
        let [platform, option, _] = self.cell.parts();
        let cells = self.shop.job.plan.cells.iter();
        let alike = cells.filter(|cell| cell.parts()[..2] == [platform, option]);
        let mut steps = alike.flat_map(|cell| &cell.steps);
        steps.find(|step| step.name == name)
    }

    fn look(&self, inspection: &mut dyn Inspection, when: Look) -> Result<(), Break> {
        if !inspection.looks(when) {
            return Ok(());
        }
        self.state(Moment::Intent, State::Collecting)?;
        let looked = inspection.look(&self.zone, when);
        looked.map_err(|why| Break::End(Outcome::Error, format!("look: {why}")))?;
        Ok(self.state(Moment::Done, State::Collecting)?)
    }

    fn bed<T>(&self, done: Result<T, BedError>) -> Result<T, Break> {
        done.map_err(|error| Break::End(Outcome::Error, error.to_string()))
    }

    /// Nothing new is begun in a run that is to end.
    fn go_on(&self) -> Result<(), Break> {
        match self.shop.is_killed() {
            false => Ok(()),
            true => Err(Break::End(Outcome::Cancelled, String::new())),
        }
    }

    fn state(&self, moment: Moment, state: State) -> Result<(), Lost> {
        self.shop.crew.ledger.add(Record::State {
            cell: self.cell.id.clone(),
            attempt: self.number,
            moment,
            state,
        })
    }

    fn record(
        &self,
        at: usize,
        exit: Option<i32>,
        micros: u64,
        shared: bool,
        log: Excerpt,
    ) -> Result<(), Lost> {
        let slow_after = self.cell.steps[at].slow_after;
        self.shop.crew.ledger.add(Record::Step {
            cell: self.cell.id.clone(),
            attempt: self.number,
            step: u16::try_from(at).unwrap_or(u16::MAX),
            micros,
            exit,
            slow: Duration::from_micros(micros) > slow_after,
            shared,
            log,
        })
    }

    fn check(&self, result: CheckResult) -> Result<(), Lost> {
        self.shop.crew.ledger.add(Record::Check {
            cell: self.cell.id.clone(),
            attempt: self.number,
            result,
        })
    }
}

fn fault(layer: &'static str, error: &std::io::Error) -> Break {
    Break::End(Outcome::Error, format!("{layer}: {error}"))
}
