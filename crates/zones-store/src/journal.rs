//! Notes on work that outlives a process: `/var/lib/zones/journal/ZONE`.
//!
//! The note is written and synced before the work starts and removed after it ended, so whoever
//! finds one knows what died and what must be undone or finished. One `key=value` a line; a
//! backslash, a newline and a carriage return in a value are written `\\`, `\n`, `\r`.

use std::path::PathBuf;

use zones_types::ZoneName;

use crate::{Layout, StoreError, atomic};

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The command that was under way.
    pub verb: String,
    /// What it wrote down, in its order.
    pub fields: Vec<(String, String)>,
}

impl Entry {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, _)| name == key)?;
        Some(&found.1)
    }
}

/// Writes the note of `zone`, or replaces it. Keys hold no `=` and no newline.
pub fn begin(
    layout: &Layout,
    zone: &ZoneName,
    verb: &str,
    fields: &[(&str, &str)],
) -> Result<(), StoreError> {
    let mut text = format!("verb={}\n", escape(verb));
    for (key, value) in fields {
        debug_assert!(!key.contains(['=', '\n']), "{key}");
        text += &format!("{key}={}\n", escape(value));
    }
    let path = path(layout, zone);
    // Who writes it has the lock of the zone.
    atomic::sweep_file(&path);
    atomic::write(&path, text.as_bytes(), 0o600)
}

/// The note of `zone`; `None` when nothing is under way. Lines that make no sense are skipped.
pub fn read(layout: &Layout, zone: &ZoneName) -> Result<Option<Entry>, StoreError> {
    let Some(text) = atomic::read(&path(layout, zone))? else {
        return Ok(None);
    };
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let verb = match lines.next() {
        Some(("verb", verb)) => unescape(verb),
        _ => String::new(),
    };
    let fields = lines
        .map(|(key, value)| (key.to_owned(), unescape(value)))
        .collect();
    Ok(Some(Entry { verb, fields }))
}

/// Removes the note of `zone`: the work ended, or was undone.
pub fn end(layout: &Layout, zone: &ZoneName) -> Result<(), StoreError> {
    atomic::remove(&path(layout, zone))
}

/// Removes what writers of the note of `zone` left that died while they wrote; whoever calls has
/// the lock of the zone.
pub fn sweep(layout: &Layout, zone: &ZoneName) {
    atomic::sweep_file(&path(layout, zone));
}

fn path(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.lib().join("journal").join(zone.as_str())
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_there_from_begin_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let zone: ZoneName = "z1".parse().unwrap();
        assert_eq!(read(&layout, &zone).unwrap(), None);
        let odd = "a\\b\nc\r=d";
        begin(
            &layout,
            &zone,
            "install",
            &[("root", "/z/z1/root"), ("odd", odd)],
        )
        .unwrap();
        let entry = read(&layout, &zone).unwrap().unwrap();
        assert_eq!(entry.verb, "install");
        assert_eq!(entry.field("root"), Some("/z/z1/root"));
        assert_eq!(entry.field("odd"), Some(odd));
        assert_eq!(entry.field("none"), None);
        end(&layout, &zone).unwrap();
        end(&layout, &zone).unwrap();
        assert_eq!(read(&layout, &zone).unwrap(), None);
    }
}
