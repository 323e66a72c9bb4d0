//! Which findings count: the policy of the file, and what a platform does by itself.

use std::collections::BTreeSet;

use super::finding::{Class, Finding, Subject, Weight};
use super::name::shown;
use crate::config::Policy;
use crate::glob::Glob;

/// What changes on a platform when nothing is done: findings of a cell that only boots and halts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Noise {
    known: BTreeSet<(Subject, String)>,
    patterns: Vec<Glob>,
}

impl Noise {
    /// Learns from the findings of a cell in which nothing was done. What runs with other rights,
    /// accounts and services are never noise.
    #[must_use]
    pub fn learn(findings: &[Finding]) -> Self {
        let learnt = findings
            .iter()
            .filter(|finding| !is_grave(finding.subject, finding.class));
        let known = learnt
            .map(|finding| (finding.subject, finding.name.clone()))
            .collect();
        let patterns = Vec::new();
        Self { known, patterns }
    }

    /// This noise and paths that fit a pattern: those of [`known_noise`](super::known_noise), say,
    /// or of another tool's list.
    #[must_use]
    pub fn with_patterns<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.patterns.extend(patterns.into_iter().map(Glob::new));
        self
    }

    /// This noise and another one's.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.known.extend(other.known.iter().cloned());
        self.patterns.extend(other.patterns.iter().cloned());
        self
    }

    /// What it holds: kind and name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Subject, &str)> {
        self.known
            .iter()
            .map(|(subject, name)| (*subject, name.as_str()))
    }

    fn fits(&self, path: &[u8]) -> bool {
        self.patterns.iter().any(|glob| glob.matches(path))
    }

    fn holds(&self, subject: Subject, name: &str) -> bool {
        // The set is small; no owned key is made where it is empty, which is most often.
        !self.known.is_empty() && self.known.contains(&(subject, name.to_owned()))
    }
}

/// What findings are held against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// What the product may leave.
    pub policy: &'a Policy,
    /// What the platform does by itself.
    pub noise: &'a Noise,
}

/// Findings that no pattern and no noise takes away.
fn is_grave(subject: Subject, class: Class) -> bool {
    let is_account = matches!(subject, Subject::User | Subject::Group | Subject::Service);
    is_account || class == Class::Privilege
}

/// Rules at work; they note which patterns met something.
pub(crate) struct Verdicts<'a> {
    rules: &'a Rules<'a>,
    ignore: Vec<(Glob, bool)>,
    volatile: Vec<Glob>,
}

impl<'a> Verdicts<'a> {
    pub(crate) fn new(rules: &'a Rules<'a>) -> Self {
        let ignore = rules
            .policy
            .ignore
            .iter()
            .map(|text| (Glob::new(text), false));
        let volatile = rules.policy.volatile.iter().map(|text| Glob::new(text));
        Self {
            rules,
            ignore: ignore.collect(),
            volatile: volatile.collect(),
        }
    }

    /// Whether a path is accepted without a word.
    pub(crate) fn is_quiet(&mut self, path: &[u8], class: Class) -> bool {
        if is_grave(Subject::File, class) {
            return false;
        }
        let noise = self.rules.noise;
        let mut quiet = noise.fits(path) || noise.holds(Subject::File, &shown(path));
        for (glob, met) in &mut self.ignore {
            if glob.matches(path) {
                *met = true;
                quiet = true;
            }
        }
        quiet
    }

    /// What becomes of a finding: nothing, a note, or what it was.
    pub(crate) fn judge(&self, mut finding: Finding) -> Option<Finding> {
        let is_account = matches!(finding.subject, Subject::User | Subject::Group);
        if is_account && self.rules.policy.allow_users.contains(&finding.name) {
            finding.weight = Weight::Note;
        }
        let changes = matches!(finding.class, Class::Content | Class::Meta);
        if finding.subject == Subject::File && changes {
            let volatile = self.volatile.iter().any(|glob| glob.matches(&finding.name));
            if volatile {
                finding.weight = Weight::Note;
            }
        }
        let grave = is_grave(finding.subject, finding.class);
        let is_file = finding.subject == Subject::File;
        let noise = !is_file && self.rules.noise.holds(finding.subject, &finding.name);
        (grave || !noise).then_some(finding)
    }

    /// Patterns that met nothing.
    pub(crate) fn idle(self) -> Vec<String> {
        let patterns = self.rules.policy.ignore.iter().zip(self.ignore);
        let idle = patterns.filter(|(_, (_, met))| !met);
        idle.map(|(pattern, _)| pattern.clone()).collect()
    }
}
