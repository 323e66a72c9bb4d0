//! The index on disk: which packages have a word. Segments, each for some packages; new packages
//! make a new segment, many segments become one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use zones_ips::Fmri;
use zones_ips::pattern::glob_matches;

use super::{Expression, Query, word};
use crate::error::Result;
use crate::store::Store;

/// The first line of a segment.
const HEAD: &str = "zones search index 1";
/// How the names of segments begin.
const SEGMENT: &str = "segment.";
/// Segments that may stand beside each other.
const SEGMENTS_MAX: usize = 8;
/// Bytes a segment may have.
const SEGMENT_LEN_MAX: u64 = 1 << 30;

/// What indexing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Packages that came into the index.
    pub added: usize,
    /// Packages that are in it.
    pub packages: usize,
}

/// Packages, and the numbers of those that have a word.
#[derive(Debug, Default)]
struct Segment {
    packages: Vec<Fmri>,
    /// Lower case.
    words: BTreeMap<String, Vec<usize>>,
}

impl Segment {
    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for fmri in &self.packages {
            let _ = writeln!(text, "{fmri}");
        }
        text.push('\n');
        for (word, packages) in &self.words {
            text.push_str(word);
            for number in packages {
                let _ = write!(text, "\0{number}");
            }
            text.push('\n');
        }
        text
    }

    /// None for a text that is no segment, and so is as good as none.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return None;
        }
        let mut segment = Self::default();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            segment.packages.push(line.parse().ok()?);
        }
        for line in lines {
            let mut parts = line.split('\0');
            let word = parts.next()?.to_owned();
            let numbers = parts.map(|it| it.parse().ok().filter(|it| *it < segment.packages.len()));
            segment.words.insert(word, numbers.collect::<Option<_>>()?);
        }
        Some(segment)
    }

    /// The packages that may match.
    fn candidates(&self, expression: &Expression) -> BTreeSet<usize> {
        match expression {
            Expression::Packages(inner) => self.candidates(inner),
            Expression::And(left, right) => {
                let (left, right) = (self.candidates(left), self.candidates(right));
                left.intersection(&right).copied().collect()
            }
            Expression::Or(left, right) => {
                let (left, right) = (self.candidates(left), self.candidates(right));
                left.union(&right).copied().collect()
            }
            Expression::Term(term) if term.is_phrase => {
                // Any part of a value: the words within are not cut as ours are.
                (0..self.packages.len()).collect()
            }
            Expression::Term(term) => {
                let wanted = term.word.to_lowercase();
                if !wanted.contains(['*', '?']) {
                    let found = self.words.get(&wanted);
                    return found.into_iter().flatten().copied().collect();
                }
                let words = self.words.iter();
                let found = words.filter(|(word, _)| glob_matches(&wanted, word));
                found.flat_map(|(_, packages)| packages).copied().collect()
            }
        }
    }
}

impl Store {
    fn index_path(&self, name: &str) -> PathBuf {
        self.below("index").join(name)
    }

    fn segments(&self) -> Result<Vec<(String, Segment)>> {
        let mut found = Vec::new();
        for (name, _) in self.disk().names(&self.below("index"))? {
            if !name.starts_with(SEGMENT) {
                continue;
            }
            let bytes = self.disk().read(&self.index_path(&name), SEGMENT_LEN_MAX)?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some(segment) = text.and_then(|text| Segment::parse(&text)) {
                found.push((name, segment));
            }
        }
        Ok(found)
    }

    /// Whether there is an index, though it may lack the newest packages.
    #[must_use]
    pub fn has_index(&self) -> bool {
        let names = self.disk().names(&self.below("index")).unwrap_or_default();
        names.iter().any(|(name, _)| name.starts_with(SEGMENT))
    }

    /// Brings the index up to date: reads the packages that it lacks, and forgets those that are
    /// gone. Source: pkgrepo(1), "refresh".
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn index(&self) -> Result<Indexed> {
        let _lock = self.lock()?;
        self.disk().make(&self.below("index"))?;
        self.disk().sweep(&self.below("index"));
        let packages: BTreeSet<_> = self.packages()?.into_iter().collect();
        let mut segments = self.segments()?;
        let indexed = |segments: &[(String, Segment)]| -> BTreeSet<Fmri> {
            let lists = segments.iter().flat_map(|(_, segment)| &segment.packages);
            lists.cloned().collect()
        };
        let known = indexed(&segments);
        let gone = known.difference(&packages).count();
        let added = packages.difference(&known).count();
        let is_anew = gone * 4 > known.len() || segments.len() >= SEGMENTS_MAX;
        if is_anew {
            let old: Vec<_> = segments.drain(..).map(|(name, _)| name).collect();
            let segment = self.segment(packages.iter().cloned().collect())?;
            let name = self.put_segment(&segment, &old)?;
            for other in old.iter().filter(|it| **it != name) {
                self.disk().remove(&self.index_path(other))?;
            }
        } else if added > 0 || segments.is_empty() {
            let names: Vec<_> = segments.into_iter().map(|(name, _)| name).collect();
            let segment = self.segment(packages.difference(&known).cloned().collect())?;
            self.put_segment(&segment, &names)?;
        }
        Ok(Indexed {
            added,
            packages: packages.len(),
        })
    }

    /// Throws the index away and makes it anew. Source: pkgrepo(1), "rebuild".
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn reindex(&self) -> Result<Indexed> {
        for (name, _) in self.disk().names(&self.below("index"))? {
            self.disk().remove(&self.index_path(&name))?;
        }
        self.index()
    }

    fn put_segment(&self, segment: &Segment, names: &[String]) -> Result<String> {
        let numbers = names
            .iter()
            .filter_map(|name| name[SEGMENT.len()..].parse::<u64>().ok());
        let name = format!("{SEGMENT}{}", numbers.max().map_or(0, |it| it + 1));
        self.disk()
            .write(&self.index_path(&name), segment.text().as_bytes())?;
        Ok(name)
    }

    /// Reads the words of packages.
    fn segment(&self, packages: Vec<Fmri>) -> Result<Segment> {
        let read = |fmri: &Fmri| {
            // A damaged manifest has no words; verify finds it.
            let manifest = self.manifest(fmri).unwrap_or_default();
            let words = word::all(&manifest);
            let texts = words.iter().map(|word| word.text.to_lowercase());
            Ok(texts
                .filter(|it| !it.contains(['\0', '\n']))
                .collect::<BTreeSet<_>>())
        };
        let sets = crate::transaction::parallel(packages.iter().collect(), &read)?;
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, set) in sets.into_iter().enumerate() {
            for word in set {
                words.entry(word).or_default().push(number);
            }
        }
        Ok(Segment { packages, words })
    }

    /// The packages that may match, the newest versions of each stem first: those that the index
    /// names, and those that it lacks.
    pub(super) fn candidates(&self, query: &Query) -> Result<Vec<Fmri>> {
        let segments = self.segments()?;
        let mut lacking: BTreeSet<Fmri> = self.packages()?.into_iter().collect();
        let mut found = BTreeSet::new();
        for (_, segment) in &segments {
            for number in segment.candidates(&query.expression) {
                let fmri = &segment.packages[number];
                if lacking.contains(fmri) {
                    found.insert(fmri.clone());
                }
            }
        }
        for fmri in segments.iter().flat_map(|(_, segment)| &segment.packages) {
            lacking.remove(fmri);
        }
        found.extend(lacking);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|left, right| {
            let stems = left.stem().cmp(right.stem());
            stems.then_with(|| right.version().cmp(&left.version()))
        });
        Ok(found)
    }
}
