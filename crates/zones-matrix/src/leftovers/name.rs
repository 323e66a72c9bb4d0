//! Paths for people: what is no text, or would look like something else, is escaped.

use std::fmt::Write as _;

/// `\xNN` for bytes that are no text and for control characters, `\\` for a backslash.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let mut bytes = [0; 4];
                    hex(c.encode_utf8(&mut bytes).as_bytes(), &mut out);
                }
                c => out.push(c),
            }
        }
        hex(chunk.invalid(), &mut out);
    }
    out
}

/// The bytes that [`shown`] made a text of.
#[must_use]
pub fn named(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let after = &rest[at + 1..];
        let byte = after.strip_prefix('x').and_then(|hex| hex.get(..2));
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => {
                out.push(b'\\');
                rest = after.strip_prefix('\\').unwrap_or(after);
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::{named, shown};

    #[test]
    fn names_are_shown_so_that_they_can_be_told_apart() {
        let cases: [(&[u8], &str); 5] = [
            (b"/a b", "/a b"),
            ("/\u{e9}".as_bytes(), "/\u{e9}"),
            (b"/\xff\xfex", "/\\xff\\xfex"),
            (b"/a\n", "/a\\x0a"),
            (b"/\\xff", "/\\\\xff"),
        ];
        for (path, text) in cases {
            assert_eq!(shown(path), text);
            assert_eq!(named(text), path);
        }
    }
}
