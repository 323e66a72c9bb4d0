//! Removes zones and packs logs beside the cells that run.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use zones_matrix::journal::Record;

use super::Crew;

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
        jobs: u32,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..jobs.clamp(1, THREADS_MAX) {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || work(crew, &receiver));
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

fn work(crew: &Crew<'_>, chores: &Mutex<Receiver<Chore>>) {
    loop {
        let next = chores.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let failed =
            match next {
                Err(_) => return,
                Ok(Chore::Destroy(zone)) => crew.bed.destroy(&zone).err().map(|error| {
                    format!("zone {zone} is left: {error}; `zones matrix gc` removes it")
                }),
                Ok(Chore::Pack(cell)) => crew
                    .folder
                    .pack(&cell)
                    .err()
                    .map(|error| format!("the logs of {cell} are not packed: {error}")),
            };
        // A journal that is lost ends the run by itself.
        if let Some(text) = failed {
            let _ = crew.ledger.add(Record::Note { text });
        }
    }
}
