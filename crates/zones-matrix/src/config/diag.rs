//! What is wrong with a matrix file, and where.

use std::fmt;

/// One fault of a matrix file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1; 0 when the fault is in no line of the file.
    pub line: usize,
    /// Column in characters, from 1; a tab is one.
    pub column: usize,
    /// What is wrong, with the name of the thing.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// All that is wrong with a matrix, in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Lines(.problems))]
pub struct MatrixError {
    /// The faults.
    pub problems: Vec<Problem>,
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

/// Faults as they are found; offsets become lines and columns here.
#[derive(Debug)]
pub(crate) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let found = Vec::new();
        Self { text, found }
    }

    /// Notes a fault at a byte of the file.
    pub(crate) fn add(&mut self, at: usize, message: impl Into<String>) -> &mut Problem {
        let mut end = at.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        self.push(line, column, message.into())
    }

    /// Notes a fault that is in no one place.
    pub(crate) fn general(&mut self, message: impl Into<String>) -> &mut Problem {
        self.push(0, 0, message.into())
    }

    fn push(&mut self, line: usize, column: usize, message: String) -> &mut Problem {
        let hint = None;
        self.found.push(Problem {
            line,
            column,
            message,
            hint,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn finish(mut self) -> Result<(), MatrixError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort();
        self.found.dedup();
        let problems = self.found;
        Err(MatrixError { problems })
    }
}

impl Problem {
    /// Adds what would be right.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// Adds the known word nearest to a wrong one, or else all of them.
    pub(crate) fn suggest<'a>(&mut self, wrong: &str, known: impl Iterator<Item = &'a str>) {
        let known: Vec<&str> = known.collect();
        self.hint = match zones_types::nearest(wrong, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.is_empty() => None,
            None => Some(format!("known: {}", known.join(", "))),
        };
    }
}
