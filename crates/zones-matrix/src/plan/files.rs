//! Bytes of files that a plan refers to, each asked for once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::World;
use crate::config::Problems;
use crate::key::Key;

pub(super) struct Files<'w> {
    world: &'w dyn World,
    seen: RefCell<BTreeMap<String, Option<Key>>>,
}

/// Characters that make a first word something for the shell to read, not the name of a file.
const SHELL: &str = "|&;<>()$`\"'\\*?[]#~=%{}";

impl<'w> Files<'w> {
    pub(super) fn new(world: &'w dyn World) -> Self {
        let seen = RefCell::default();
        Self { world, seen }
    }

    /// The hash of a file that may be missing.
    pub(super) fn maybe(&self, path: &str, at: usize, problems: &mut Problems<'_>) -> Option<Key> {
        if let Some(known) = self.seen.borrow().get(path) {
            return *known;
        }
        let is_inside = !path.starts_with('/') && path.split('/').all(|part| part != "..");
        let found = if is_inside {
            self.world.digest(path).unwrap_or_else(|error| {
                problems.add(at, format!("cannot read `{path}`: {error}"));
                None
            })
        } else {
            let problem = problems.add(at, format!("`{path}` is outside"));
            problem.hint("files are named relative to the matrix file, without `..`");
            None
        };
        self.seen.borrow_mut().insert(path.to_owned(), found);
        found
    }

    /// The hash of a file that must be there.
    pub(super) fn must(&self, path: &str, at: usize, problems: &mut Problems<'_>) -> Option<Key> {
        let before = problems.count();
        let found = self.maybe(path, at, problems);
        if found.is_none() && before == problems.count() {
            let problem = problems.add(at, format!("there is no file `{path}`"));
            problem.hint("files are named relative to the matrix file");
        }
        found
    }

    /// The hash of the script that a command line starts, when it starts one of the project's:
    /// a first word with a slash in it that is not absolute.
    pub(super) fn script(&self, run: &str, at: usize, problems: &mut Problems<'_>) -> Option<Key> {
        let word = run.split_whitespace().next()?;
        let is_file =
            word.contains('/') && !word.starts_with('/') && !word.contains(|c| SHELL.contains(c));
        if is_file {
            self.must(word, at, problems)
        } else {
            None
        }
    }
}
