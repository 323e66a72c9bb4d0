//! The journal of a run, shared by all who act.

mod scribe;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use scribe::Scribe;
use zones_matrix::journal::{Record, Sink, Writer};

/// The journal cannot be written: the run must stop, nothing more is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal of the run cannot be written; nothing is done without it")]
pub struct Lost;

/// Sees every record, in order.
pub type Watch<'a> = dyn Fn(Duration, &Record) + Sync + 'a;

/// The journal of a run that is on its way.
pub struct Ledger<'a> {
    writer: Mutex<Writer<Box<dyn Sink + Send>>>,
    began: Instant,
    lost: Arc<AtomicBool>,
    watch: &'a Watch<'a>,
    /// Where it can be brought to disk beside what is written.
    scribe: Option<Scribe>,
}

impl fmt::Debug for Ledger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl<'a> Ledger<'a> {
    /// A journal that begins now; `watch` sees what is written.
    #[must_use]
    pub fn new(sink: Box<dyn Sink + Send>, watch: &'a Watch<'a>) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        // Without a twin, whoever writes waits.
        let twin = sink.twin().ok().flatten();
        Self {
            scribe: twin.map(|syncer| Scribe::start(syncer, Arc::clone(&lost))),
            writer: Mutex::new(Writer::new(sink)),
            began: Instant::now(),
            lost,
            watch,
        }
    }

    /// Time since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Adds a record. It is on disk soon, and the end of a run when this returns.
    ///
    /// # Errors
    /// [`Lost`], from then on always.
    pub fn add(&self, record: Record) -> Result<(), Lost> {
        let is_end = matches!(record, Record::End { .. });
        let is_final = record.is_final();
        self.write(|writer, at| {
            (self.watch)(at, &record);
            match self.scribe {
                Some(_) => writer.append(at, record),
                None => writer.add(at, record),
            }
        })?;
        match &self.scribe {
            Some(scribe) if is_end => scribe.finish(),
            Some(scribe) => scribe.written(is_final),
            None => {}
        }
        match self.lost.load(Ordering::Acquire) {
            true => Err(Lost),
            false => Ok(()),
        }
    }

    /// Brings to disk what has waited long enough.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn tick(&self) -> Result<(), Lost> {
        match self.scribe {
            Some(_) => Ok(()),
            None => self.write(Writer::tick),
        }
    }

    fn write(
        &self,
        act: impl FnOnce(&mut Writer<Box<dyn Sink + Send>>, Duration) -> std::io::Result<()>,
    ) -> Result<(), Lost> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lost.load(Ordering::Acquire) {
            return Err(Lost);
        }
        // The time is taken under the lock, so that the journal is in its order.
        act(&mut writer, self.began.elapsed()).map_err(|_| {
            self.lost.store(true, Ordering::Release);
            Lost
        })
    }
}
