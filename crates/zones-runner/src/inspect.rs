//! Checks: looked at from outside the zone, judged when the steps are done.

use zones_matrix::journal::{CheckResult, Status};
use zones_matrix::{Cell, Check};

use crate::supply::Golden;

/// When a zone is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Before its first boot.
    Start,
    /// Booted, before its first step.
    Booted,
    /// After the step of this place, running.
    Step(usize),
    /// After all steps and a boot.
    Rebooted,
}

/// Looks at zones.
pub trait Inspector: Sync {
    /// Begins to follow a cell.
    fn open(&self, cell: &Cell, golden: &Golden) -> Box<dyn Inspection>;
}

/// What was seen of one cell.
pub trait Inspection: Send {
    /// Looks at the zone of the cell.
    ///
    /// # Errors
    /// It cannot be looked at: the bed is at fault.
    fn look(&mut self, zone: &str, when: Look) -> Result<(), String>;

    /// The same for another cell whose steps began alike.
    fn fork(&self) -> Box<dyn Inspection>;

    /// Judges one check by all that was seen.
    fn judge(&mut self, check: &Check) -> CheckResult;
}

/// Looks at nothing: every check is skipped.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl Inspector for Blind {
    fn open(&self, _cell: &Cell, _golden: &Golden) -> Box<dyn Inspection> {
        Box::new(Self)
    }
}

impl Inspection for Blind {
    fn look(&mut self, _zone: &str, _when: Look) -> Result<(), String> {
        Ok(())
    }

    fn fork(&self) -> Box<dyn Inspection> {
        Box::new(Self)
    }

    fn judge(&mut self, check: &Check) -> CheckResult {
        CheckResult {
            check: check.to_string(),
            status: Status::Skip,
            message: "nobody looked".to_owned(),
            findings: Vec::new(),
        }
    }
}
