//! What becomes of each file, decided before anything is fetched.

use std::io;

use zones_ips::hash::Extract;
use zones_ips::preserve::{self, Case, Direction, Disk as State, Outcome, Removal};
use zones_ips::{Action, ActionError, ActionKind, Fmri, ImagePathRef};

use super::{Disk, Item, Plan, PlanError, Step, Way};

/// Decides for all steps.
pub(crate) fn files(plan: &mut Plan, disk: &dyn Disk) -> Result<(), PlanError> {
    let mut removals = std::mem::take(&mut plan.removals);
    let mut installs = std::mem::take(&mut plan.installs);
    let mut updates = std::mem::take(&mut plan.updates);
    for steps in [&mut removals, &mut installs, &mut updates] {
        for step in steps {
            decide(plan, step, disk)?;
        }
    }
    plan.removals = removals;
    plan.installs = installs;
    plan.updates = updates;
    Ok(())
}

/// Decides for one step.
pub(crate) fn decide(plan: &Plan, step: &mut Step, disk: &dyn Disk) -> Result<(), PlanError> {
    let file =
        |item: Option<Item>| item.filter(|item| plan.action(*item).kind() == ActionKind::File);
    let (from, to) = (file(step.from), file(step.to));
    if let (Some(from), None) = (from, to) {
        let removal = going(plan.action(from), disk);
        step.removal = Some(removal.map_err(|cause| cause.told(plan, from))?);
    }
    if let Some(to) = to {
        let from = from.map(|item| plan.action(item));
        let outcome = coming(step.way, from, plan.action(to), disk);
        step.outcome = Some(outcome.map_err(|cause| cause.told(plan, to))?);
    }
    Ok(())
}

/// Why a decision could not be made.
#[derive(Debug)]
pub(crate) enum Cause {
    Action(ActionError),
    Disk(io::Error),
}

impl Cause {
    fn told(self, plan: &Plan, item: Item) -> PlanError {
        match self {
            Self::Action(source) => action_error(plan.fmri(item), source),
            Self::Disk(source) => match plan.action(item).path() {
                Ok(path) => PlanError::Disk {
                    path: path.to_owned(),
                    source,
                },
                Err(source) => action_error(plan.fmri(item), source),
            },
        }
    }
}

impl From<ActionError> for Cause {
    fn from(error: ActionError) -> Self {
        Self::Action(error)
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn action_error(fmri: &Fmri, source: ActionError) -> PlanError {
    PlanError::Action {
        fmri: Box::new(fmri.clone()),
        source,
    }
}

/// What happens to a file that goes for good.
pub(crate) fn going(action: &Action, disk: &dyn Disk) -> Result<Removal, Cause> {
    let Some(how) = action.preserve()? else {
        return Ok(Removal::Delete);
    };
    let state = state(action.path()?, action, disk)?;
    Ok(preserve::remove(Some(how), state))
}

/// What happens to the content of a file that comes.
pub(crate) fn coming(
    way: Way,
    from: Option<&Action>,
    to: &Action,
    disk: &dyn Disk,
) -> Result<Outcome, Cause> {
    let path = to.path()?;
    let Way::Change(direction) = way else {
        let is_whole = state(path, to, disk)? == State::Unchanged;
        return Ok(if is_whole {
            Outcome::Keep
        } else {
            Outcome::Write
        });
    };
    let is_editable = to.preserve()?.is_some();
    let is_same = from.is_some_and(|from| from.payload() == to.payload());
    if !is_editable && direction != Direction::Repair {
        // The content is the package's own: nothing on disk matters but that the file is there.
        let is_there =
            is_same && from.is_some_and(|it| it.key() == to.key()) && disk.is_file(path)?;
        return Ok(if is_there {
            Outcome::Keep
        } else {
            Outcome::Write
        });
    }
    let place = place(from, path, disk)?;
    let state = match from {
        None if disk.is_file(path)? => State::Edited,
        None => State::Missing,
        Some(from) => state(place, from, disk)?,
    };
    let outcome = preserve::decide(&Case::of(direction, state, from, to)?);
    // A file that is the coming one already was laid by the same operation before it was killed:
    // doing it again would push the administrator's file out of the name beside it.
    let is_done = state == State::Edited
        && outcome.needs_content()
        && self::state(place, to, disk)? == State::Unchanged;
    Ok(if is_done { Outcome::Keep } else { outcome })
}

/// Where the file is now: where it shall be, or where it was under its original name.
fn place<'a>(
    from: Option<&'a Action>,
    path: ImagePathRef<'a>,
    disk: &dyn Disk,
) -> Result<ImagePathRef<'a>, Cause> {
    match from {
        Some(from) if from.key() != Some(path.as_str()) && !disk.is_file(path)? => Ok(from.path()?),
        _ => Ok(path),
    }
}

/// The file at `path` against the content of `action`.
fn state(path: ImagePathRef<'_>, action: &Action, disk: &dyn Disk) -> Result<State, Cause> {
    let Some(expected) = action.digests(Extract::File).first().copied() else {
        let is_there = disk.is_file(path)?;
        return Ok(if is_there {
            State::Edited
        } else {
            State::Missing
        });
    };
    if let (Some(expected), Some(size)) = (action.size(), disk.size(path)?)
        && expected != size
    {
        return Ok(State::Edited);
    }
    Ok(match disk.digest(path, expected.algorithm())? {
        None => State::Missing,
        Some(found) if found == expected => State::Unchanged,
        Some(_) => State::Edited,
    })
}
