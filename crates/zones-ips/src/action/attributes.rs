//! Attributes of an action: keys with one or more values.

use std::ops::Range;

/// Keys with values, sorted by key; the values of one key keep their order.
///
/// One text and one list of ranges hold everything, so that ten thousands of actions cost two
/// allocations each. Reading one key costs a binary search. [`Extend`] takes any number of pairs in
/// one go; inserting pairs one by one moves the entries behind each.
#[derive(Clone, Default)]
pub struct Attributes {
    text: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: Span,
    value: Span,
}

/// Bytes of the text. An action is below 2^32 bytes long.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Attributes {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            entries: Vec::with_capacity(8),
        }
    }

    /// Values, not keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The first value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.get(self.start(key))?;
        (self.cut(entry.key) == key).then(|| self.cut(entry.value))
    }

    /// All values of `key`, in order.
    pub fn values<'a>(&'a self, key: &str) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let entries = &self.entries[self.range(key)];
        entries.iter().map(|entry| self.cut(entry.value))
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let pair = |entry: &Entry| (self.cut(entry.key), self.cut(entry.value));
        self.entries.iter().map(pair)
    }

    /// All keys, each once.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let runs = self
            .entries
            .chunk_by(|left, right| self.cut(left.key) == self.cut(right.key));
        runs.map(|run| self.cut(run[0].key))
    }

    /// The pairs whose key begins with `prefix`.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let entries = self.entries[self.start(prefix)..].iter();
        let pairs = entries.map(|entry| (self.cut(entry.key), self.cut(entry.value)));
        pairs.take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(super) fn push(&mut self, key: &str, value: &str) {
        let entry = self.store(key, value);
        let at = self.range(key).end;
        self.entries.insert(at, entry);
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.remove(key);
        self.push(key, value);
    }

    pub(super) fn remove(&mut self, key: &str) {
        let range = self.range(key);
        self.entries.drain(range);
    }

    /// Whether the same keys have the same values; the values of a key may differ in order.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let sorted = |attributes: &Self| -> Vec<(String, String)> {
            let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
            let mut pairs: Vec<_> = attributes.iter().map(own).collect();
            pairs.sort();
            pairs
        };
        self == other || (self.len() == other.len() && sorted(self) == sorted(other))
    }

    /// Adds a pair at the end, out of order: [`Self::sort`] must follow.
    pub(super) fn append(&mut self, key: &str, value: &str) {
        let entry = self.store(key, value);
        self.entries.push(entry);
    }

    /// Lengthens the value that was appended last.
    pub(super) fn lengthen(&mut self, more: &str) {
        self.text.push_str(more);
        if let Some(last) = self.entries.last_mut() {
            last.value.end = position(self.text.len());
        }
    }

    /// Puts the keys in order; costs little when they are. Gives back what was not needed.
    pub(super) fn sort(&mut self) {
        let text = &self.text;
        let sorted = self
            .entries
            .is_sorted_by_key(|entry| &text[entry.key.range()]);
        if !sorted {
            self.entries
                .sort_by(|left, right| text[left.key.range()].cmp(&text[right.key.range()]));
        }
    }

    fn store(&mut self, key: &str, value: &str) -> Entry {
        let start = position(self.text.len());
        self.text.push_str(key);
        let middle = position(self.text.len());
        self.text.push_str(value);
        let end = position(self.text.len());
        Entry {
            key: Span { start, end: middle },
            value: Span { start: middle, end },
        }
    }

    fn cut(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    fn start(&self, key: &str) -> usize {
        self.entries
            .partition_point(|entry| self.cut(entry.key) < key)
    }

    fn range(&self, key: &str) -> Range<usize> {
        let start = self.start(key);
        let run = self.entries[start..].partition_point(|entry| self.cut(entry.key) == key);
        start..start + run
    }
}

/// Lengths are checked before: [`super::ACTION_LEN_MAX`] is far below 2^32.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> Extend<(&'a str, &'a str)> for Attributes {
    fn extend<T: IntoIterator<Item = (&'a str, &'a str)>>(&mut self, pairs: T) {
        for (key, value) in pairs {
            self.append(key, value);
        }
        self.sort();
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Self {
        let mut attributes = Self::default();
        attributes.extend(pairs);
        attributes
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Attributes {}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
