//! Values: texts, lists, pairs in parentheses.

use std::borrow::Cow;

use crate::command::{Element, Pairs, Value};
use crate::diag::{Code, Span};

use super::{Fault, Parsed, Parser};

/// Keys in parentheses.
const KEYS: [&str; 5] = ["priv", "limit", "action", "name", "value"];

impl<'a> Parser<'a> {
    pub(super) fn value(&mut self) -> Parsed<Value<'a>> {
        if self.scan.follows(b'[') {
            let mut list = self.list()?;
            return Ok(match (list.len(), list.pop()) {
                (1, Some(Element::Text(text))) => Value::Text(text),
                (1, Some(Element::Pairs(pairs))) => Value::Pairs(pairs),
                (_, last) => {
                    list.extend(last);
                    Value::List(list)
                }
            });
        }
        if self.scan.follows(b'(') {
            return Ok(Value::Pairs(self.pairs()?));
        }
        Ok(Value::Text(self.word()?))
    }

    /// One text, quoted or not.
    pub(super) fn word(&mut self) -> Parsed<Cow<'a, str>> {
        if self.scan.follows(b'"') {
            return self.quoted();
        }
        let (word, span) = self.scan.bare();
        if word.is_empty() {
            return Err(Fault::new(Code::MissingValue, span));
        }
        Ok(Cow::Borrowed(word))
    }

    /// One text in a list, where a comma ends it.
    fn element(&mut self) -> Parsed<Cow<'a, str>> {
        if self.scan.follows(b'"') {
            return self.quoted();
        }
        let word = self.scan.element();
        if word.is_empty() {
            return Err(Fault::new(Code::MissingValue, self.scan.token()));
        }
        Ok(Cow::Borrowed(word))
    }

    fn quoted(&mut self) -> Parsed<Cow<'a, str>> {
        let text = self.scan.text();
        let open = self.scan.at();
        self.scan.skip();
        let start = self.scan.at();
        let mut doubled = false;
        loop {
            match self.scan.peek() {
                None | Some(b'\n') => {
                    let end = open + 1;
                    return Err(Fault::new(Code::UnclosedQuote, Span { start: open, end }));
                }
                Some(b'"') => {
                    self.scan.skip();
                    if self.scan.peek() != Some(b'"') {
                        break;
                    }
                    doubled = true;
                }
                Some(_) => {}
            }
            self.scan.skip();
        }
        let inner = &text[start..self.scan.at() - 1];
        let ends = matches!(
            self.scan.peek(),
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b',' | b']' | b')')
        );
        if !ends {
            return Err(Fault::new(Code::QuotedJoin, self.scan.token()));
        }
        Ok(if doubled {
            Cow::Owned(inner.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(inner)
        })
    }

    fn list(&mut self) -> Parsed<Vec<Element<'a>>> {
        let open = self.scan.token();
        self.scan.skip();
        let mut list = Vec::new();
        if self.scan.take(b']') {
            return Ok(list);
        }
        loop {
            if self.scan.is_end() {
                return Err(Fault::new(Code::UnclosedList, open));
            }
            list.push(if self.scan.follows(b'(') {
                Element::Pairs(self.pairs()?)
            } else {
                Element::Text(self.element()?)
            });
            if self.scan.take(b']') {
                return Ok(list);
            }
            if !self.scan.take(b',') {
                return Err(self.not_closed(Code::UnclosedList, open));
            }
        }
    }

    fn pairs(&mut self) -> Parsed<Pairs<'a>> {
        let open = self.scan.token();
        self.scan.skip();
        let mut pairs = Pairs::new();
        loop {
            if self.scan.is_end() {
                return Err(Fault::new(Code::UnclosedPairs, open));
            }
            let span = self.scan.token();
            let word = self.scan.element();
            if word.is_empty() {
                return Err(Fault::new(Code::MissingKey, span));
            }
            let Some(key) = KEYS.into_iter().find(|key| *key == word) else {
                return Err(Fault::new(Code::UnknownKey, span));
            };
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(Fault::new(Code::DuplicateKey, span));
            }
            self.equals()?;
            pairs.push((key, self.element()?));
            if self.scan.take(b')') {
                return Ok(pairs);
            }
            if !self.scan.take(b',') {
                return Err(self.not_closed(Code::UnclosedPairs, open));
            }
        }
    }

    /// Neither a comma nor the end of the list: either the list is open, or a value needs quotes.
    fn not_closed(&mut self, code: Code, open: Span) -> Fault {
        if self.scan.is_end() {
            return Fault::new(code, open);
        }
        let joined = self.scan.is_joined();
        let code = if joined {
            Code::MustBeQuoted
        } else {
            Code::UnexpectedWord
        };
        Fault::new(code, self.scan.token())
    }
}
