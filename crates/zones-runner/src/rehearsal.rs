//! A cell up to some point, for a person who wants to look at it: its zone is made, steps are run,
//! and it stays up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zones_matrix::{Cell, Plan, Step};

use crate::bed::{Bed, BedError, Call, Plot, StepEnd};
use crate::capture::{Capture, Gist};
use crate::script::{self, Reported};
use crate::site::Site;
use crate::supply::{Lack, Supply};

/// As in a run: a step that asks for more reboots never ends.
const REBOOTS_MAX: u32 = 16;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The cell.
    pub cell: &'a Cell,
    /// How many of its steps are run.
    pub steps: usize,
    /// The id of the run that it counts as, which is claimed.
    pub run: &'a str,
}

/// Makes the zone of a cell and runs its first steps; its name comes back. It is up, the scripts of
/// all steps are in `/run/matrix/steps` and logs in `/run/matrix/logs`. A step that fails is told,
/// and is the last one. The zone is the caller's, to be destroyed.
///
/// # Errors
/// What the supply or the bed says; nothing is left then.
pub fn rehearse(
    bed: &dyn Bed,
    supply: &dyn Supply,
    site: &Site,
    wanted: &Rehearsal<'_>,
    say: &dyn Fn(&str),
) -> Result<String, String> {
    let zone = format!("{}-0-1", Site::tag(wanted.run));
    let stage = Stage {
        bed,
        wanted,
        zone: &zone,
        folder: &site.cells().join(&zone),
        say,
    };
    match stage.play(supply) {
        Ok(()) => Ok(zone),
        Err(why) => {
            // The first error is told; what is left goes with the next run.
            let _ = bed.destroy(&zone);
            Err(why)
        }
    }
}

struct Stage<'a> {
    bed: &'a dyn Bed,
    wanted: &'a Rehearsal<'a>,
    zone: &'a str,
    /// What the zone finds below `/run/matrix`.
    folder: &'a Path,
    say: &'a dyn Fn(&str),
}

impl Stage<'_> {
    fn play(&self, supply: &dyn Supply) -> Result<(), String> {
        let (plan, cell) = (self.wanted.plan, self.wanted.cell);
        let lacking = |lack: Lack| match lack {
            Lack::Blocked(why) | Lack::Impure(why) => why,
        };
        let golden = supply.golden(plan.platform(cell)).map_err(lacking)?;
        let mut artifacts: Vec<(String, PathBuf)> = Vec::new();
        for (at, step) in cell.steps.iter().enumerate() {
            let Some(name) = &step.artifact else { continue };
            if artifacts.iter().any(|(known, _)| known == name) {
                continue;
            }
            let platform = &plan.platform(cell).id;
            let mut known = plan.artifacts.iter();
            let artifact = known.find(|it| it.name == *name && it.platform == *platform);
            let artifact = artifact.ok_or_else(|| format!("no artifact `{name}`"))?;
            match supply.artifact(artifact).map_err(lacking) {
                Ok(path) => artifacts.push((name.clone(), path)),
                // Only a step that is not run needs it.
                Err(why) if at >= self.wanted.steps => (self.say)(&why),
                Err(why) => return Err(why),
            }
        }
        let plot = Plot {
            zone: self.zone,
            run: self.wanted.run,
            cell: &cell.id,
            model: &golden.origin.zone,
            origin: &golden.origin,
            settings: &cell.settings,
            artifacts: &artifacts,
        };
        told(self.bed.make(&plot))?;
        self.scripts().map_err(|error| format!("steps: {error}"))?;
        told(self.bed.boot(self.zone))?;
        for (at, step) in cell.steps[..self.wanted.steps].iter().enumerate() {
            let (end, gist) = self.step(at, step)?;
            let how = match end.exit {
                Some(0) => continue,
                Some(status) => format!("exit status {status}"),
                None => "its time is up".to_owned(),
            };
            (self.say)(&gist.text);
            (self.say)(&format!(
                "step {} failed ({how}); the zone is as it left it",
                step.name
            ));
            break;
        }
        Ok(())
    }

    /// The scripts of all steps, so that those that were not run can be.
    fn scripts(&self) -> std::io::Result<()> {
        let folder = self.folder.join("steps");
        fs::create_dir_all(&folder)?;
        for (at, step) in self.wanted.cell.steps.iter().enumerate() {
            let script = script::text(self.wanted.cell, step, 1, "");
            fs::write(folder.join(format!("{:02}", at + 1)), script)?;
        }
        Ok(())
    }

    fn step(&self, at: usize, step: &Step) -> Result<(StepEnd, Gist), String> {
        (self.say)(&format!("step {}", step.name));
        let log = self.folder.join(format!("logs/{:02}.log", at + 1));
        let failed = |error: std::io::Error| format!("{}: {error}", log.display());
        let mut capture = Capture::create(&log, &step.run).map_err(failed)?;
        let end = self.until_no_reboot(at, step, &mut capture);
        let gist = capture.finish().map_err(failed)?;
        Ok((end?, gist))
    }

    fn until_no_reboot(
        &self,
        at: usize,
        step: &Step,
        capture: &mut Capture,
    ) -> Result<StepEnd, String> {
        let mut mark = String::new();
        for _ in 0..REBOOTS_MAX {
            let script = script::text(self.wanted.cell, step, 1, &mark);
            let call = Call {
                zone: self.zone,
                step: u16::try_from(at).unwrap_or(u16::MAX),
                script: &script,
                limit: self.limit(step),
            };
            let end = told(self.bed.step(&call, capture))?;
            let mut said = script::reported(&end.reported).into_iter();
            let next = said.find_map(|it| match it {
                Reported::Reboot(mark) => Some(mark),
                Reported::Result(_) => None,
            });
            match next {
                Some(next) if end.exit == Some(0) => {
                    told(self.bed.halt(self.zone))?;
                    told(self.bed.boot(self.zone))?;
                    mark = next;
                }
                _ => return Ok(end),
            }
        }
        Err(format!("{}: more than {REBOOTS_MAX} reboots", step.name))
    }

    fn limit(&self, step: &Step) -> Duration {
        let whole = self.wanted.cell.settings.timeout;
        step.timeout.map_or(whole, |own| own.min(whole))
    }
}

fn told<T>(done: Result<T, BedError>) -> Result<T, String> {
    done.map_err(|error| error.to_string())
}
