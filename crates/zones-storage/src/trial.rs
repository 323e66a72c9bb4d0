//! A boot environment on trial: active, and not yet seen to come up.
//!
//! `ZONEPATH/be/.trial` is written before the switch and goes when the environment has come up. It
//! counts only while the environment that it names is the active one, so that a file that a killed
//! process left behind means nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zones_store::{StoreError, atomic};

/// The trial of the active environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The environment on trial.
    pub name: String,
    /// The one to go back to.
    pub previous: String,
    /// When it was booted first, seconds since 1970; unset until then, and again after somebody
    /// halted it.
    pub booted: Option<i64>,
}

fn path(zonepath: &Path) -> PathBuf {
    zonepath.join("be/.trial")
}

impl Trial {
    /// What is written down, whichever environment is active.
    pub(crate) fn read(zonepath: &Path) -> Option<Self> {
        let text = atomic::read(&path(zonepath)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Whether there is something to read, true or stale.
    #[must_use]
    pub fn is_written(zonepath: &Path) -> bool {
        path(zonepath).exists()
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, zonepath: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        atomic::write(&path(zonepath), &text, 0o600)
    }

    /// The trial is over, or there is none.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn end(zonepath: &Path) -> Result<(), StoreError> {
        match path(zonepath).exists() {
            true => atomic::remove(&path(zonepath)),
            false => Ok(()),
        }
    }

    /// The trial that a switch from `active` to `next` begins; `None` when `next` is the one that
    /// is gone back to, which has come up before.
    pub(crate) fn of_switch(zonepath: &Path, active: &str, next: &str) -> Option<Self> {
        let now = Self::read(zonepath).filter(|it| it.name == active);
        let previous = match now {
            Some(trial) if trial.previous == next => return None,
            Some(trial) => trial.previous,
            None => active.to_owned(),
        };
        Some(Self {
            name: next.to_owned(),
            previous,
            booted: None,
        })
    }
}
