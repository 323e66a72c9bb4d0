//! `cargo xtask bench`.
use crate::shell::Outcome;
pub(crate) fn run(_args: &[String]) -> Outcome {
    Ok(())
}
