//! Search in a repository: words of actions, and where they stand. Source: pkg(1), "search".
//!
//! The index names the packages that have a word; the answers are read from their manifests, so
//! that a stale index never gives a wrong one. Packages that are not indexed yet are read, too.

mod index;
mod parse;
#[cfg(test)]
mod tests;
mod word;

use std::fmt::Write as _;

use zones_ips::pattern::glob_matches;
use zones_ips::{Action, Fmri, Manifest, Pattern, quote};

use crate::error::{RepositoryError, Result};
use crate::store::Store;

pub use index::Indexed;
use word::Word;

/// Bytes a query may have.
pub const QUERY_LEN_MAX: usize = 16 * 1024;

/// What a search gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// Packages, each once.
    Packages,
    /// Actions.
    Actions,
}

/// A search that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    is_case_sensitive: bool,
    returns: Returns,
    count: Option<usize>,
    start: usize,
    text: String,
    expression: Expression,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Term(Term),
    /// Both.
    And(Box<Expression>, Box<Expression>),
    /// One or the other.
    Or(Box<Expression>, Box<Expression>),
    /// The packages of what matches.
    Packages(Box<Expression>),
}

/// A word or phrase, and where it must stand. Empty fields are any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    package: String,
    action: String,
    index: String,
    word: String,
    is_phrase: bool,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The package.
    pub fmri: Fmri,
    /// The action; None when packages were asked for.
    pub action: Option<Action>,
    /// The name under which the word is indexed: `basename`, `path`, `pkg.summary` ...
    pub index: String,
    /// What matched, whole.
    pub value: String,
}

impl Query {
    /// A search for a text that a user typed.
    ///
    /// # Errors
    ///
    /// It has no right form.
    pub fn new(text: &str, returns: Returns, is_case_sensitive: bool) -> Result<Self> {
        let expression = parse::expression(text)?;
        let returns = match expression.has_packages() {
            true => Returns::Packages,
            false => returns,
        };
        Ok(Self {
            is_case_sensitive,
            returns,
            count: None,
            start: 0,
            text: text.to_owned(),
            expression,
        })
    }

    /// The query of `search/1`, escapes undone: `case_return_count_start_text`.
    ///
    /// # Errors
    ///
    /// It has no right form.
    pub fn parse_v1(text: &str) -> Result<Self> {
        let bad = || RepositoryError::Query(format!("Could not parse query: {text:?}"));
        let mut words = text.splitn(5, '_');
        let mut word = || words.next().ok_or_else(bad);
        let is_case_sensitive = match word()? {
            "True" => true,
            "False" => false,
            _ => return Err(bad()),
        };
        let returns = match word()? {
            "1" => Returns::Packages,
            "2" => Returns::Actions,
            _ => return Err(bad()),
        };
        let mut number = || match word()? {
            "None" | "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| bad()),
        };
        let (count, start): (Option<usize>, Option<usize>) = (number()?, number()?);
        let mut query = Self::new(word()?, returns, is_case_sensitive)?;
        (query.count, query.start) = (count, start.unwrap_or(0));
        Ok(query)
    }

    /// The query of `search/1`, escapes not yet done.
    #[must_use]
    pub fn to_v1(&self) -> String {
        let is_case_sensitive = match self.is_case_sensitive {
            true => "True",
            false => "False",
        };
        let returns = match self.returns {
            Returns::Packages => 1,
            Returns::Actions => 2,
        };
        let count = self
            .count
            .map_or_else(|| "None".to_owned(), |it| it.to_string());
        let start = match self.start {
            0 => "None".to_owned(),
            start => start.to_string(),
        };
        format!(
            "{is_case_sensitive}_{returns}_{count}_{start}_{}",
            self.text
        )
    }

    /// What the answer lists.
    #[must_use]
    pub fn returns(&self) -> Returns {
        self.returns
    }

    fn fold(&self, text: &str) -> String {
        match self.is_case_sensitive {
            true => text.to_owned(),
            false => text.to_lowercase(),
        }
    }

    /// What of a package matches.
    fn hits(&self, fmri: &Fmri, words: &[Word<'_>]) -> Found {
        self.expression.hits(self, fmri, words)
    }
}

/// What of a package matches an expression.
enum Found {
    /// The package itself.
    Package(bool),
    /// These words, by number.
    Words(Vec<usize>),
}

impl Found {
    fn is_any(&self) -> bool {
        match self {
            Self::Package(is_found) => *is_found,
            Self::Words(words) => !words.is_empty(),
        }
    }
}

impl Expression {
    fn has_packages(&self) -> bool {
        match self {
            Self::Term(_) => false,
            Self::And(left, right) | Self::Or(left, right) => {
                left.has_packages() || right.has_packages()
            }
            Self::Packages(_) => true,
        }
    }

    fn hits(&self, query: &Query, fmri: &Fmri, words: &[Word<'_>]) -> Found {
        match self {
            Self::Term(term) => Found::Words(term.hits(query, fmri, words)),
            Self::Packages(inner) => Found::Package(inner.hits(query, fmri, words).is_any()),
            Self::And(left, right) => {
                let (left, right) = (
                    left.hits(query, fmri, words),
                    right.hits(query, fmri, words),
                );
                match (left, right) {
                    // Both must stand in one action.
                    (Found::Words(left), Found::Words(right)) => {
                        let actions = |list: &[usize]| -> Vec<usize> {
                            list.iter().map(|at| words[*at].action).collect()
                        };
                        let (in_left, in_right) = (actions(&left), actions(&right));
                        let both = |at: &usize| {
                            let action = &words[*at].action;
                            in_left.binary_search(action).is_ok()
                                && in_right.binary_search(action).is_ok()
                        };
                        let mut all: Vec<_> = left.into_iter().chain(right).filter(both).collect();
                        all.sort_unstable();
                        all.dedup();
                        Found::Words(all)
                    }
                    (left, right) => Found::Package(left.is_any() && right.is_any()),
                }
            }
            Self::Or(left, right) => {
                let (left, right) = (
                    left.hits(query, fmri, words),
                    right.hits(query, fmri, words),
                );
                match (left, right) {
                    (Found::Words(mut left), Found::Words(right)) => {
                        left.extend(right);
                        left.sort_unstable();
                        left.dedup();
                        Found::Words(left)
                    }
                    (left, right) => Found::Package(left.is_any() || right.is_any()),
                }
            }
        }
    }
}

impl Term {
    fn is_field(query: &Query, pattern: &str, text: &str) -> bool {
        pattern.is_empty() || glob_matches(&query.fold(pattern), &query.fold(text))
    }

    fn is_package(&self, query: &Query, fmri: &Fmri) -> bool {
        if self.package.is_empty() {
            return true;
        }
        let pattern: Result<Pattern, _> = query.fold(&self.package).parse();
        let stem = query.fold(fmri.stem().as_str()).parse();
        let folded =
            stem.map(|stem| Fmri::new(fmri.publisher().cloned(), stem, fmri.version().cloned()));
        pattern.is_ok_and(|it| folded.is_ok_and(|fmri| it.match_fmri(&fmri).is_some()))
    }

    fn hits(&self, query: &Query, fmri: &Fmri, words: &[Word<'_>]) -> Vec<usize> {
        if !self.is_package(query, fmri) {
            return Vec::new();
        }
        let wanted = query.fold(&self.word);
        let matches = |word: &Word<'_>| {
            Self::is_field(query, &self.action, word.kind)
                && Self::is_field(query, &self.index, word.index)
                && match self.is_phrase {
                    true => query.fold(word.whole()).contains(&wanted),
                    false => glob_matches(&wanted, &query.fold(word.text)),
                }
        };
        let numbered = words.iter().enumerate();
        numbered
            .filter(|(_, word)| matches(word))
            .map(|(at, _)| at)
            .collect()
    }
}

impl Store {
    /// Searches all packages of the publisher. The newest versions come first.
    ///
    /// # Errors
    ///
    /// The repository cannot be read.
    pub fn search(&self, query: &Query) -> Result<Vec<Hit>> {
        let candidates = self.candidates(query)?;
        let search = |fmri: Fmri| Ok(self.search_one(query, &fmri));
        let found = crate::transaction::parallel(candidates, &search)?;
        let hits = found.into_iter().flatten().skip(query.start);
        Ok(hits.take(query.count.unwrap_or(usize::MAX)).collect())
    }

    fn search_one(&self, query: &Query, fmri: &Fmri) -> Vec<Hit> {
        // A package that is removed meanwhile, or damaged, has nothing.
        let manifest = self.manifest(fmri);
        manifest.map_or(Vec::new(), |manifest| query.find(fmri, &manifest))
    }
}

impl Query {
    /// What is found in one package.
    #[must_use]
    pub fn find(&self, fmri: &Fmri, manifest: &Manifest) -> Vec<Hit> {
        let words = word::all(manifest);
        let found = self.hits(fmri, &words);
        if self.returns == Returns::Packages {
            return match found.is_any() {
                true => vec![Hit {
                    fmri: fmri.clone(),
                    action: None,
                    index: String::new(),
                    value: String::new(),
                }],
                false => Vec::new(),
            };
        }
        let Found::Words(found) = found else {
            return Vec::new();
        };
        let mut hits: Vec<Hit> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for word in found.into_iter().map(|at| &words[at]) {
            // Two words of one value are one hit.
            if !seen.insert((word.action, word.index, word.whole())) {
                continue;
            }
            hits.push(Hit {
                fmri: fmri.clone(),
                action: manifest.actions().get(word.action).cloned(),
                index: word.index.to_owned(),
                value: word.whole().to_owned(),
            });
        }
        hits
    }
}

/// The answer of `search/1`; empty when nothing was found. `number` counts the queries of a
/// request.
#[must_use]
pub fn reply_v1(number: usize, hits: &[Hit]) -> String {
    let mut text = String::new();
    for hit in hits {
        let _ = match &hit.action {
            Some(action) => {
                let value = quote::quote(&hit.value);
                writeln!(text, "{number} 2 {} {value} {action}", hit.fmri)
            }
            None => writeln!(text, "{number} 1 {}", hit.fmri),
        };
    }
    text
}

/// The first line of an answer of `search/1`.
pub const REPLY_V1_HEAD: &str = "Return from search v1\n";

/// Reads an answer of `search/1` to this query alone; None when it is none. It does not say under
/// what a word is indexed: that is looked up in the action.
#[must_use]
pub fn read_v1(query: &Query, text: &str) -> Option<Vec<Hit>> {
    let Some(lines) = text.strip_prefix(REPLY_V1_HEAD) else {
        return text.is_empty().then(Vec::new);
    };
    let mut hits: Vec<Hit> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for line in lines.lines() {
        let mut words = line.splitn(3, ' ');
        let (_, kind, rest) = (words.next()?, words.next()?, words.next()?);
        if kind == "1" {
            hits.push(Hit {
                fmri: rest.trim_end().parse().ok()?,
                action: None,
                index: String::new(),
                value: String::new(),
            });
            continue;
        }
        let (fmri, rest) = rest.split_once(' ')?;
        let (_, action) = rest.split_once(' ')?;
        // One line for each word: the action is looked at once.
        if seen.insert((fmri, action)) {
            let manifest = Manifest::new(vec![Action::parse_keeping(action).ok()?]);
            hits.extend(query.find(&fmri.parse().ok()?, &manifest));
        }
    }
    Some(hits)
}

/// The answer of `search/0`.
#[must_use]
pub fn reply_v0(hits: &[Hit]) -> String {
    let mut text = String::new();
    for hit in hits {
        if let Some(action) = &hit.action {
            let key = action.key().unwrap_or(&hit.value);
            let _ = writeln!(text, "{} {} {} {key}", hit.index, hit.fmri, action.word());
        }
    }
    text
}
