//! What an operation tells while it works.

use zones_ips::{Fmri, Publisher};

use crate::{apply, check};

/// A step of an operation. Told from several threads.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The catalog of a publisher is being refreshed.
    Refresh(&'a Publisher),
    /// A stage of planning begins.
    Stage(Stage),
    /// Manifests: how many are there, of how many.
    Manifests(usize, usize),
    /// Content is being fetched.
    Download(Download<'a>),
    /// The image is being changed.
    Apply(apply::Progress),
    /// A stage of finishing begins.
    Finish(Finish),
    /// Packages verified, of how many.
    Verify(check::Progress),
}

/// How much content is there.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// A package whose content comes now; None at the end.
    pub package: Option<&'a Fmri>,
    /// Files that are there.
    pub files: (usize, usize),
    /// Packed bytes that are there.
    pub bytes: (u64, u64),
    /// Packages that are complete.
    pub packages: (usize, usize),
}

/// Stages of planning, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `Solver setup`.
    Setup,
    /// `Running solver`.
    Solve,
    /// `Fetching manifests`.
    Manifests,
    /// `Package planning`, with all that follows from it.
    Plan,
}

/// Stages of finishing, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finish {
    /// `Updating package state database`.
    State,
    /// `Updating package cache`.
    Cache,
    /// `Updating image state`.
    Image,
}

impl Stage {
    /// The words that pkg(1) prints.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Setup => "Solver setup",
            Self::Solve => "Running solver",
            Self::Manifests => "Finding local manifests",
            Self::Plan => "Package planning",
        }
    }
}

impl Finish {
    /// The words that pkg(1) prints.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::State => "Updating package state database",
            Self::Cache => "Updating package cache",
            Self::Image => "Updating image state",
        }
    }
}

/// Takes events; it must not wait long.
pub type Tell<'a> = &'a (dyn Fn(Event<'_>) + Sync);
