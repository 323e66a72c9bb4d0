//! Removes zones and packs logs beside the cells that run.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use zones_matrix::journal::{Moment, Record};
use zones_matrix::{Plan, State};

use super::caught::caught;
use super::{Crew, Job};

/// What is to be done.
enum Chore {
    Destroy(String),
    Pack(String),
}

/// Threads that do it.
pub(super) struct Undertaker {
    chores: Option<Sender<Chore>>,
}

/// More would only wait for each other: removal is work of the disk.
const THREADS_MAX: u32 = 2;

impl Undertaker {
    pub(super) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        crew: &'scope Crew<'_>,
        job: &'scope Job<'_>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..job.limits.jobs.clamp(1, THREADS_MAX) {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || work(crew, job.plan, &receiver));
        }
        let chores = Some(sender);
        Self { chores }
    }

    pub(super) fn take(&self, zone: String) {
        self.send(Chore::Destroy(zone));
    }

    pub(super) fn pack(&self, cell: String) {
        self.send(Chore::Pack(cell));
    }

    fn send(&self, chore: Chore) {
        if let Some(chores) = &self.chores {
            let _ = chores.send(chore);
        }
    }

    /// What was given is still done; then the threads end.
    pub(super) fn close(&mut self) {
        self.chores = None;
    }
}

/// Does it; what went wrong.
fn failure(crew: &Crew<'_>, plan: &Plan, chore: &Chore) -> Option<String> {
    match chore {
        Chore::Destroy(zone) => {
            let tell = |moment| {
                // A journal that is lost ends the run by itself.
                let record = record(plan, zone, moment);
                record.map(|it| crew.ledger.add(it))
            };
            tell(Moment::Intent);
            let failed = caught(|| crew.bed.destroy(zone));
            let failed = failed.map_or_else(Some, |done| done.err().map(|it| it.to_string()));
            tell(Moment::Done);
            failed.map(|why| format!("zone {zone} is left: {why}; `zones matrix gc` removes it"))
        }
        Chore::Pack(cell) => {
            let failed = crew.folder.pack(cell).err();
            failed.map(|error| format!("the logs of {cell} are not packed: {error}"))
        }
    }
}

/// That a zone goes: its name tells the place of its cell, and the attempt.
fn record(plan: &Plan, zone: &str, moment: Moment) -> Option<Record> {
    let (rest, attempt) = zone.rsplit_once('-')?;
    let (_, place) = rest.rsplit_once('-')?;
    let cell = plan.cells.get(place.parse::<usize>().ok()?)?;
    Some(Record::State {
        cell: cell.id.clone(),
        attempt: attempt.parse().ok()?,
        moment,
        state: State::Destroying,
    })
}

fn work(crew: &Crew<'_>, plan: &Plan, chores: &Mutex<Receiver<Chore>>) {
    loop {
        let next = chores.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(chore) = next else { return };
        let failed = caught(|| failure(crew, plan, &chore)).unwrap_or_else(Some);
        // A journal that is lost ends the run by itself.
        if let Some(text) = failed {
            let _ = crew.ledger.add(Record::Note { text });
        }
    }
}
