//! Line editing on a terminal: history in memory, completion by scope.

use rustyline::completion::Completer;
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};
use zones_config::{Known, complete};

/// A line, or why there is none.
pub(super) enum Read {
    Line(String),
    /// The line was abandoned (^C).
    Abandoned,
    /// The end of the input (^D).
    End,
}

pub(super) struct LineEditor(Editor<Completion, MemHistory>);

impl LineEditor {
    pub(super) fn new() -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config))?;
        editor.set_helper(Some(Completion::default()));
        Ok(Self(editor))
    }

    pub(super) fn read(&mut self, prompt: &str, known: Known) -> Read {
        if let Some(helper) = self.0.helper_mut() {
            helper.known = known;
        }
        match self.0.readline(prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    // History is a convenience; a line that does not get there still counts.
                    let _ = self.0.add_history_entry(line.as_str());
                }
                Read::Line(line)
            }
            Err(ReadlineError::Interrupted) => Read::Abandoned,
            Err(_) => Read::End,
        }
    }

    /// An answer; not kept in the history.
    pub(super) fn ask(&mut self, question: &str) -> Read {
        match self.0.readline(question) {
            Ok(line) => Read::Line(line),
            Err(ReadlineError::Interrupted) => Read::Abandoned,
            Err(_) => Read::End,
        }
    }
}

#[derive(Default)]
struct Completion {
    known: Known,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        Ok(complete(&line[..at], &self.known))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}
