//! Checks: looked at from outside the zone, judged when the steps are done.

use zones_matrix::checks::Extra;
use zones_matrix::journal::{CheckResult, Status};
use zones_matrix::{Cell, Check};

use crate::supply::Golden;

/// When a zone is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Before its first step, just booted.
    Start,
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

    /// Whether the zone is to be looked at after a reboot.
    fn wants_reboot(&self) -> bool {
        false
    }

    /// Steps that are to be run once more, each in a zone of its own.
    fn extras(&self) -> Vec<Extra> {
        Vec::new()
    }

    /// Looks at the zone of such a step.
    ///
    /// # Errors
    /// As those of [`look`](Self::look).
    fn again(&mut self, extra: Extra, exit: Option<i32>, zone: &str) -> Result<(), String> {
        let _ = (extra, exit, zone);
        Ok(())
    }

    /// The zone is about to be kept as it is now, for cells that go on from here.
    fn leaves(&mut self, _zone: &str) {}

    /// The zone is a copy of one that was kept, and was booted: waits until it runs the services
    /// that the other one did, as if it had never been down.
    fn resumes(&self, _zone: &str) {}

    /// The same for a cell whose steps began alike: this one, or another.
    fn fork(&self, cell: &Cell) -> Box<dyn Inspection>;

    /// What no check asked for and is worth telling.
    fn warnings(&self) -> Vec<CheckResult> {
        Vec::new()
    }

    /// Whether there is anything to see at this moment.
    fn looks(&self, _when: Look) -> bool {
        true
    }

    /// Judges one check by all that was seen.
    fn judge(&mut self, check: &Check) -> CheckResult;

    /// Whether it looks at all. A check that such a one skips says that the bed is at fault.
    fn sees(&self) -> bool {
        true
    }
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

    fn fork(&self, _cell: &Cell) -> Box<dyn Inspection> {
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

    fn sees(&self) -> bool {
        false
    }
}
