//! Values as they must be typed.

use std::borrow::Cow;

/// Bytes that end an unquoted word, and those that could be mistaken at its beginning.
fn is_plain(text: &str) -> bool {
    let special = |char: char| char.is_whitespace() || "\";=[](),".contains(char);
    !text.is_empty() && !text.contains(special)
}

/// The value with quotes when it needs them; in a list or in pairs a comma needs them too.
pub(crate) fn element(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
}

/// The value of `set PROPERTY=`, with quotes when it needs them.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    let only_commas = !text.is_empty() && is_plain(&text.replace(',', "-"));
    if only_commas {
        return Cow::Borrowed(text);
    }
    element(text)
}
