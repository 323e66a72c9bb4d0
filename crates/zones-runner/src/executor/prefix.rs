//! Beginnings that cells share: which snapshot holds one, and until when it is needed.

use std::collections::{BTreeMap, BTreeSet};

use zones_matrix::{Cell, Plan};

use crate::bed::Origin;
use crate::inspect::Inspection;

/// A beginning that some cell has done.
pub(super) struct Beginning {
    pub(super) origin: Origin,
    pub(super) inspection: Box<dyn Inspection>,
    /// Steps that it holds, with their exit statuses and times.
    pub(super) steps: Vec<Taken>,
}

/// A step that another cell ran.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) micros: u64,
    pub(super) log: zones_matrix::journal::Excerpt,
}

/// All beginnings of a run.
pub(super) struct Prefixes {
    /// By node of the tree of steps.
    ready: BTreeMap<usize, Beginning>,
    /// Cells without a verdict, by the nodes they lead through.
    users: BTreeMap<usize, usize>,
    /// Zones whose attempt is over and whose snapshots somebody may still need.
    waiting: BTreeSet<String>,
}

impl Prefixes {
    pub(super) fn new(plan: &Plan, cells: &[usize]) -> Self {
        let mut users = BTreeMap::new();
        for place in cells {
            for step in &plan.cells[*place].steps {
                *users.entry(step.node).or_insert(0) += 1;
            }
        }
        Self {
            ready: BTreeMap::new(),
            users,
            waiting: BTreeSet::new(),
        }
    }

    /// The longest beginning of a cell that is there: how many steps, and what it is.
    pub(super) fn longest(&self, cell: &Cell) -> Option<(usize, &Beginning)> {
        let steps = cell.steps.iter().enumerate().rev();
        let mut found = steps.filter_map(|(at, step)| Some((at + 1, self.ready.get(&step.node)?)));
        found.next()
    }

    /// A beginning is there from now on.
    pub(super) fn add(&mut self, node: usize, beginning: Beginning) {
        self.ready.entry(node).or_insert(beginning);
    }

    /// The zone, when nobody needs its snapshots; else it is told later.
    pub(super) fn retire(&mut self, zone: String) -> Option<String> {
        if self.is_needed(&zone) {
            self.waiting.insert(zone);
            return None;
        }
        self.abandon(&zone);
        Some(zone)
    }

    /// Nobody starts from this zone any more.
    pub(super) fn abandon(&mut self, zone: &str) {
        self.ready
            .retain(|_, beginning| beginning.origin.zone != zone);
    }

    fn is_needed(&self, zone: &str) -> bool {
        let mut nodes = self
            .ready
            .iter()
            .filter(|(_, from)| from.origin.zone == zone);
        nodes.any(|(node, _)| self.users.get(node).is_some_and(|users| *users > 0))
    }

    /// A cell has its verdict: the zones that nobody needs any more.
    pub(super) fn done(&mut self, cell: &Cell) -> Vec<String> {
        for step in &cell.steps {
            if let Some(users) = self.users.get_mut(&step.node) {
                *users = users.saturating_sub(1);
            }
        }
        let waiting = self.waiting.iter();
        let free: Vec<String> = waiting
            .filter(|zone| !self.is_needed(zone))
            .cloned()
            .collect();
        for zone in &free {
            self.waiting.remove(zone);
            self.abandon(zone);
        }
        free
    }

    /// All zones that wait.
    pub(super) fn all(&mut self) -> Vec<String> {
        self.ready.clear();
        std::mem::take(&mut self.waiting).into_iter().collect()
    }
}
