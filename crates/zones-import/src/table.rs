//! Tables of paths with reasons.

use zones_ips::pattern::glob_matches;

/// Globs over paths, each with a reason.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    /// What an import leaves out unless told otherwise.
    #[must_use]
    pub fn exclusions() -> Self {
        Self::read(include_str!("../data/exclusions.txt"))
    }

    /// How images may differ from the root they came from, the exclusions with them.
    #[must_use]
    pub fn exceptions() -> Self {
        let mut table = Self::exclusions();
        table
            .0
            .extend(Self::read(include_str!("../data/exceptions.txt")).0);
        table
    }

    /// Reads lines of a glob, a tab and a reason; `#` begins a remark.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|it| !it.starts_with('#'));
        let rows = lines.filter_map(|it| it.split_once('\t'));
        Self(
            rows.map(|(glob, why)| (glob.to_owned(), why.to_owned()))
                .collect(),
        )
    }

    /// The reason of the first row that a path matches.
    #[must_use]
    pub fn reason(&self, path: &str) -> Option<&str> {
        let row = self.0.iter().find(|(glob, _)| glob_matches(glob, path));
        row.map(|(_, why)| why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn every_row_has_a_reason_and_the_tables_match() {
        let table = Table::exclusions();
        assert!(table.0.len() > 30);
        assert!(
            table
                .0
                .iter()
                .all(|(glob, why)| !glob.is_empty() && !why.is_empty())
        );
        assert_eq!(table.reason("var/log/apt/history.log"), Some("logs"));
        assert_eq!(table.reason("var/log"), None);
        assert_eq!(table.reason("usr/bin/true"), None);
        assert_eq!(
            Table::exceptions().reason("var/pkg"),
            Some("the record of pkg itself")
        );
    }
}
