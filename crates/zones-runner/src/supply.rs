//! What cells are made from: golden images and artifacts.

use std::path::PathBuf;

use zones_matrix::leftovers::Noise;
use zones_matrix::{Artifact, Key, Platform};

use crate::bed::Origin;

/// What the cells of a platform are clones of.
#[derive(Debug, Clone)]
pub struct Golden {
    /// The zone, or a snapshot of it.
    pub origin: Origin,
    /// The key of its content; `None` when nobody knows it.
    pub key: Option<Key>,
    /// Whether it may be older than what its origin stands for now.
    pub stale: bool,
    /// What its platform changes by itself.
    pub noise: Noise,
}

/// Why something that cells need is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It cannot be had: cells that need it are blocked.
    Blocked(String),
    /// Its build was not clean.
    Impure(String),
}

/// Where golden images and artifacts come from. Each is asked for once in a run, several at a
/// time.
pub trait Supply: Sync {
    /// The golden image of a platform, made when it is not there.
    ///
    /// # Errors
    /// It cannot be had.
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack>;

    /// The file or folder of an artifact, made when it is not there.
    ///
    /// # Errors
    /// It cannot be had.
    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack>;
}
