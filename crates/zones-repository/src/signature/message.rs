//! The text that a signature signs.

use std::fmt::Write as _;

use zones_ips::{Action, ActionKind, Manifest};

/// All actions but other signatures as lines, sorted; the signature's own value is left empty.
/// There is no line break at the end.
pub(super) fn of(manifest: &Manifest, signature: &Action) -> String {
    let signed = manifest.actions().iter();
    let signed = signed.filter(|action| action.kind() != ActionKind::Signature);
    let mut lines: Vec<_> = signed.map(|action| line(action, false)).collect();
    lines.push(line(signature, true));
    lines.sort_unstable();
    lines.join("\n")
}

/// An action in the form that is signed: keys and the values of lists sorted. It differs from the
/// printed form in what is quoted, and must never change.
fn line(action: &Action, is_own: bool) -> String {
    let mut text = action.word().to_owned();
    if let Some(payload) = action.payload() {
        text.push(' ');
        text.push_str(payload);
    }
    for key in action.attributes().keys() {
        if is_own && key == "value" {
            text.push_str(" value=\"\"");
            continue;
        }
        let mut values: Vec<_> = action.values(key).collect();
        values.sort_unstable();
        for value in values {
            let _ = write!(text, " {key}=");
            quoted(value, &mut text);
        }
    }
    text
}

fn quoted(value: &str, text: &mut String) {
    if !value.is_empty() && !value.contains([' ', '\'', '"']) {
        text.push_str(value);
    } else if !value.contains('"') {
        let _ = write!(text, "\"{value}\"");
    } else if !value.contains('\'') {
        let _ = write!(text, "'{value}'");
    } else {
        let _ = write!(text, "\"{}\"", value.replace('"', "\\\""));
    }
}

/// The bytes of hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    pairs.map(byte).collect()
}

/// Hexadecimal digits of bytes.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
