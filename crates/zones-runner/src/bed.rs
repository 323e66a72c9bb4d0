//! Where cells run: all that the executor asks of zones.

use std::path::PathBuf;
use std::time::Duration;

use zones_matrix::Settings;

use crate::capture::Capture;
use crate::evidence::Sampler;

/// Why the test bed could not do something. It is never the product's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: {why}")]
pub struct BedError {
    /// What was being done: `clone`, `boot`, `step`.
    pub layer: &'static str,
    /// Why it was not.
    pub why: String,
}

/// A zone to be made.
#[derive(Debug)]
pub struct Plot<'a> {
    /// Its name.
    pub zone: &'a str,
    /// The run it is made for.
    pub run: &'a str,
    /// The cell it is made for.
    pub cell: &'a str,
    /// The zone of its golden image, whose configuration it has.
    pub model: &'a str,
    /// What it is a clone of.
    pub origin: &'a Origin,
    /// Its limits, network and clock.
    pub settings: &'a Settings,
    /// Folders and files that the zone finds below [`zones_matrix::ARTIFACTS`], by name.
    pub artifacts: &'a [(String, PathBuf)],
}

/// What a zone is a clone of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A zone that is installed.
    pub zone: String,
    /// One of its snapshots; `None` for the zone as it is, halted.
    pub snapshot: Option<String>,
}

/// A step to be run.
#[derive(Debug)]
pub struct Call<'a> {
    /// The zone.
    pub zone: &'a str,
    /// Its place in the cell, from 0.
    pub step: u16,
    /// The text of a script for `/bin/sh`.
    pub script: &'a str,
    /// Time it may take.
    pub limit: Duration,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepEnd {
    /// Its exit status; `None` when its time was up.
    pub exit: Option<i32>,
    /// What it wrote on descriptor 3: lines, without their ends.
    pub reported: Vec<String>,
}

/// What a zone used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The most memory, in bytes; 0 when not known.
    pub peak: u64,
    /// Processes that the kernel killed for want of memory.
    pub killed: u64,
}

/// A zone of some run that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub zone: String,
    /// Whether somebody wanted to keep it.
    pub kept: bool,
}

/// The zones of a run. Each act is whole or undone when its process is killed, and the acts that
/// end something may be repeated.
pub trait Bed: Sync {
    /// Makes a zone: configured, limited, with the files of its origin.
    ///
    /// # Errors
    /// The bed is at fault; what was begun is still to be destroyed.
    fn make(&self, plot: &Plot<'_>) -> Result<(), BedError>;

    /// Boots a zone that is halted.
    ///
    /// # Errors
    /// The bed is at fault.
    fn boot(&self, zone: &str) -> Result<(), BedError>;

    /// Runs a step to its end, or until its time is up.
    ///
    /// # Errors
    /// The zone went away, or could not be entered.
    fn step(&self, call: &Call<'_>, capture: &mut Capture) -> Result<StepEnd, BedError>;

    /// Keeps the files of a zone as they are, under a name.
    ///
    /// # Errors
    /// The bed is at fault.
    fn snapshot(&self, zone: &str, name: &str) -> Result<(), BedError>;

    /// What a running zone used.
    fn usage(&self, zone: &str) -> Usage;

    /// Begins to watch how true time is while a zone that runs does; `None` where nobody can.
    fn sampler(&self, zone: &str) -> Option<Sampler> {
        let _ = zone;
        None
    }

    /// Bytes that a zone takes beyond its image, where its storage does not keep its limit;
    /// `None` where it does, or nobody knows.
    fn disk(&self, zone: &str) -> Option<u64> {
        let _ = zone;
        None
    }

    /// Stops a zone at once, with all its processes; one that is halted stays so.
    ///
    /// # Errors
    /// The bed is at fault.
    fn halt(&self, zone: &str) -> Result<(), BedError>;

    /// Removes a zone in whatever state it is, and all that was made for it; what is gone is fine.
    ///
    /// # Errors
    /// The bed is at fault.
    fn destroy(&self, zone: &str) -> Result<(), BedError>;

    /// Notes that a halted zone stays after its run.
    ///
    /// # Errors
    /// The bed is at fault.
    fn keep(&self, zone: &str) -> Result<(), BedError>;

    /// The zones of all runs.
    ///
    /// # Errors
    /// The bed is at fault.
    fn tenants(&self) -> Result<Vec<Tenant>, BedError>;
}
