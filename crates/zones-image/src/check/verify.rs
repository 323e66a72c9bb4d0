//! Packages compared with what is on disk.

use zones_ips::{Fmri, ImagePath};
use zones_sys::RootFd;

use super::Report;
use crate::plan::{Package, Policy};

/// How to verify.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of licences, as in [`crate::apply::Options`].
    pub licenses: ImagePath,
    /// Threads; 0 is as many as there are processors.
    pub threads: usize,
}

/// How far verification is. Called from several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Packages done.
    pub done: usize,
    /// Packages to verify.
    pub total: usize,
}

/// Verifies those packages that `is_wanted` names. Give ALL installed packages: they decide
/// together which mediated links and overlaid files an image has.
#[must_use]
pub fn verify(
    _root: &RootFd,
    _packages: &[Package],
    _is_wanted: &dyn Fn(&Fmri) -> bool,
    _policy: &Policy,
    _options: &Options,
    _progress: &(dyn Fn(Progress) + Sync),
) -> Report {
    Report::default()
}
