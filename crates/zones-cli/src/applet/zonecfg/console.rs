//! Where the lines go.

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};

use zones_config::session::{Line, Stream};

/// Standard output and standard error, or what a test puts in their place.
pub(super) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Whether long output goes through `$PAGER`.
    pub(super) page: bool,
}

impl<'a> Console<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            out,
            err,
            page: false,
        }
    }

    pub(super) fn out(&mut self, text: &str) {
        // A reader that went away needs no message; the status tells what was done.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    pub(super) fn err(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    /// Prints an error with its causes, one a line.
    pub(super) fn error(&mut self, error: &dyn Error) {
        let text = chain(error);
        self.err(&text);
    }

    /// A question, without a newline.
    pub(super) fn ask(&mut self, question: &str) {
        let _ = write!(self.out, "{question}").and_then(|()| self.out.flush());
    }

    pub(super) fn line(&mut self, line: &Line) {
        match line.stream {
            Stream::Err => self.err(&line.text),
            Stream::Pager if self.page && page(&line.text) => {}
            Stream::Out | Stream::Pager => self.out(&line.text),
        }
    }
}

/// An error and its causes in one text.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A layer that already names its cause is not repeated.
        let words = match error.downcast_ref() {
            Some(error) => words(error),
            None => error.to_string(),
        };
        if !text.contains(&words) {
            text += &format!(": {words}");
        }
        cause = error.source();
    }
    text
}

/// The words of an error of the system, without the number that the library appends.
pub(super) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Shows text in the pager; false when there is none, so that it is printed plainly.
fn page(text: &str) -> bool {
    let pager = std::env::var("PAGER")
        .ok()
        .filter(|pager| !pager.is_empty());
    let pager = pager.unwrap_or_else(|| "more".to_owned());
    // $PAGER may hold options, so a shell reads it, as everywhere.
    let child = Command::new("/bin/sh")
        .args(["-c", &pager])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // The pager may quit before it read everything.
        let _ = writeln!(stdin, "{text}");
    }
    child.wait().is_ok_and(|status| status.code() != Some(127))
}
