//! Which cells are meant: globs over ids and tags.

use super::cell::Cell;
use super::{Plan, Shard};
use crate::glob::Glob;

/// The remedy where no word is near.
const ALL: &str = "; `zones matrix plan` lists all";

/// Why a selection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A pattern that meets no cell.
    #[error("`{pattern}` meets no cell{}", hint.as_ref().map_or_else(|| ALL.to_owned(),
        |near| format!("; did you mean `{near}`?")))]
    Nothing {
        /// The pattern.
        pattern: String,
        /// A word of the matrix that is near.
        hint: Option<String>,
    },
    /// Patterns that meet cells, but leave none together.
    #[error("no cell is left of the selection; `zones matrix plan` lists all")]
    Empty,
}

/// One pattern. With a slash it is laid beside the parts of the id, else it is a word.
struct Pattern {
    parts: Vec<Glob>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let parts = text.split('/').map(Glob::new).collect();
        Self { parts }
    }

    fn matches(&self, cell: &Cell) -> bool {
        if let [word] = self.parts.as_slice() {
            return cell.tags.iter().any(|tag| word.matches(tag));
        }
        let id: Vec<&str> = cell.id.split('/').collect();
        let fits = |(part, own): (&Glob, &&str)| part.matches(own);
        self.parts.len() <= id.len() && self.parts.iter().zip(&id).all(fits)
    }
}

/// Cells that a pattern of the file or of a command line meets.
pub(super) fn meets(pattern: &str, cells: &[Cell]) -> Result<Vec<bool>, SelectError> {
    let glob = Pattern::new(pattern);
    let met: Vec<bool> = cells.iter().map(|cell| glob.matches(cell)).collect();
    if met.contains(&true) {
        return Ok(met);
    }
    let words = || {
        cells
            .iter()
            .flat_map(|cell| cell.tags.iter().map(String::as_str))
    };
    let word = pattern
        .split('/')
        .find(|part| !part.contains(['*', '?']) && words().all(|known| known != *part));
    let near = word.and_then(|word| zones_types::nearest(word, words()));
    Err(SelectError::Nothing {
        pattern: pattern.to_owned(),
        hint: near.map(str::to_owned),
    })
}

impl Plan {
    /// Places of the cells that a selection means, in the order of their ids.
    ///
    /// Patterns without a sign add up; without one, all cells are meant. `+WORD` then keeps the
    /// cells that have the word, `-WORD` drops them. A word is a tag, a value on an axis, a
    /// platform, an option, a scenario or a brand, and may be a glob. A pattern with slashes is
    /// laid beside the id part by part; parts that it leaves out may be anything.
    ///
    /// # Errors
    ///
    /// [`SelectError`] when a pattern meets no cell, or no cell is left.
    pub fn select(
        &self,
        patterns: &[&str],
        shard: Option<Shard>,
    ) -> Result<Vec<usize>, SelectError> {
        let is_plain = |pattern: &&&str| !pattern.starts_with(['+', '-']);
        let mut chosen = vec![!patterns.iter().any(|pattern| is_plain(&pattern)); self.cells.len()];
        for pattern in patterns.iter().filter(is_plain) {
            let met = meets(pattern, &self.cells)?;
            chosen
                .iter_mut()
                .zip(met)
                .for_each(|(chosen, met)| *chosen |= met);
        }
        for pattern in patterns {
            let (Some(wanted), word) = (
                match pattern.as_bytes().first() {
                    Some(b'+') => Some(true),
                    Some(b'-') => Some(false),
                    _ => None,
                },
                pattern.get(1..).unwrap_or(""),
            ) else {
                continue;
            };
            let met = meets(word, &self.cells)?;
            chosen
                .iter_mut()
                .zip(met)
                .for_each(|(chosen, met)| *chosen &= met == wanted);
        }
        let places: Vec<usize> = (0..self.cells.len()).filter(|&at| chosen[at]).collect();
        if places.is_empty() {
            return Err(SelectError::Empty);
        }
        // A share may be empty: other runners have the cells.
        let owns = |&at: &usize| shard.is_none_or(|shard| shard.owns(&self.cells[at].id));
        Ok(places.into_iter().filter(owns).collect())
    }
}
