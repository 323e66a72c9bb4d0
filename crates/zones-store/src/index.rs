//! The index: one line for each zone, `NAME:STATE:ZONEPATH:UUID` and what others append to it.
//!
//! Comments, lines that make no sense to us and extra fields are kept as they are.

use zones_types::{ZoneName, ZonePath, ZoneState};

/// What stands above the entries of an index that we start.
const HEAD: &str = "\
# The zones of this host, one a line: name, state, zonepath, uuid.
# Kept by zonecfg and zoneadm; not an interface, do not edit.
";

/// One zone in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Zone.
    pub name: ZoneName,
    /// `configured`, `incomplete` or `installed`.
    pub state: ZoneState,
    /// As it stands in the file; `/` for the host.
    pub path: String,
    /// Empty until the zone first leaves `configured`.
    pub uuid: String,
    /// Fields five and up as SmartOS writes them: brand, IP type, debug id.
    pub extra: Vec<String>,
}

impl IndexEntry {
    /// The zonepath; `None` for the host, and for a path that breaks the rules.
    #[must_use]
    pub fn zonepath(&self) -> Option<ZonePath> {
        self.path.parse().ok()
    }

    /// The brand, when the line has the extended form.
    #[must_use]
    pub fn brand(&self) -> Option<&str> {
        let brand = self.extra.first().map(String::as_str);
        brand.filter(|brand| !brand.is_empty())
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(':')?;
        let (state, rest) = rest.split_once(':')?;
        let state: ZoneState = state.parse().ok().filter(|state| is_persistent(*state))?;
        let (path, rest) = split_path(rest)?;
        let mut fields = rest.split(':').map(str::to_owned);
        Some(Self {
            name: name.parse().ok()?,
            state,
            path: path.to_owned(),
            uuid: fields.next().unwrap_or_default(),
            extra: fields.collect(),
        })
    }

    fn line(&self) -> String {
        let quote = if self.path.contains(':') { "\"" } else { "" };
        let Self {
            name, state, path, ..
        } = self;
        let mut line = format!("{name}:{state}:{quote}{path}{quote}:{}", self.uuid);
        if self.name.is_global() && self.uuid.is_empty() && self.extra.is_empty() {
            // The host's line has three fields in the shipped file.
            line.pop();
        }
        for field in &self.extra {
            line.push(':');
            line += field;
        }
        line
    }
}

/// Whether a state may stand in the index.
pub(crate) fn is_persistent(state: ZoneState) -> bool {
    matches!(
        state,
        ZoneState::Configured | ZoneState::Incomplete | ZoneState::Installed
    )
}

/// The path, without its quotes, and what follows the colon after it.
fn split_path(rest: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let (path, rest) = quoted.split_once('"')?;
        return Some((path, rest.strip_prefix(':').unwrap_or(rest)));
    }
    Some(rest.split_once(':').unwrap_or((rest, "")))
}

/// A whole index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Other(String),
    Entry(IndexEntry),
}

impl Index {
    /// The index of a host without zones.
    pub(crate) fn fresh() -> Self {
        Self::parse(&format!("{HEAD}global:installed:/\n"))
    }

    /// Reads any text; what is no entry is kept as it is.
    pub(crate) fn parse(text: &str) -> Self {
        let line = |line: &str| match IndexEntry::parse(line) {
            Some(entry) if !line.starts_with('#') => Line::Entry(entry),
            _ => Line::Other(line.to_owned()),
        };
        Self {
            lines: text.lines().map(line).collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Other(line) => text += line,
                Line::Entry(entry) => text += &entry.line(),
            }
            text.push('\n');
        }
        text
    }

    /// The entries, in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &IndexEntry> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Other(_) => None,
        })
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = IndexEntry> {
        self.lines.into_iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Other(_) => None,
        })
    }

    pub(crate) fn get(&self, name: &ZoneName) -> Option<&IndexEntry> {
        self.entries().find(|entry| entry.name == *name)
    }

    pub(crate) fn get_mut(&mut self, name: &ZoneName) -> Option<&mut IndexEntry> {
        self.lines.iter_mut().find_map(|line| match line {
            Line::Entry(entry) if entry.name == *name => Some(entry),
            _ => None,
        })
    }

    pub(crate) fn push(&mut self, entry: IndexEntry) {
        self.lines.push(Line::Entry(entry));
    }

    /// Takes an entry out; false when there was none.
    pub(crate) fn remove(&mut self, name: &ZoneName) -> bool {
        let before = self.lines.len();
        self.lines
            .retain(|line| !matches!(line, Line::Entry(entry) if entry.name == *name));
        self.lines.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
# a comment
global:installed:/
z1:installed:/zones/z1:3f2a0000-0000-4000-8000-000000000001
z2:configured:\"/odd:path/z2\":
z3:installed:/zones/z3:uuid:lx:excl:12
short
z4:running:/zones/z4:
bad name:installed:/zones/x:
z5:incomplete:/zones/z5
";

    #[test]
    fn entries_are_read_and_the_rest_is_kept() {
        let index = Index::parse(SAMPLE);
        let names: Vec<_> = index.entries().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["global", "z1", "z2", "z3", "z5"]);
        let entry = |name: &str| index.get(&name.parse().unwrap()).unwrap();
        assert_eq!(entry("z2").path, "/odd:path/z2");
        assert_eq!(entry("z3").brand(), Some("lx"));
        assert_eq!(entry("z3").extra, ["lx", "excl", "12"]);
        assert_eq!(entry("global").zonepath(), None);
        // A line that lacks its last field gets it; all the others stay byte for byte.
        assert_eq!(index.text(), SAMPLE.replace("/zones/z5\n", "/zones/z5:\n"));
    }

    #[test]
    fn changes_touch_one_line() {
        let mut index = Index::parse(SAMPLE);
        let name: ZoneName = "z3".parse().unwrap();
        index.get_mut(&name).unwrap().state = ZoneState::Incomplete;
        assert_eq!(
            index.text().replace("z3:incomplete", "z3:installed"),
            Index::parse(SAMPLE).text()
        );
        assert!(index.remove(&name));
        assert!(!index.remove(&name));
        assert!(index.text().starts_with("# a comment\n"));
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "",
            ":",
            ":::",
            "\"",
            "a:installed:\"",
            "a:installed:\"x",
            "\0:\n#",
        ] {
            let again = Index::parse(&Index::parse(text).text());
            assert_eq!(again, Index::parse(&again.text()));
        }
    }
}
