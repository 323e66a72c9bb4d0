//! Reading an action from a line.

use std::str::FromStr;

use super::{ACTION_LEN_MAX, Action, ActionError, ActionKind, Attributes, Fault};

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        read(line, false)
    }
}

impl Action {
    /// As parsing, but a kind that is not known becomes [`ActionKind::Unknown`] and keeps its word.
    ///
    /// # Errors
    ///
    /// The line breaks the grammar, or an action of a known kind is invalid.
    pub fn parse_keeping(line: &str) -> Result<Self, ActionError> {
        read(line, true)
    }
}

fn read(line: &str, keeps_unknown: bool) -> Result<Action, ActionError> {
    if line.len() > ACTION_LEN_MAX {
        return Err(ActionError::Long(line.len()));
    }
    let malformed = |(position, why): (usize, Fault)| ActionError::Malformed {
        position,
        why,
        action: line.to_owned(),
    };
    let Some((word, _)) = line.split_once([' ', '\t']) else {
        return Err(malformed((line.len(), Fault::NoAttributes)));
    };
    let known = ActionKind::named(word);
    if known.is_none() && !(keeps_unknown && is_plain(word)) {
        return Err(ActionError::UnknownKind {
            word: word.to_owned(),
            action: line.to_owned(),
        });
    }
    let scanner = Scanner {
        line,
        at: word.len(),
        attributes: Attributes::with_capacity(line.len() - word.len()),
        payload: None,
    };
    let (payload, attributes) = scanner.run().map_err(malformed)?;
    let action = Action {
        kind: known.unwrap_or(ActionKind::Unknown),
        word: known.is_none().then(|| word.into()),
        payload: payload.map(Into::into),
        attributes,
    };
    action.finish()
}

/// Whether a word can stand for a kind of a newer time.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// Position and what is wrong there.
type Failure = (usize, Fault);

struct Scanner<'a> {
    line: &'a str,
    at: usize,
    attributes: Attributes,
    payload: Option<&'a str>,
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Result<(Option<&'a str>, Attributes), Failure> {
        let mut was_quoted = false;
        loop {
            self.blanks();
            match self.peek() {
                None => break,
                // Quoted texts beside each other are one value.
                Some(b'"' | b'\'') if was_quoted => self.quoted()?,
                Some(_) => was_quoted = self.pair()?,
            }
        }
        if self.attributes.is_empty() {
            return Err((self.at, Fault::NoAttributes));
        }
        self.attributes.sort();
        Ok((self.payload, self.attributes))
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads `key=value` or the payload word; whether the value was quoted.
    fn pair(&mut self) -> Result<bool, Failure> {
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err((self.at, Fault::NoValue)),
                Some(b'=') if self.at == start => return Err((self.at, Fault::NoKey)),
                Some(b'=') => break,
                Some(b'"' | b'\'') => return Err((self.at, Fault::KeyQuote)),
                Some(b' ' | b'\t') if self.payload.is_none() && self.attributes.is_empty() => {
                    self.payload = Some(&self.line[start..self.at]);
                    return Ok(false);
                }
                Some(b' ' | b'\t') => return Err((self.at, Fault::KeySpace)),
                Some(b'\n' | 0) => return Err((self.at, Fault::Control)),
                // All other white space would be lost or break the line apart.
                Some(0x0b..=0x0d) => return Err((self.at, Fault::KeySpace)),
                Some(_) => self.at += 1,
            }
        }
        let key = &self.line[start..self.at];
        self.at += 1;
        match self.peek() {
            None | Some(b' ' | b'\t') => Err((self.at, Fault::NoValue)),
            Some(b'"' | b'\'') => {
                self.attributes.append(key, "");
                self.quoted()?;
                Ok(true)
            }
            Some(_) => {
                let value = self.bare()?;
                self.attributes.append(key, value);
                Ok(false)
            }
        }
    }

    /// Reads up to white space; a backslash means itself.
    fn bare(&mut self) -> Result<&'a str, Failure> {
        let start = self.at;
        let rest = &self.line.as_bytes()[start..];
        let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0);
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
        match self.peek() {
            Some(b'\n' | 0) => Err((self.at, Fault::Control)),
            _ => Ok(&self.line[start..self.at]),
        }
    }

    /// Reads a quoted text onto the last value. A backslash takes the meaning from the quoting
    /// character and from a backslash only.
    fn quoted(&mut self) -> Result<(), Failure> {
        let bytes = self.line.as_bytes();
        let quote = bytes[self.at];
        self.at += 1;
        let mut start = self.at;
        loop {
            match self.peek() {
                None => return Err((self.at, Fault::Unfinished)),
                Some(b'\n' | 0) => return Err((self.at, Fault::Control)),
                Some(byte) if byte == quote => {
                    self.attributes.lengthen(&self.line[start..self.at]);
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let next = bytes.get(self.at + 1).copied();
                    if next == Some(b'\\') || next == Some(quote) {
                        self.attributes.lengthen(&self.line[start..self.at]);
                        self.at += 1;
                        start = self.at;
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }
}
