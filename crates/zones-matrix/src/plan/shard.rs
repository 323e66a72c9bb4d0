//! Shares of a plan for several runners.

use std::fmt;
use std::str::FromStr;

use crate::key::Key;

/// One of several shares. A cell is in a share by the hash of its id alone, so a new cell moves no
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which share, from 1.
    index: u64,
    /// How many shares there are.
    count: u64,
}

/// Why a text names no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no share; write `2/8` for the second of eight")]
pub struct ShardError(String);

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ShardError(text.to_owned());
        let (index, count) = text.split_once('/').ok_or_else(fault)?;
        let index: u64 = index.parse().map_err(|_| fault())?;
        let count: u64 = count.parse().map_err(|_| fault())?;
        if index == 0 || index > count {
            return Err(fault());
        }
        Ok(Self { index, count })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Whether the cell of an id is in this share.
    #[must_use]
    pub fn owns(&self, id: &str) -> bool {
        Key::of_bytes(id.as_bytes()).number() % self.count == self.index - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_index_slash_count() {
        for bad in ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
        assert_eq!("2/8".parse::<Shard>().unwrap().to_string(), "2/8");
    }

    #[test]
    fn every_cell_is_in_exactly_one_share() {
        let shards: Vec<Shard> = (1..=8).map(|k| format!("{k}/8").parse().unwrap()).collect();
        for cell in 0..500 {
            let id = format!("p{cell}/full/fresh");
            assert_eq!(
                shards.iter().filter(|shard| shard.owns(&id)).count(),
                1,
                "{id}"
            );
        }
    }
}
