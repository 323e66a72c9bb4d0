//! Facets: optional parts of packages, such as documentation or locales.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::pattern::glob_matches;

/// The facets of an image: full name or glob (`facet.locale.*`) and whether it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    local: BTreeMap<String, bool>,
    inherited: BTreeMap<String, bool>,
}

/// Who says whether a facet is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FacetSource {
    /// The image's administrator.
    Local,
    /// The parent image.
    Parent,
    /// Nobody: it is the default.
    System,
}

impl FacetSource {
    /// The word in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Parent => "parent",
            Self::System => "system",
        }
    }
}

/// Facets below these are unwanted unless somebody asks for them.
const OFF: [&str; 2] = ["facet.debug.", "facet.optional."];

impl Facets {
    /// Says for a name or glob whether it is wanted.
    pub fn set(&mut self, name: &str, value: bool) {
        self.local.insert(name.to_owned(), value);
    }

    /// Takes what was said for a name or glob back.
    pub fn unset(&mut self, name: &str) -> Option<bool> {
        self.local.remove(name)
    }

    /// Takes over what the parent image says, which masks what is said here.
    pub fn inherit(&mut self, parents: impl IntoIterator<Item = (String, bool)>) {
        self.inherited = parents.into_iter().collect();
    }

    /// What is said here, by name.
    pub fn local(&self) -> impl Iterator<Item = (&str, bool)> {
        self.local.iter().map(|(name, value)| (&**name, *value))
    }

    /// What the parent says, by name.
    pub fn inherited(&self) -> impl Iterator<Item = (&str, bool)> {
        self.inherited.iter().map(|(name, value)| (&**name, *value))
    }

    /// Whether a facet is wanted, and who says so: its own name before globs, longer globs before
    /// shorter ones, the parent before the image.
    #[must_use]
    pub fn value(&self, name: &str) -> (bool, FacetSource) {
        if let Some(value) = said(&self.inherited, name) {
            return (value, FacetSource::Parent);
        }
        if let Some(value) = said(&self.local, name) {
            return (value, FacetSource::Local);
        }
        let is_off = OFF.iter().any(|prefix| name.starts_with(prefix));
        (!is_off, FacetSource::System)
    }

    /// Whether the action is wanted: all its facets tagged `all`, and any of the others.
    #[must_use]
    pub fn allow(&self, action: &Action) -> bool {
        let mut others = None;
        for (name, value) in action.facets() {
            let is_wanted = self.value(name).0;
            if value == "all" {
                if !is_wanted {
                    return false;
                }
            } else {
                others = Some(others.unwrap_or(false) || is_wanted);
            }
        }
        others.unwrap_or(true)
    }
}

fn said(table: &BTreeMap<String, bool>, name: &str) -> Option<bool> {
    if let Some(value) = table.get(name) {
        return Some(*value);
    }
    let globs = table.iter().filter(|(glob, _)| glob_matches(glob, name));
    globs
        .max_by_key(|(glob, _)| glob.len())
        .map(|(_, value)| *value)
}
