//! Tables of a matrix file, read strictly: a key that nobody asked for is a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zones_types::Bytes;

use super::diag::Problems;
use crate::amount;

/// A value and the byte of the file where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: usize,
}

type Value<'t> = Spanned<DeValue<'t>>;

/// One table. Each getter notes the key as known; `finish` finds the unknown ones.
pub(crate) struct Section<'r, 't> {
    table: &'r DeTable<'t>,
    problems: &'r RefCell<Problems<'t>>,
    /// How the file calls it: `run`, `platform.override`.
    name: String,
    at: usize,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'r, 't> Section<'r, 't> {
    pub(crate) fn new(
        table: &'r DeTable<'t>,
        problems: &'r RefCell<Problems<'t>>,
        name: &str,
        at: usize,
    ) -> Self {
        let (name, known) = (name.to_owned(), RefCell::default());
        Self {
            table,
            problems,
            name,
            at,
            known,
        }
    }

    /// The byte where the table starts.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Notes a fault.
    pub(crate) fn fault(&self, at: usize, message: String, hint: &str) {
        let mut problems = self.problems.borrow_mut();
        let problem = problems.add(at, message);
        if !hint.is_empty() {
            problem.hint(hint);
        }
    }

    fn path(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    fn get(&self, key: &'static str) -> Option<&'r Value<'t>> {
        self.known.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Value<'t>, wanted: &str) {
        let message = format!("`{}` must be {wanted}", self.path(key));
        let hint = format!("it is {}", a_kind(value.get_ref()));
        self.fault(value.span().start, message, &hint);
    }

    /// Whether a key is there at all.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Whether a string stands there.
    pub(crate) fn is_text(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// A fault of the value of a key: `what` goes on after its name.
    pub(crate) fn fault_of(&self, key: &'static str, what: &str) {
        let at = self.get(key).map_or(self.at, |value| value.span().start);
        self.fault(at, format!("`{}` {what}", self.path(key)), "");
    }

    /// A fault, when the key is missing.
    pub(crate) fn need<T>(&self, key: &str, found: Option<T>) -> Option<T> {
        if found.is_none() && !self.table.contains_key(key) {
            self.fault(self.at, format!("`{}` is missing", self.path(key)), "");
        }
        found
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<At<String>> {
        let value = self.get(key)?;
        let found = text_of(value);
        if found.is_none() {
            self.wrong(key, value, "a string");
        }
        found
    }

    /// A string or a list of strings.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<At<String>>> {
        let value = self.get(key)?;
        self.texts_of(key, value)
    }

    fn texts_of(&self, key: &str, value: &Value<'t>) -> Option<Vec<At<String>>> {
        if let Some(one) = text_of(value) {
            return Some(vec![one]);
        }
        let all = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(text_of).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        if all.is_none() {
            self.wrong(key, value, "a list of strings");
        }
        all
    }

    /// A list of strings without their places; absent is empty.
    pub(crate) fn words(&self, key: &'static str) -> Option<Vec<String>> {
        let found = self.texts(key)?;
        Some(found.into_iter().map(|word| word.value).collect())
    }

    pub(crate) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(key, value, "true or false");
        }
        found
    }

    pub(crate) fn number(&self, key: &'static str) -> Option<u32> {
        let value = self.get(key)?;
        let found = number_of(value);
        if found.is_none() {
            self.wrong(key, value, "a whole number, 0 or more");
        }
        found
    }

    /// What `read` makes of a string, or a fault that says `wanted`.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let found = read(&text.value);
        if found.is_none() {
            let message = format!("`{}` must be {wanted}", self.path(key));
            self.fault(text.at, message, &format!("it is `{}`", text.value));
        }
        found
    }

    pub(crate) fn bytes(&self, key: &'static str) -> Option<Bytes> {
        self.parsed(key, "an amount such as \"512M\"", |text| text.parse().ok())
    }

    pub(crate) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration such as \"10m\"", amount::duration)
    }

    /// One word of a table.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &'static str,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(key)?;
        self.one_of(key, &text, known)
    }

    /// Finds a word in a table, or says which ones there are.
    pub(crate) fn one_of<T: Copy>(
        &self,
        key: &str,
        text: &At<String>,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let found = known.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let mut problems = self.problems.borrow_mut();
            let message = format!("`{}` cannot be `{}`", self.path(key), text.value);
            let problem = problems.add(text.at, message);
            problem.suggest(&text.value, known.iter().map(|(word, _)| *word));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A table below this one.
    pub(crate) fn table(&self, key: &'static str) -> Option<Section<'r, 't>> {
        let value = self.get(key)?;
        let found = self.section_of(key, value);
        if found.is_none() {
            self.wrong(key, value, "a table");
        }
        found
    }

    /// A table below this one, when that is what stands there; strings are left to `text`.
    pub(crate) fn maybe_table(&self, key: &'static str) -> Option<Section<'r, 't>> {
        let value = self.get(key)?;
        self.section_of(key, value)
    }

    fn section_of(&self, key: &str, value: &'r Value<'t>) -> Option<Section<'r, 't>> {
        let table = value.get_ref().as_table()?;
        let (name, at) = (self.path(key), value.span().start);
        Some(Section::new(table, self.problems, &name, at))
    }

    /// The tables of a list of tables.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Section<'r, 't>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let sections = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.section_of(key, item))
                .collect(),
            _ => None,
        };
        sections.unwrap_or_else(|| {
            self.wrong(key, value, &format!("written as [[{}]]", self.path(key)));
            Vec::new()
        })
    }

    /// The keys of a table that names things, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<Entry<'_, 'r, 't>> {
        let mut all: Vec<Entry<'_, 'r, 't>> = self
            .table
            .iter()
            .map(|(key, value)| {
                let (name, at) = (key.get_ref().as_ref(), key.span().start);
                Entry {
                    section: self,
                    name,
                    at,
                    value,
                }
            })
            .collect();
        all.sort_by_key(|entry| entry.at);
        all
    }

    /// Every key that no getter asked for is a fault.
    pub(crate) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(name) {
                let mut problems = self.problems.borrow_mut();
                let message = format!("unknown key `{}`", self.path(name));
                let problem = problems.add(key.span().start, message);
                problem.suggest(name, known.iter().copied());
            }
        }
    }
}

/// One key of a table whose keys are names of the user's.
pub(crate) struct Entry<'s, 'r, 't> {
    section: &'s Section<'r, 't>,
    pub(crate) name: &'r str,
    pub(crate) at: usize,
    value: &'r Value<'t>,
}

impl<'r, 't> Entry<'_, 'r, 't> {
    /// The table that stands there; anything else is a fault.
    pub(crate) fn table(&self) -> Option<Section<'r, 't>> {
        let found = self.section.section_of(self.name, self.value);
        if found.is_none() {
            self.section.wrong(self.name, self.value, "a table");
        }
        found
    }

    /// The table, when one stands there.
    pub(crate) fn maybe_table(&self) -> Option<Section<'r, 't>> {
        self.section.section_of(self.name, self.value)
    }

    pub(crate) fn text(&self) -> Option<At<String>> {
        let found = text_of(self.value);
        if found.is_none() {
            self.section.wrong(self.name, self.value, "a string");
        }
        found
    }

    pub(crate) fn texts(&self) -> Option<Vec<At<String>>> {
        self.section.texts_of(self.name, self.value)
    }

    /// The name, when it may be part of the id of a cell.
    pub(crate) fn checked_name(&self) -> Option<String> {
        if is_name(self.name) {
            return Some(self.name.to_owned());
        }
        let message = format!("`{}` cannot be a name", self.section.path(self.name));
        self.section.fault(self.at, message, NAME_RULE);
        None
    }
}

/// What a name may be made of, said to the user.
pub(crate) const NAME_RULE: &str =
    "names have letters, digits, `.`, `_` and `-`, and start with a letter or digit";

/// Whether a text may be part of the id of a cell: such an id needs no escape in a URL or a path.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(is_part)
}

fn text_of(value: &Value<'_>) -> Option<At<String>> {
    let text = value.get_ref().as_str()?;
    Some(At {
        value: text.to_owned(),
        at: value.span().start,
    })
}

fn number_of(value: &Value<'_>) -> Option<u32> {
    let number = value.get_ref().as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}

fn a_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
