//! Writing an action as a line.

use std::fmt::{Formatter, Result, Write};

use super::Action;

pub(super) fn action(action: &Action, f: &mut Formatter<'_>) -> Result {
    f.write_str(action.word())?;
    let mut hash = action.payload();
    if let Some(word) = hash.filter(|word| is_positional(word)) {
        f.write_str(" ")?;
        f.write_str(word)?;
        hash = None;
    }
    for (key, text) in action.attributes.iter() {
        if let Some(word) = hash.filter(|_| key > "hash") {
            pair("hash", word, f)?;
            hash = None;
        }
        pair(key, text, f)?;
    }
    match hash {
        Some(word) => pair("hash", word, f),
        None => Ok(()),
    }
}

/// Whether a payload word can stand without `hash=`.
fn is_positional(word: &str) -> bool {
    let breaks = |byte: u8| byte <= b' ' || b"='\"".contains(&byte);
    !word.is_empty() && !word.bytes().any(breaks)
}

fn pair(key: &str, text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_str(" ")?;
    f.write_str(key)?;
    f.write_str("=")?;
    value(text, f)
}

/// Writes a value, quoted where it must be: as pkg(1) does, and where it would not come back.
fn value(text: &str, f: &mut Formatter<'_>) -> Result {
    let special = |byte: u8| byte <= b' ' || byte == b'"' || byte == b'\'';
    let is_plain = !text.is_empty()
        && !text.bytes().any(special)
        && !text.contains("$(")
        // A reader of manifests joins lines at a backslash.
        && !text.ends_with('\\');
    if is_plain {
        return f.write_str(text);
    }
    let is_double = !text.contains('"') || text.contains('\'');
    let quote = if is_double { '"' } else { '\'' };
    f.write_char(quote)?;
    escaped(text, quote, f)?;
    f.write_char(quote)
}

/// Writes a text so that a reader of quoted values gets it back, with as few escapes as possible:
/// a single backslash before another character stays.
fn escaped(text: &str, quote: char, f: &mut Formatter<'_>) -> Result {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', quote]) {
        f.write_str(&rest[..at])?;
        let tail = rest[at..].trim_start_matches('\\');
        let run = rest.len() - at - tail.len();
        let is_quote = tail.starts_with(quote);
        let doubled = run > 1 || is_quote || tail.is_empty();
        for _ in 0..run {
            f.write_str(if doubled { "\\\\" } else { "\\" })?;
        }
        rest = tail;
        if is_quote {
            f.write_char('\\')?;
            f.write_char(quote)?;
            rest = &tail[1..];
        }
    }
    f.write_str(rest)
}
