//! Runs the plan of a support matrix in zones.
//!
//! A matrix has a host of its own: a folder that `-R` names, where golden images and cells are
//! zones like any other, so that `zoneadm -R`, `zlogin -R` and `zoneadm doctor` know them. All that
//! is done to them is done by the [`Verbs`] that a person would use; each survives being killed, so
//! a run does.

pub mod evidence;
mod verbs;

pub use verbs::{Said, VerbError, Verbs};
