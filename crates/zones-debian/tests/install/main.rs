//! Whole installations from a mirror on loopback whose packages and keys are made here.
#![allow(clippy::unwrap_used, missing_docs)]

mod deb;
mod faults;
mod fetching;
mod mirror;
mod repository;
mod whole;
