//! The plan: every cell of a matrix with all it needs, made without touching anything.
//!
//! Equal input gives an equal plan. What a plan must know of the world - bytes of files, variables,
//! what an image is made of just now - it asks of a [`World`].

mod artifact;
mod cell;
mod expand;
mod files;
mod image;
mod include;
mod json;
mod order;
mod prefix;
mod select;
mod shard;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::config::{Matrix, MatrixError};
use crate::key::Key;

pub use artifact::{Artifact, Source};
pub use cell::{Cell, Expected, Step};
pub use image::{Image, Platform};
pub use json::PLAN_SCHEMA;
pub(crate) use order::chance;
pub use prefix::{Node, Prefixes};
pub use select::SelectError;
pub use shard::{Shard, ShardError};

/// Where a zone finds the artifacts of its cell; `{artifact}` is a folder or file below.
pub const ARTIFACTS: &str = "/run/matrix/artifacts";

/// What a plan asks of the world.
pub trait World {
    /// The hash of a file, or of all of a folder (names, modes, contents), below the folder of the
    /// matrix file; `None` when there is nothing of that name.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    fn digest(&self, path: &str) -> Result<Option<Key>, String>;

    /// Whether a variable of the environment is set.
    fn is_set(&self, variable: &str) -> bool;

    /// What the origin of a platform's image stands for just now: digests of indices, versions of
    /// packages, the emulator, the layout of ids. `Null` when it is not known yet.
    fn resolved(&self, platform: &str) -> Value;

    /// As [`resolved`](Self::resolved), for who has to see the other inputs of the image to know:
    /// its brand, its origin, its packages.
    ///
    /// # Errors
    ///
    /// Why it cannot be found out, with the remedy.
    fn resolve(&self, platform: &str, _inputs: &Value) -> Result<Value, String> {
        Ok(self.resolved(platform))
    }
}

/// What a plan depends on besides the file and the world.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Today; an expected failure ends after its date.
    pub today: Date,
    /// The seed of every order and delay by chance.
    pub seed: u64,
    /// Whether more cells than `max-cells` are wanted.
    pub many: Many,
    /// How long cells took in earlier runs.
    pub history: History,
}

/// Whether a plan may have more cells than `max-cells`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// Yes.
    Wanted,
    /// No: it is an error.
    Refused,
}

/// Microseconds that cells took in earlier runs, and the most memory they used, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Microseconds by id.
    pub micros: BTreeMap<String, u64>,
    /// Bytes by id.
    pub peaks: BTreeMap<String, u64>,
}

/// A matrix, spelled out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The product under test.
    pub name: String,
    /// The seed of orders by chance.
    pub seed: u64,
    /// Platforms by id.
    pub platforms: Vec<Platform>,
    /// Artifacts that some cell needs, by name and platform.
    pub artifacts: Vec<Artifact>,
    /// Cells by id.
    pub cells: Vec<Cell>,
    /// Places in `cells` in the order in which cells start: touchstones, then the rest.
    pub order: Vec<usize>,
    /// Steps of all cells, equal beginnings once.
    pub prefixes: Prefixes,
}

/// Makes the plan of a matrix.
///
/// # Errors
///
/// Everything in the file that cannot be: templates that name nothing, filters that meet no cell,
/// expected failures past their date, files that are missing, ids that two cells share, too many
/// cells without consent.
pub fn plan(
    matrix: &Matrix,
    world: &dyn World,
    circumstances: &Circumstances,
) -> Result<Plan, MatrixError> {
    expand::expand(matrix, world, circumstances)
}

impl Plan {
    /// The key of the whole plan: equal keys are equal cells, steps, images and artifacts.
    #[must_use]
    pub fn key(&self) -> Key {
        let mut bytes = Vec::with_capacity(64 * self.cells.len());
        for cell in &self.cells {
            bytes.extend_from_slice(cell.id.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(cell.key.bytes());
        }
        Key::of_bytes(&bytes)
    }

    /// The cell of an id.
    #[must_use]
    pub fn cell(&self, id: &str) -> Option<&Cell> {
        let at = self
            .cells
            .binary_search_by(|cell| cell.id.as_str().cmp(id))
            .ok()?;
        Some(&self.cells[at])
    }

    /// The platform of a cell.
    #[must_use]
    pub fn platform(&self, cell: &Cell) -> &Platform {
        &self.platforms[cell.platform]
    }

    /// Steps of all cells, each counted for each cell.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.cells.iter().map(|cell| cell.steps.len()).sum()
    }
}
