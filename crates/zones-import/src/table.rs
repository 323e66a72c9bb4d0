//! Tables of paths with reasons.

use zones_ips::pattern::glob_matches;

/// Globs over paths, each with a reason.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<Rule>);

/// Why something is as it is, and what says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The glob that a path matches.
    pub glob: String,
    /// What may differ at such a path, in the words of [`crate::What::word`]; `any` is all.
    pub kinds: String,
    /// The reason.
    pub why: String,
}

impl Table {
    /// What an import leaves out unless told otherwise.
    #[must_use]
    pub fn exclusions() -> Self {
        Self::read(include_str!("../data/exclusions.txt"))
    }

    /// How images may differ from the root they came from, beside what was left out.
    #[must_use]
    pub fn exceptions() -> Self {
        Self::read(include_str!("../data/exceptions.txt"))
    }

    /// Reads lines of a glob, a tab and a reason, with kinds of differences and a tab between them
    /// where not `missing` is meant; `#` begins a remark.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|it| !it.starts_with('#'));
        let rule = |line: &str| {
            let (glob, rest) = line.split_once('\t')?;
            let (kinds, why) = rest.split_once('\t').unwrap_or(("missing", rest));
            Some(Rule::new(glob, kinds, why))
        };
        Self(lines.filter_map(rule).collect())
    }

    /// The first row that a path matches.
    #[must_use]
    pub fn rule(&self, path: &str) -> Option<&Rule> {
        self.rule_for(path, "missing")
    }

    /// The first row that allows such a difference at a path.
    #[must_use]
    pub fn rule_for(&self, path: &str, kind: &str) -> Option<&Rule> {
        let allows = |rule: &Rule| rule.kinds.split(',').any(|it| it == kind || it == "any");
        let mut rules = self.0.iter();
        rules.find(|rule| allows(rule) && glob_matches(&rule.glob, path))
    }
}

impl Rule {
    pub(crate) fn new(glob: &str, kinds: &str, why: &str) -> Self {
        Self {
            glob: glob.to_owned(),
            kinds: kinds.to_owned(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn every_row_has_a_reason_and_the_tables_match() {
        let (table, exceptions) = (Table::exclusions(), Table::exceptions());
        assert!(table.0.len() > 20);
        for rule in table.0.iter().chain(&exceptions.0) {
            assert!(!rule.glob.is_empty() && !rule.why.is_empty(), "{rule:?}");
        }
        let why = |path| table.rule(path).map(|it| it.why.as_str());
        assert_eq!(why("tmp/x"), Some("temporary"));
        let file = table.rule_for("var/log/apt/history.log", "file");
        assert_eq!(file.map(|it| it.why.as_str()), Some("logs"));
        assert_eq!(why("var/log/apt"), None);
        assert_eq!(why("usr/bin/true"), None);
        let allows = |path, kind| exceptions.rule_for(path, kind).is_some();
        assert!(allows("var/pkg/state/installed", "unexpected"));
        assert!(!allows("var/pkg", "content"));
        assert!(!allows("var/pkgs", "unexpected"));
        assert!(allows("etc/hosts", "content"));
    }
}
