//! Names of boot environments and snapshots.

/// Letters that a name may have.
const LEN_MAX: usize = 64;

/// Whether a folder, a dataset and a command line can all carry the name of a boot environment or a
/// snapshot.
#[must_use]
pub fn is_fine(name: &str) -> bool {
    let is_letter = |it: char| it.is_ascii_alphanumeric() || "-_.:".contains(it);
    name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.chars().all(is_letter)
        && name.len() <= LEN_MAX
}
