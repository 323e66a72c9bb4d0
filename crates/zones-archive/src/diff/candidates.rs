//! Paths that may differ between two trees, as a storage driver knows them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// Paths below a root that may differ. Whatever is not named, nor below a path that is named with
/// all below it, is the same in both trees, but for the other names of files that are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Whether all below a path may differ, too.
    paths: BTreeMap<PathBuf, bool>,
}

impl Candidates {
    /// Names a path, relative to the root; with `is_whole` all below it, too.
    pub fn add(&mut self, path: PathBuf, is_whole: bool) {
        *self.paths.entry(path).or_default() |= is_whole;
    }

    /// The paths, sorted, and whether all below each may differ, too.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.paths
            .iter()
            .map(|(path, whole)| (path.as_path(), *whole))
    }

    /// How many paths are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether none is: then the trees are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether a path, or anything below it, may differ: what [`DiffOptions::may_differ`] asks.
    ///
    /// [`DiffOptions::may_differ`]: crate::DiffOptions::may_differ
    #[must_use]
    pub fn may_differ(&self, path: &Path) -> bool {
        // What lies below a path comes right after it.
        let from = (Bound::Included(path), Bound::Unbounded);
        let next = self.paths.range::<Path, _>(from).next();
        next.is_some_and(|(it, _)| it.starts_with(path))
            || path.ancestors().any(|it| self.paths.get(it) == Some(&true))
    }
}

impl Extend<(PathBuf, bool)> for Candidates {
    fn extend<T: IntoIterator<Item = (PathBuf, bool)>>(&mut self, all: T) {
        for (path, is_whole) in all {
            self.add(path, is_whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_differs_with_what_is_above_and_below() {
        let mut all = Candidates::default();
        assert!(all.is_empty() && !all.may_differ(Path::new("a")));
        for (path, is_whole) in [("a/b", false), ("a.b", true), ("c/d/e", false)] {
            all.add(path.into(), is_whole);
        }
        all.add("a/b".into(), false);
        all.add("a.b".into(), false);
        assert_eq!(all.len(), 3);
        for path in ["a", "a/b", "a.b", "a.b/c/d", "c", "c/d", "c/d/e", ""] {
            assert!(all.may_differ(Path::new(path)), "{path}");
        }
        for path in ["a/b/c", "a/c", "a.", "c/d/f", "c/d/e/f", "d"] {
            assert!(!all.may_differ(Path::new(path)), "{path}");
        }
    }
}
