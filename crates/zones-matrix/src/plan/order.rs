//! In which order cells start.

use std::cmp::Reverse;

use super::History;
use super::cell::Cell;
use crate::config::Order;
use crate::key::Key;

/// Places of the cells in the order in which they start; touchstones are first.
pub(super) fn order(cells: &[Cell], order: Order, seed: u64, history: &History) -> Vec<usize> {
    let mut places: Vec<usize> = (0..cells.len()).collect();
    match order {
        // Without history the time limit is the best guess: what is emulated has a longer one.
        Order::SlowestFirst => places.sort_by_cached_key(|&at| {
            let cell = &cells[at];
            let micros = history.micros.get(&cell.id).copied();
            let guess = (cell.settings.timeout, cell.steps.len());
            (
                micros.is_some(),
                Reverse(micros),
                Reverse(guess),
                cell.declared,
            )
        }),
        Order::Seeded => places.sort_by_cached_key(|&at| chance(seed, &cells[at].id)),
        Order::Declared => places.sort_by_key(|&at| cells[at].declared),
    }
    places.sort_by_key(|&at| !cells[at].touchstone);
    places
}

/// A number by chance, the same for the same seed and words.
pub(crate) fn chance(seed: u64, words: &str) -> u64 {
    let mut bytes = seed.to_le_bytes().to_vec();
    bytes.extend_from_slice(words.as_bytes());
    Key::of_bytes(&bytes).number()
}
