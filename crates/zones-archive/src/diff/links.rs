//! Which names are one file, compared between two trees.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Device and inode number.
type Identity = (u64, u64);

/// Names that both trees have, of files with several names.
#[derive(Debug, Default)]
pub(super) struct Links {
    names: Vec<(PathBuf, Identity, Identity)>,
}

impl Links {
    /// Notes what a name stands for in the old tree and in the new one.
    pub(super) fn note(&mut self, path: &Path, was: Identity, is: Identity) {
        self.names.push((path.to_owned(), was, is));
    }

    /// The names that are one file with other names than before.
    pub(super) fn changed(self) -> impl Iterator<Item = PathBuf> {
        let mut sizes_old: HashMap<Identity, usize> = HashMap::new();
        let mut sizes_new: HashMap<Identity, usize> = HashMap::new();
        let mut sizes_both: HashMap<(Identity, Identity), usize> = HashMap::new();
        for (_, was, is) in &self.names {
            *sizes_old.entry(*was).or_default() += 1;
            *sizes_new.entry(*is).or_default() += 1;
            *sizes_both.entry((*was, *is)).or_default() += 1;
        }
        let names = self.names.into_iter();
        names.filter_map(move |(path, was, is)| {
            // The same set of names: then all of the one are all of the other.
            let both = sizes_both.get(&(was, is));
            let same = both == sizes_old.get(&was) && both == sizes_new.get(&is);
            (!same).then_some(path)
        })
    }
}
