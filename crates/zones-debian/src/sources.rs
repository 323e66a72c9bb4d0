//! Where packages come from: apt's own source lists. Source: sources.list(5).

mod host;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use host::HostSources;

/// Which keys may sign a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyring {
    /// The host's trusted keys.
    Host,
    /// Key files, binary or armored.
    Files(Vec<PathBuf>),
    /// A key that stands in the source entry itself.
    Inline(String),
}

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The archive, `http:`, `https:` or `file:`, without a slash at the end.
    pub uri: String,
    /// The suite or code name.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Who may sign.
    pub keyring: Keyring,
    /// Whether an expired index is refused.
    pub check_valid_until: bool,
    /// May be missing on the mirror; then it is left out with a note.
    pub optional: bool,
}

impl Source {
    /// A suite of an archive with component `main`, signed by keys of the host.
    #[must_use]
    pub fn new(uri: &str, suite: &str) -> Self {
        Self {
            uri: uri.trim_end_matches('/').to_owned(),
            suite: suite.to_owned(),
            components: vec![String::from("main")],
            keyring: Keyring::Host,
            check_valid_until: true,
            optional: false,
        }
    }

    /// Whether this is a suite that only corrects another one.
    #[must_use]
    pub fn is_pocket(&self) -> bool {
        pocket_of(&self.suite).is_some()
    }
}

/// Suites that go on top of another one.
const POCKETS: [&str; 5] = [
    "-security",
    "/updates",
    "-updates",
    "-proposed-updates",
    "-backports",
];

/// The suite under a pocket.
pub(crate) fn pocket_of(suite: &str) -> Option<&str> {
    let suite = suite.strip_suffix("-sloppy").unwrap_or(suite);
    POCKETS.iter().find_map(|p| suite.strip_suffix(p))
}

/// Pockets that belong to a current system.
pub(crate) fn is_update(suite: &str) -> bool {
    ["-security", "/updates", "-updates"]
        .iter()
        .any(|p| suite.ends_with(p))
        && !suite.ends_with("-proposed-updates")
}
