//! Reading a journal, also one whose runner was killed.

use std::path::PathBuf;

use super::record::{Line, Record};
use super::{JOURNAL_SCHEMA, MARK, SUM, sum};

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("cannot write the journal `{}`", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A line in the middle is not as it was written.
    #[error("line {line} of the journal is damaged: {why}; restore the file, or report without it")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// How.
        why: String,
    },
    /// The journal is of another version.
    #[error("the journal has schema {found}; this version reads {JOURNAL_SCHEMA}")]
    Schema {
        /// Its version.
        found: u32,
    },
    /// The journal says nothing.
    #[error("the journal holds no run: its first record never got to disk")]
    Empty,
}

/// How a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With a whole line.
    Whole,
    /// With a line that is not whole; it is ignored.
    Torn {
        /// Its number, from 1.
        line: usize,
        /// Its bytes, and those of what may follow.
        bytes: usize,
    },
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// The lines that are whole; the first is the head of the run.
    pub lines: Vec<Line>,
    /// How it ends.
    pub tail: Tail,
}

/// Reads a journal.
///
/// # Errors
///
/// [`JournalError`] for a journal that is empty, of another version, or damaged before its end.
pub fn read(bytes: &[u8]) -> Result<Journal, JournalError> {
    let mut lines = Vec::new();
    let mut tail = Tail::Whole;
    let mut before = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let text = &rest[..end.unwrap_or(rest.len())];
        match (line(text, &before), end) {
            (Ok((line, sum)), Some(end)) => {
                lines.push(line);
                before = sum;
                rest = &rest[end + 1..];
            }
            (result, end) => {
                let number = lines.len() + 1;
                let after = end.map_or(&[][..], |end| &rest[end + 1..]);
                // What a crash leaves behind a torn line is never a line.
                if after.split(|byte| *byte == b'\n').any(is_line) {
                    let why = result.err().unwrap_or_default();
                    return Err(JournalError::Damaged { line: number, why });
                }
                let bytes = rest.len();
                tail = Tail::Torn {
                    line: number,
                    bytes,
                };
                break;
            }
        }
    }
    match lines.first().map(|line| &line.record) {
        Some(Record::Run(head)) if head.schema == JOURNAL_SCHEMA => Ok(Journal { lines, tail }),
        Some(Record::Run(head)) => Err(JournalError::Schema { found: head.schema }),
        Some(_) => {
            let why = "it is not the head of a run".to_owned();
            Err(JournalError::Damaged { line: 1, why })
        }
        None => Err(JournalError::Empty),
    }
}

/// Whether bytes are a line of some journal: written whole, whatever its sum.
fn is_line(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|value| value.is_object())
}

/// One line and its sum.
fn line(text: &[u8], before: &str) -> Result<(Line, String), String> {
    let length = MARK.len() + SUM + 2;
    let (body, end) = text.split_at(text.len().checked_sub(length).ok_or("it is too short")?);
    let end = std::str::from_utf8(end).map_err(|_| "it has no sum")?;
    let own = end
        .strip_prefix(MARK)
        .and_then(|end| end.strip_suffix("\"}"));
    let own = own.ok_or("it has no sum")?;
    let body = [body, b"}"].concat();
    if sum(before, &body) != own {
        return Err("its sum does not fit; the line or the one before was changed".to_owned());
    }
    let line = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok((line, own.to_owned()))
}
