//! `pkg5.repository`: the properties of a repository.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{RepositoryError, Result};

/// The version that is written, and the one that can still be read.
pub(crate) const VERSION: &str = "4";
pub(crate) const VERSION_OLD: &str = "3";

/// Bytes a configuration may have.
pub(crate) const CONFIGURATION_LEN_MAX: u64 = 1 << 20;

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any one line.
    Text,
    /// `True` or `False`.
    Flag,
    /// Words, written `['a', 'b']`.
    List,
    /// The prefix of a publisher, or nothing.
    Publisher,
    /// Fixed.
    Version,
}

/// A property that is known: section, name, value of a new repository, kind.
type Row = (&'static str, &'static str, &'static str, Kind);

/// Source: pkgrepo(1), "set".
const PROPERTIES: [Row; 5] = [
    ("publisher", "prefix", "", Kind::Publisher),
    ("repository", "version", VERSION, Kind::Version),
    (
        "repository",
        "trust-anchor-directory",
        "/etc/ssl/pkg/",
        Kind::Text,
    ),
    ("repository", "signature-required-names", "[]", Kind::List),
    (
        "repository",
        "check-certificate-revocation",
        "False",
        Kind::Flag,
    ),
];

/// Sections with their properties, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Default for Configuration {
    /// That of a new repository.
    fn default() -> Self {
        let mut new = Self {
            sections: Vec::new(),
        };
        for (section, name, value, _) in PROPERTIES {
            new.put(section, name, value);
        }
        new.put("CONFIGURATION", "version", VERSION);
        new
    }
}

impl Configuration {
    /// Reads the text of the file at `path`, which is for messages.
    ///
    /// # Errors
    ///
    /// A line that is neither section, property, comment nor blank.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut read = Self {
            sections: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            read.line(line)
                .map_err(|why| RepositoryError::Configuration {
                    path: path.to_owned(),
                    line: at + 1,
                    why: why.to_owned(),
                })?;
        }
        Ok(read)
    }

    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(());
        }
        if line.starts_with([' ', '\t']) {
            // A value that goes on.
            let last = self
                .sections
                .last_mut()
                .and_then(|(_, rows)| rows.last_mut());
            let (_, value) = last.ok_or("a value goes on where none began")?;
            value.push('\n');
            value.push_str(text);
            return Ok(());
        }
        if let Some(name) = text.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or("the section lacks its `]`")?;
            self.sections.push((name.to_owned(), Vec::new()));
            return Ok(());
        }
        let (name, value) = text
            .split_once(['=', ':'])
            .ok_or("neither `[section]` nor `name = value`")?;
        let (_, rows) = self
            .sections
            .last_mut()
            .ok_or("a property without a section")?;
        rows.push((name.trim().to_owned(), value.trim().to_owned()));
        Ok(())
    }

    /// The value as it is written; None when the property is not there.
    #[must_use]
    pub fn get(&self, section: &str, name: &str) -> Option<&str> {
        let sections = self.sections.iter().filter(|(known, _)| known == section);
        let mut rows = sections.flat_map(|(_, rows)| rows);
        rows.find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// The words of a list; none when the property is not there.
    #[must_use]
    pub fn list(&self, section: &str, name: &str) -> Vec<String> {
        words(self.get(section, name).unwrap_or_default())
    }

    /// All of them: section, name, value; without the version of the file itself.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let sections = self
            .sections
            .iter()
            .filter(|(name, _)| name != "CONFIGURATION");
        sections.flat_map(|(section, rows)| {
            rows.iter()
                .map(move |(name, value)| (&**section, &**name, &**value))
        })
    }

    /// Gives a property a value, checked by its kind. Sections and names that are not known are
    /// refused.
    ///
    /// # Errors
    ///
    /// The property is not known, or the value is not of its kind.
    pub fn set(&mut self, section: &str, name: &str, values: &[&str]) -> Result<()> {
        let refuse = |why: String| Err(RepositoryError::Property(why));
        let known = PROPERTIES
            .iter()
            .find(|(in_section, known, ..)| *in_section == section && *known == name);
        let Some((.., kind)) = known else {
            let names = PROPERTIES.map(|(section, name, ..)| format!("{section}/{name}"));
            return refuse(format!(
                "unknown property `{section}/{name}`; known are {}",
                names.join(", ")
            ));
        };
        let property = format!("{section}/{name}");
        let text = match (kind, values) {
            (Kind::Version, _) => return refuse(format!("`{property}` cannot be changed")),
            (Kind::List, values) => printed(values),
            (_, []) => String::new(),
            (Kind::Text, [value]) if !value.contains('\n') => (*value).to_owned(),
            (Kind::Flag, [value]) => match value.to_ascii_lowercase().as_str() {
                "true" => "True".to_owned(),
                "false" => "False".to_owned(),
                _ => return refuse(format!("`{property}` is True or False, not `{value}`")),
            },
            (Kind::Publisher, [value]) => match value.parse::<zones_ips::Publisher>() {
                _ if value.is_empty() => String::new(),
                Ok(publisher) => publisher.to_string(),
                Err(error) => return refuse(error.to_string()),
            },
            _ => return refuse(format!("`{property}` takes one value of one line")),
        };
        self.put(section, name, &text);
        Ok(())
    }

    pub(crate) fn put(&mut self, section: &str, name: &str, value: &str) {
        let at = self.sections.iter().position(|(known, _)| known == section);
        let at = at.unwrap_or_else(|| {
            self.sections.push((section.to_owned(), Vec::new()));
            self.sections.len() - 1
        });
        let rows = &mut self.sections[at].1;
        match rows.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => rows.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, rows) in &self.sections {
            let _ = writeln!(text, "[{section}]");
            for (name, value) in rows {
                let value = value.replace('\n', "\n\t");
                let _ = writeln!(text, "{}", format!("{name} = {value}").trim_end());
            }
            text.push('\n');
        }
        text
    }
}

/// Reads `['a', "b"]`, `[a, b]` or `a,b`. A backslash keeps the next character as it is.
pub(crate) fn words(text: &str) -> Vec<String> {
    let inner = text
        .trim()
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'));
    let mut found = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = inner.unwrap_or(text).trim().chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', Some(_)) => word.extend(letters.next()),
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (',', None) => found.push(std::mem::take(&mut word)),
            (' ', None) => {}
            _ => word.push(letter),
        }
    }
    found.push(word);
    found.retain(|word| !word.is_empty());
    found
}

/// Writes a list as the real tools read it.
fn printed(values: &[&str]) -> String {
    let quoted = values.iter().map(|value| {
        let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
        format!("'{escaped}'")
    });
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_configuration_is_the_known_text() {
        let mut new = Configuration::default();
        new.set("publisher", "prefix", &["test"]).unwrap();
        let known = "[publisher]\nprefix = test\n\n[repository]\nversion = 4\n\
                     trust-anchor-directory = /etc/ssl/pkg/\nsignature-required-names = []\n\
                     check-certificate-revocation = False\n\n[CONFIGURATION]\nversion = 4\n\n";
        assert_eq!(new.text(), known);
        assert_eq!(Configuration::parse(known, Path::new("x")).unwrap(), new);
    }

    #[test]
    fn values_are_checked_by_kind() {
        let mut it = Configuration::default();
        let rows: [(&str, &str, &[&str], bool); 8] = [
            ("publisher", "prefix", &["a b"], false),
            ("publisher", "prefix", &[], true),
            ("publisher", "alias", &["x"], false),
            ("repository", "version", &["5"], false),
            (
                "repository",
                "check-certificate-revocation",
                &["yes"],
                false,
            ),
            (
                "repository",
                "check-certificate-revocation",
                &["true"],
                true,
            ),
            ("repository", "trust-anchor-directory", &["a\nb"], false),
            (
                "repository",
                "signature-required-names",
                &["a, b", "c'd"],
                true,
            ),
        ];
        for (section, name, values, is_good) in rows {
            let set = it.set(section, name, values);
            assert_eq!(set.is_ok(), is_good, "{name} {values:?}");
        }
        let names = it.list("repository", "signature-required-names");
        assert_eq!(names, ["a, b", "c'd"]);
    }

    #[test]
    fn strange_lines_name_their_number() {
        for bad in ["x", "a = b", "[a\n", "  b"] {
            let error = Configuration::parse(&format!("# c\n{bad}"), Path::new("/r/f"));
            assert!(error.unwrap_err().to_string().contains("line 2"), "{bad}");
        }
        let least = Configuration::parse("[repository]\nversion: 4\n", Path::new("x"));
        assert_eq!(least.unwrap().get("repository", "version"), Some("4"));
    }
}
