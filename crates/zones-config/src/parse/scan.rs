//! Words, blanks and the ends of statements.

use crate::diag::Span;

/// A place in the text that only moves forward. Offsets are bytes, always at whole characters,
/// since every byte that is looked for is ASCII.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Where the line begins, and up to where its characters were counted for a message.
    line_start: usize,
    counted: (usize, usize),
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            counted: (0, 0),
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The column, in characters from 1, of a byte of this line. Goes on from where the last
    /// message was, so that many mistakes in one line are not counted from its beginning each.
    pub(super) fn column(&mut self, at: usize) -> usize {
        let (from, before) = match self.counted {
            (from, before) if from <= at => (from, before),
            _ => (self.line_start, 0),
        };
        let column = before + self.text[from..at.max(from)].chars().count();
        self.counted = (at.max(from), column);
        column + 1
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// Goes to the first byte of the next statement; false at the end of the text.
    pub(super) fn find_statement(&mut self) -> bool {
        loop {
            self.blanks();
            match self.peek() {
                None => return false,
                Some(b'\n') => {
                    self.line += 1;
                    self.at += 1;
                    self.line_start = self.at;
                    self.counted = (self.at, 0);
                }
                Some(b';') => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(_) => return true,
            }
        }
    }

    /// After a mistake: goes to the newline or `;` that ends the statement.
    pub(super) fn skip_statement(&mut self) {
        let mut quoted = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => return,
                b';' if !quoted => return,
                b'"' => quoted = !quoted,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Skips blanks; a carriage return at the end of a line is one.
    pub(super) fn blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\r' if self.is_line_end(self.at + 1) => self.at += 1,
                _ => return,
            }
        }
    }

    fn is_line_end(&self, at: usize) -> bool {
        matches!(self.text.as_bytes().get(at), None | Some(b'\n'))
    }

    /// Whether the statement ends here, after blanks.
    pub(super) fn is_end(&mut self) -> bool {
        self.blanks();
        matches!(self.peek(), None | Some(b'\n' | b';'))
    }

    /// Whether something other than an end follows without a blank.
    pub(super) fn is_joined(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.text.as_bytes()[at]);
        let blank = matches!(self.peek(), None | Some(b' ' | b'\t' | b'\r'));
        !blank && !matches!(before, Some(b' ' | b'\t' | b'"' | b')' | b']'))
    }

    /// Whether `byte` follows, after blanks.
    pub(super) fn follows(&mut self, byte: u8) -> bool {
        self.blanks();
        self.peek() == Some(byte)
    }

    /// Whether exactly this word follows, after blanks.
    pub(super) fn follows_word(&mut self, word: &str) -> bool {
        self.blanks();
        let rest = &self.text[self.at..];
        rest.strip_prefix(word).is_some_and(|rest| {
            rest.bytes()
                .next()
                .is_none_or(|byte| is_stop(byte) || byte == b'\r')
        })
    }

    /// Takes `byte` when it follows, after blanks.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let follows = self.follows(byte);
        self.at += usize::from(follows);
        follows
    }

    /// An unquoted word, after blanks; empty when none stands here.
    pub(super) fn bare(&mut self) -> (&'a str, Span) {
        self.until(is_stop)
    }

    /// As `bare`, with other bytes that end it.
    fn until(&mut self, is_stop: impl Fn(u8) -> bool) -> (&'a str, Span) {
        self.blanks();
        let start = self.at;
        while let Some(byte) = self.peek() {
            if is_stop(byte) || byte == b'\r' && self.is_line_end(self.at + 1) {
                break;
            }
            self.at += 1;
        }
        if start == self.at {
            return ("", self.token());
        }
        let span = Span {
            start,
            end: self.at,
        };
        (&self.text[start..self.at], span)
    }

    /// As `bare`, ended by a comma too.
    pub(super) fn element(&mut self) -> &'a str {
        self.until(|byte| byte == b',' || is_stop(byte)).0
    }

    /// What stands here, for a message: a word, one character, or nothing at the end of a line.
    pub(super) fn token(&mut self) -> Span {
        self.blanks();
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let length = match rest.first() {
            None | Some(b'\n') => 0,
            Some(byte) if is_stop(*byte) => 1,
            Some(_) => rest
                .iter()
                .position(|byte| is_stop(*byte) || *byte == b'\r')
                .unwrap_or(rest.len()),
        };
        Span {
            start,
            end: start + length,
        }
    }
}

/// Bytes that no unquoted word holds.
const fn is_stop(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b'"' | b';' | b'=' | b'[' | b']' | b'(' | b')'
    )
}
