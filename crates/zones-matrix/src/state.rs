//! States of a cell, and which may follow which.

use serde::{Deserialize, Serialize};

/// Where a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In the plan, and nothing more.
    Planned,
    /// Waits for its image, an artifact or the touchstones.
    Blocked,
    /// May start.
    Ready,
    /// Its root is being made.
    Cloning,
    /// Its zone starts.
    Booting,
    /// Does the step of this place, from 0.
    Step(u16),
    /// What was seen of it is judged.
    Checking,
    /// Is looked at from outside.
    Collecting,
    /// Its zone stops.
    Halting,
    /// Its root is removed.
    Destroying,
    /// Has a verdict. A zone that is kept comes here without being destroyed.
    Done,
}

/// States without the place of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Planned,
    Blocked,
    Ready,
    Cloning,
    Booting,
    Step,
    Checking,
    Collecting,
    Halting,
    Destroying,
    Done,
}

use Kind as K;

/// State, and the states that may follow.
///
/// A running cell may always go to what takes it down: it is cancelled, its time is up, or the
/// test bed failed. `Ready` follows `Done` and every running state only by a retry or a resume.
const NEXT: [(Kind, &[Kind]); 11] = [
    (K::Planned, &[K::Blocked, K::Ready, K::Done]),
    (K::Blocked, &[K::Ready, K::Done]),
    (K::Ready, &[K::Blocked, K::Cloning, K::Done]),
    (
        K::Cloning,
        &[K::Booting, K::Step, K::Checking, K::Destroying, K::Done],
    ),
    (
        K::Booting,
        &[K::Step, K::Checking, K::Collecting, K::Halting],
    ),
    (K::Step, &[K::Step, K::Checking, K::Collecting, K::Halting]),
    (K::Checking, &[K::Collecting, K::Halting]),
    (
        K::Collecting,
        &[K::Step, K::Checking, K::Collecting, K::Halting],
    ),
    (K::Halting, &[K::Destroying, K::Done]),
    (K::Destroying, &[K::Ready, K::Done]),
    (K::Done, &[K::Ready]),
];

impl State {
    fn kind(self) -> Kind {
        match self {
            Self::Planned => K::Planned,
            Self::Blocked => K::Blocked,
            Self::Ready => K::Ready,
            Self::Cloning => K::Cloning,
            Self::Booting => K::Booting,
            Self::Step(_) => K::Step,
            Self::Checking => K::Checking,
            Self::Collecting => K::Collecting,
            Self::Halting => K::Halting,
            Self::Destroying => K::Destroying,
            Self::Done => K::Done,
        }
    }

    /// Whether `next` may follow. Steps go up; a cell that starts from a snapshot starts in the
    /// middle.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        if let (Self::Step(now), Self::Step(next)) = (self, next) {
            return next == now + 1;
        }
        let row = NEXT.iter().find(|(kind, _)| *kind == self.kind());
        row.is_some_and(|(_, next_kinds)| next_kinds.contains(&next.kind()))
    }

    /// Whether the cell holds a zone, memory and a job of the scheduler.
    #[must_use]
    pub fn is_running(self) -> bool {
        !matches!(
            self,
            Self::Planned | Self::Blocked | Self::Ready | Self::Done
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 12] = [
        State::Planned,
        State::Blocked,
        State::Ready,
        State::Cloning,
        State::Booting,
        State::Step(0),
        State::Step(1),
        State::Checking,
        State::Collecting,
        State::Halting,
        State::Destroying,
        State::Done,
    ];

    #[test]
    fn every_state_has_a_row_and_leads_to_the_end() {
        for state in ALL {
            let mut reached = vec![state];
            while let Some(next) = ALL.iter().find(|next| {
                !reached.contains(next) && reached.iter().any(|from| from.may_become(**next))
            }) {
                reached.push(*next);
            }
            assert!(reached.contains(&State::Done), "{state:?}");
        }
    }

    #[test]
    fn a_running_cell_can_always_be_taken_down() {
        for state in ALL.iter().filter(|state| state.is_running()) {
            let down = [
                State::Collecting,
                State::Halting,
                State::Destroying,
                State::Done,
            ];
            assert!(down.iter().any(|next| state.may_become(*next)), "{state:?}");
        }
    }

    #[test]
    fn no_zone_is_left_behind_by_a_short_cut() {
        // From a state with a zone that runs, the end is reached by way of `Halting` only.
        let running = [
            State::Booting,
            State::Step(0),
            State::Checking,
            State::Collecting,
        ];
        for state in running {
            assert!(!state.may_become(State::Done) && !state.may_become(State::Ready));
            assert!(!state.may_become(State::Destroying), "{state:?}");
        }
        assert!(!State::Step(1).may_become(State::Step(0)));
        assert!(!State::Step(0).may_become(State::Step(2)));
    }
}
