//! One step of a plan.

use zones_ips::preserve::{Direction, Outcome, Removal};

/// An action of a package of a plan; read it by [`super::Plan::action`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    package: u32,
    action: u32,
}

impl Item {
    /// Packages and actions of one image are below 2^32: a manifest has at most 2^28 bytes.
    pub(crate) fn new(package: usize, action: usize) -> Self {
        let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            package: cut(package),
            action: cut(action),
        }
    }

    pub(crate) fn package(self) -> usize {
        self.package as usize
    }

    pub(crate) fn action(self) -> usize {
        self.action as usize
    }
}

/// Why a step is taken; decides what becomes of an editable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Packages come, go or change.
    Change(Direction),
    /// The packaged content is wanted back, edited or not: `pkg revert`.
    Revert,
}

/// One action that goes, comes, or becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is there until now.
    pub from: Option<Item>,
    /// What is there from now on.
    pub to: Option<Item>,
    /// Why.
    pub way: Way,
    /// What happens to the content of the coming file; None for what is no file.
    pub outcome: Option<Outcome>,
    /// What happens to the going file; None for what is no file or is followed by another file.
    pub removal: Option<Removal>,
}
