//! What verification found, and how it is printed.

use zones_ips::Fmri;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Shown with `-v` only.
    Info,
    /// No harm is done, but somebody should look.
    Warning,
    /// The package is damaged; `pkg fix` repairs it.
    Error,
}

impl Severity {
    /// The word in tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, as pkg(1) prints it.
    pub text: String,
}

/// What was found about one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemReport {
    /// The action's place in the manifest of its package.
    pub action: usize,
    /// `file: usr/bin/foo`.
    pub label: String,
    /// The findings, never none.
    pub findings: Vec<Finding>,
}

/// What was found about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageReport {
    /// The package.
    pub fmri: Fmri,
    /// The actions with findings, in the order of the manifest.
    pub items: Vec<ItemReport>,
}

/// What was found about all packages, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each package that was verified, findings or not.
    pub packages: Vec<PackageReport>,
}

/// The heading of the table.
#[must_use]
pub fn heading() -> String {
    format!("{:<70} {:>7}", "PACKAGE", "STATUS")
}

impl PackageReport {
    /// The worst of its findings.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let findings = self.items.iter().flat_map(|item| &item.findings);
        findings.map(|finding| finding.severity).max()
    }

    /// Its lines of the table; with `is_verbose` also when it is whole, and what is no error.
    #[must_use]
    pub fn lines(&self, is_verbose: bool) -> Vec<String> {
        let worst = self.severity().filter(|it| *it > Severity::Info);
        if worst.is_none() && !is_verbose {
            return Vec::new();
        }
        let status = worst.map_or("OK", Severity::label);
        let name = self.fmri.without_version();
        let mut lines = vec![format!("{name:<70} {status:>7}")];
        for item in &self.items {
            let shown = |it: &&Finding| is_verbose || it.severity > Severity::Info;
            let mut findings = item.findings.iter().filter(shown).peekable();
            if findings.peek().is_some() {
                lines.push(format!("\t{}", item.label));
            }
            for finding in findings {
                let (word, text) = (finding.severity.label(), &finding.text);
                lines.push(format!("\t\t{word}: {text}"));
            }
        }
        lines
    }
}

impl Report {
    /// Whether no package is damaged: exit 0.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.packages
            .iter()
            .all(|package| package.severity() != Some(Severity::Error))
    }

    /// The table with its heading; empty when there is nothing to show.
    #[must_use]
    pub fn lines(&self, is_verbose: bool) -> Vec<String> {
        let packages = self.packages.iter();
        let mut lines: Vec<_> = packages.flat_map(|it| it.lines(is_verbose)).collect();
        if !lines.is_empty() {
            lines.insert(0, heading());
        }
        lines
    }
}
