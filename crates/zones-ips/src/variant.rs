//! Variants: values that an image has once, such as its architecture.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::manifest::Manifest;

/// The variant that tells the global zone from others: `global` or `nonglobal`.
pub const ZONE: &str = "variant.opensolaris.zone";

/// What a variant that the image does not set counts as.
pub const UNSET: &str = "false";

/// The variants of an image: full name (`variant.arch`) and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variants(BTreeMap<String, String>);

impl Variants {
    /// The value of a variant by its full name; [`UNSET`] when the image has none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or(UNSET, String::as_str)
    }

    /// Gives a variant a value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// All that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether every variant that the action names includes the image's value.
    #[must_use]
    pub fn allow(&self, action: &Action) -> bool {
        let mut tags = action.variants().peekable();
        while let Some((name, value)) = tags.next() {
            let own = self.get(name);
            let mut is_allowed = value == own;
            while let Some((_, value)) = tags.next_if(|(next, _)| *next == name) {
                is_allowed |= value == own;
            }
            if !is_allowed {
                return false;
            }
        }
        true
    }

    /// Whether the package supports the image: each `set name=variant.NAME` lists its value.
    #[must_use]
    pub fn support(&self, manifest: &Manifest) -> bool {
        let sets = manifest.of_kind(crate::ActionKind::Set);
        let mut declared = sets.filter_map(|action| Some((action, action.get("name")?)));
        declared.all(|(action, name)| {
            !name.starts_with("variant.") || action.values("value").any(|it| it == self.get(name))
        })
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variants {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
