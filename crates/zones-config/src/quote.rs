//! Values as they must be typed.

use std::borrow::Cow;

/// Bytes that end an unquoted word, and those that could be mistaken at its beginning.
fn is_plain(text: &str, comma: bool) -> bool {
    let odd = |byte: u8| match byte {
        b'"' | b';' | b'=' | b'[' | b']' | b'(' | b')' => true,
        b',' => !comma,
        byte => byte.is_ascii_whitespace() || byte == 0x0b,
    };
    // White space beyond ASCII is rare enough to be looked for by characters.
    let white = |text: &str| !text.is_ascii() && text.contains(char::is_whitespace);
    !text.is_empty() && !text.bytes().any(odd) && !white(text)
}

/// The value with quotes when it needs them; in a list or in pairs a comma needs them too.
pub(crate) fn element(text: &str) -> Cow<'_, str> {
    if is_plain(text, false) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
}

/// The value of `set PROPERTY=`, with quotes when it needs them.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    if is_plain(text, true) {
        return Cow::Borrowed(text);
    }
    element(text)
}
