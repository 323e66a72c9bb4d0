//! Content keys: BLAKE3 of canonical JSON. Whatever can change a byte of the result is hashed.
//!
//! Canonical JSON here: objects sorted by the bytes of their keys, no blanks, numbers as whole
//! numbers only, strings escaped as JSON must and no further.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde_json::Value;

/// A BLAKE3 hash of 32 bytes; prints as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self::of_bytes(canonical(value).as_bytes())
    }

    /// The hash of bytes, such as the content of a file.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A hash that was made piece by piece.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The first eight bytes as a number: for shares and for orders by chance.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Makes the key of bytes that come in pieces.
#[derive(Debug, Clone, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The key of all that was added.
    #[must_use]
    pub fn finish(&self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 64 hexadecimal digits")]
pub struct KeyError;

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| KeyError)?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// The one text of a value that is hashed.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        Value::String(text) => quote(text, out),
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            debug_assert!(!number.is_f64(), "keys have no fractions: {number}");
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One input in which two keys differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: a JSON pointer (RFC 6901).
    pub path: String,
    /// What the first has there; `None` when nothing.
    pub left: Option<Value>,
    /// What the second has there.
    pub right: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), canonical)
        };
        let (left, right) = (text(&self.left), text(&self.right));
        write!(f, "{}: {left} is not {right}", self.path)
    }
}

/// Why two keys differ: every input that is not the same, in the order of their paths.
#[must_use]
pub fn explain(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(left), Some(right), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn compare(path: String, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<Difference>) {
    match (left, right) {
        (Some(left), Some(right)) if left == right => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let only_right = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(only_right) {
                let step = key.replace('~', "~0").replace('/', "~1");
                compare(
                    format!("{path}/{step}"),
                    left.get(key),
                    right.get(key),
                    found,
                );
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for at in 0..left.len().max(right.len()) {
                compare(format!("{path}/{at}"), left.get(at), right.get(at), found);
            }
        }
        (left, right) => found.push(Difference {
            path,
            left: left.cloned(),
            right: right.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_an_object_does_not_matter_and_every_value_does() {
        let one = json!({ "b": [1, "x\n\u{e9}\""], "a": null });
        let same = json!({ "a": null, "b": [1, "x\n\u{e9}\""] });
        assert_eq!(
            canonical(&one),
            "{\"a\":null,\"b\":[1,\"x\\u000a\u{e9}\\\"\"]}"
        );
        assert_eq!(Key::of(&one), Key::of(&same));
        assert_ne!(
            Key::of(&one),
            Key::of(&json!({ "b": [2, "x\n\u{e9}\""], "a": null }))
        );
        let key = Key::of(&one);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("xyz".parse::<Key>().is_err());
    }

    #[test]
    fn explain_names_each_input_that_differs() {
        let left = json!({ "kickstart": "aa", "packages": ["a", "b"], "same": { "x/y": 1 } });
        let right = json!({ "kickstart": "bb", "packages": ["a"], "same": { "x/y": 2 } });
        let found = explain(&left, &right);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/kickstart", "/packages/1", "/same/x~1y"]);
        assert_eq!(found[1].to_string(), "/packages/1: \"b\" is not nothing");
        assert_eq!(explain(&left, &left), []);
    }
}
