//! JSON as catalogs hold it: compact, keys sorted, everything beyond ASCII escaped.

use std::io::{self, Write};

use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Map, Value};

/// Writes compact JSON in ASCII.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|letter: char| !letter.is_ascii()) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let Some(letter) = rest[at..].chars().next() else {
                break;
            };
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + letter.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// The text of an object, its keys sorted at every depth.
pub(super) fn json(object: Map<String, Value>) -> String {
    let mut value = Value::Object(object);
    value.sort_all_objects();
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Ascii);
    // Writing a value into memory cannot fail.
    let _ = serde::Serialize::serialize(&value, &mut serializer);
    String::from_utf8(bytes).unwrap_or_default()
}
