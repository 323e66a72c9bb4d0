//! Runs the plan of a support matrix in zones.
//!
//! A matrix has a host of its own: a folder that `-R` names, where golden images and cells are
//! zones like any other, so that `zoneadm -R`, `zlogin -R` and `zoneadm doctor` know them. All that
//! is done to them is done by the [`Verbs`] that a person would use; each survives being killed, so
//! a run does.
//!
//! [`execute`] runs cells: it knows a [`Bed`] for zones, a [`Supply`] of images and artifacts, an
//! [`Inspector`] for checks and a [`Ledger`] for the journal, and none of what is behind them.
//! [`ByVerbs`] is the bed of a real run, [`Site`] the host of zones, [`RunFolder`] what stays.

pub mod artifacts;
mod bed;
mod by_verbs;
mod capture;
mod digest;
pub mod evidence;
mod executor;
mod eyes;
mod folder;
pub mod images;
mod inspect;
mod ledger;
pub mod network;
pub mod package;
mod recover;
mod rehearsal;
pub mod scale;
mod script;
mod site;
mod stock;
mod supply;
mod verbs;

pub use bed::{Bed, BedError, Call, Origin, Plot, StepEnd, Tenant, Usage};
pub use by_verbs::ByVerbs;
pub use capture::{Capture, Gist, LOG_PART_MAX, Stream};
pub use executor::{Crew, ExecuteError, Helm, Job, Order, Orders, execute};
pub use eyes::Eyes;
pub use folder::{
    FolderError, Phases, RunFolder, history, note_history, phases, runs, write_merged,
    write_reports,
};
pub use inspect::{Blind, Inspection, Inspector, Look};
pub use ledger::{Ledger, Lost, Watch};
pub use recover::{Left, halt_all, sweep};
pub use rehearsal::{Rehearsal, rehearse};
pub use script::{FOLDER, REPORT, SOURCE};
pub use site::{Claim, PREFIX, Site};
pub use stock::Stock;
pub use supply::{Golden, Lack, Supply};
pub use verbs::{Said, VerbError, Verbs};
