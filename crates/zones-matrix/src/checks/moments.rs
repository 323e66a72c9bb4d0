//! Moments of a cell at which its zone was looked at, and those that a check wants.

use crate::check::Check;
use crate::leftovers::Inventory;

/// A step that was run, and the zone after it.
#[derive(Debug, Clone, Copy)]
pub struct After<'a> {
    /// As the scenario calls it: `install:new`.
    pub step: &'a str,
    /// The zone right after it; unset where nobody looked.
    pub inventory: Option<&'a Inventory>,
}

/// A step that was run once more for a check.
#[derive(Debug, Clone, Copy)]
pub struct Repeated<'a> {
    /// What was asked for.
    pub extra: &'a Extra,
    /// Its exit status; `None` when a signal or the time limit ended it.
    pub exit: Option<i32>,
    /// The zone after it.
    pub inventory: Option<&'a Inventory>,
}

/// What is known of a cell.
#[derive(Debug, Clone, Default)]
pub struct Moments<'a> {
    /// The golden image, or a clone of it that was booted and nothing else.
    pub golden: Option<&'a Inventory>,
    /// Steps in their order.
    pub steps: Vec<After<'a>>,
    /// The zone after its last reboot.
    pub rebooted: Option<&'a Inventory>,
    /// A zone with nothing but the newest artifact installed.
    pub fresh: Option<&'a Inventory>,
    /// Steps that were run once more.
    pub repeated: Vec<Repeated<'a>>,
    /// Services that the option says must run.
    pub services: &'a [String],
}

/// A moment that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// The golden image.
    Golden,
    /// After the step of this place, from 0.
    Step(usize),
    /// After the last step.
    Last,
    /// After the last step, while the zone still runs.
    Alive,
    /// After a reboot, once the zone has settled.
    Rebooted,
    /// A fresh installation in another clone.
    Fresh,
}

/// A step that a check needs beyond those of the scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// Run the step of this place again at the end, in a clone of the cell's last state.
    Again(usize),
    /// Run this step - `install:new` - in a fresh clone of the golden image. Where another cell of
    /// the same platform and option begins with it, its inventory does.
    Fresh(String),
}

/// What a check needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Want {
    /// Moments, in order.
    pub moments: Vec<When>,
    /// More steps.
    pub extras: Vec<Extra>,
}

/// A moment is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nobody looked at the zone {0}; `wanted` says when to look")]
pub struct Absent(pub String);

/// The artifact of a step's name.
pub(super) fn artifact(step: &str) -> Option<&str> {
    step.split_once(':').map(|(_, artifact)| artifact)
}

/// Places of steps that bring an artifact.
pub(super) fn deliveries(steps: &[&str]) -> Vec<usize> {
    let places = steps.iter().enumerate();
    let places = places.filter(|(_, step)| artifact(step).is_some());
    places.map(|(at, _)| at).collect()
}

/// The places before, of and after the last upgrade: where the release it replaced was installed,
/// the step in front of it, and itself.
pub(super) fn upgrade(steps: &[&str]) -> Option<[usize; 3]> {
    let places = deliveries(steps);
    let [.., before, last] = places.as_slice() else {
        return None;
    };
    Some([*before, last - 1, *last])
}

pub(super) fn wanted(check: &Check, steps: &[&str]) -> Want {
    let places = deliveries(steps);
    let (mut moments, mut extras) = (vec![When::Golden, When::Last], Vec::new());
    match check {
        Check::FilesOwned | Check::NoBrokenSymlinks | Check::DepsClosed => {}
        Check::Timing => moments.clear(),
        Check::ServicesUp => moments = vec![When::Alive, When::Rebooted],
        Check::NoLeftovers | Check::NoProcesses => {
            moments = vec![When::Golden, When::Last, When::Alive, When::Rebooted];
        }
        Check::NoUsers | Check::NoServices => moments.push(When::Rebooted),
        Check::NoIpc => moments.push(When::Alive),
        Check::ConfigPreserved => {
            let at = upgrade(steps).unwrap_or_default();
            moments = at.into_iter().map(When::Step).collect();
        }
        Check::NoOrphansFrom(from) => {
            let of = |at: &&usize| artifact(steps[**at]) == Some(from);
            let at = places.iter().rfind(of).copied();
            moments = at.map(When::Step).into_iter().chain([When::Last]).collect();
        }
        Check::EqualsFresh => {
            moments = vec![When::Fresh, When::Last];
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                let verb = steps[*first].split(':').next().unwrap_or_default();
                let newest = artifact(steps[*last]).unwrap_or_default();
                extras.push(Extra::Fresh(format!("{verb}:{newest}")));
            }
        }
        Check::Reinstallable => {
            let first = places.first().copied();
            moments = first
                .map(When::Step)
                .into_iter()
                .chain([When::Last])
                .collect();
            extras.extend(first.map(Extra::Again));
        }
        Check::Idempotent => {
            moments = vec![When::Last];
            extras.extend(places.last().copied().map(Extra::Again));
        }
    }
    moments.dedup();
    Want { moments, extras }
}

impl<'a> Moments<'a> {
    pub(super) fn golden(&self) -> Result<&'a Inventory, Absent> {
        self.golden
            .ok_or_else(|| Absent("before the first step".to_owned()))
    }

    /// The zone after its last step.
    pub(super) fn last(&self) -> Result<&'a Inventory, Absent> {
        let last = self.steps.last().and_then(|after| after.inventory);
        // A cell without steps is its golden image.
        let bare = self.golden.filter(|_| self.steps.is_empty());
        last.or(bare)
            .ok_or_else(|| Absent("after the last step".to_owned()))
    }

    pub(super) fn after(&self, place: usize) -> Result<&'a Inventory, Absent> {
        let step = self.steps.get(place);
        let name = step.map_or("that was never run", |after| after.step);
        step.and_then(|after| after.inventory)
            .ok_or_else(|| Absent(format!("after step `{name}`")))
    }

    pub(super) fn of_artifact(&self, wanted: &str) -> Result<&'a Inventory, Absent> {
        let of = |after: &After<'_>| artifact(after.step) == Some(wanted);
        match self.steps.iter().rposition(of) {
            Some(place) => self.after(place),
            None => Err(Absent(format!("after a step with the artifact `{wanted}`"))),
        }
    }

    pub(super) fn names(&self) -> Vec<&'a str> {
        self.steps.iter().map(|after| after.step).collect()
    }

    pub(super) fn repeated(&self, wanted: &Extra) -> Result<Repeated<'a>, Absent> {
        let found = self.repeated.iter().find(|done| done.extra == wanted);
        found.copied().ok_or_else(|| {
            let name = match wanted {
                Extra::Again(place) => self.steps.get(*place).map_or("", |after| after.step),
                Extra::Fresh(step) => step,
            };
            Absent(format!("after step `{name}` was run once more"))
        })
    }
}
