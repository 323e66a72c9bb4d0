//! A matrix on many machines: an engine starts shares of a plan, and nothing else.
//!
//! What is here are texts: an array script for Slurm, an indexed Job for Kubernetes. The runner
//! stays the only planner, each share writes its own journal, and merging the journals gives the
//! report that one machine would have given.

mod kubernetes;
mod slurm;

pub use kubernetes::{Cluster, job, runtime_class};
pub use slurm::{Array, array, merge};

/// The fewest cells worth a task of an engine: starting one costs about as much as some cells.
const CELLS: usize = 16;
/// The most tasks that are chosen where nobody says how many.
const TASKS: usize = 12;

/// How many shares a run of so many cells gets where nobody says.
#[must_use]
pub fn shares(cells: usize) -> usize {
    cells.div_ceil(CELLS).clamp(1, TASKS)
}

/// The id of one share's run; all shares of one run have one stem.
#[must_use]
pub fn share_id(stem: &str, index: usize) -> String {
    format!("{stem}-{index:03}")
}

/// A word for the shell.
fn word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_worth_a_task() {
        for (cells, count) in [(0, 1), (1, 1), (16, 1), (17, 2), (192, 12), (10_000, 12)] {
            assert_eq!(shares(cells), count, "{cells}");
        }
    }
}
