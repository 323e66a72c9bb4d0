//! The journal of a run: lines of JSON, only ever added to.
//!
//! Each line is an object with the microseconds since the run began, a record, and a sum over the
//! line and the sum of the line before. Records are written before an act and after it; those that
//! hold a verdict are on disk before the next act begins. A runner that is killed leaves at most
//! one line that is not whole; a reader ignores it, and every report is made from what stands
//! before it.

mod read;
mod record;
mod write;

pub use read::{Journal, JournalError, Tail, read};
pub use record::{CellInfo, CheckResult, Excerpt, Head, Line, Moment, Record, Status, StepInfo};
pub use write::{File, Sink, Syncer, Writer};

/// Version of the journal's records.
pub const JOURNAL_SCHEMA: u32 = 1;

/// Hexadecimal digits of a sum.
const SUM: usize = 16;
/// What stands before the sum of a line.
const MARK: &str = ",\"sum\":\"";

/// The sum of a line without its sum, after the line of sum `before`.
fn sum(before: &str, body: &[u8]) -> String {
    let bytes = [before.as_bytes(), body].concat();
    let mut text = crate::key::Key::of_bytes(&bytes).to_string();
    text.truncate(SUM);
    text
}
