//! A request with its patterns resolved to packages.

mod named;

pub(crate) use named::is_latest;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use zones_ips::{Pattern, Stem};

use crate::failure::Failure;
use crate::image::{Image, Offers};
use crate::release::Release;
use crate::request::{Operation, Request};

/// What happens to packages that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They stay as they are unless forced.
    Install,
    /// They go unless needed.
    Exact,
    /// They stay as they are; the named ones go.
    Uninstall,
    /// They stay as they are; the named ones were installed before.
    UpdateNamed,
    /// They move to the newest version.
    UpdateAll,
    /// They stay if the new variants allow it.
    Variants,
    /// They move where the parent image wants it.
    Sync,
}

/// A package that was named, with everything that was said of it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) stem: Stem,
    pub(crate) patterns: Vec<&'a Pattern>,
}

pub(crate) struct Job<'a> {
    pub(crate) offers: &'a dyn Offers,
    pub(crate) image: &'a Image,
    pub(crate) mode: Mode,
    /// In the order of the request.
    pub(crate) asked: Vec<Asked<'a>>,
    places: BTreeMap<Stem, usize>,
    /// What was looked up before. Never walked.
    known: RefCell<HashMap<Stem, Rc<[Arc<Release>]>>>,
    /// What the result must not have.
    pub(crate) removed: BTreeSet<Stem>,
}

impl<'a> Job<'a> {
    /// Finds out what the patterns name.
    pub(crate) fn new(
        offers: &'a dyn Offers,
        image: &'a Image,
        request: &'a Request,
    ) -> Result<Self, Failure> {
        let mut job = Self {
            offers,
            image,
            mode: mode(&request.operation),
            asked: Vec::new(),
            places: BTreeMap::new(),
            known: RefCell::default(),
            removed: BTreeSet::new(),
        };
        let named = named::resolve(&job, request)?;
        job.removed = named.removed;
        for (stem, pattern) in named.asked {
            let place = *job.places.entry(stem.clone()).or_insert_with(|| {
                job.asked.push(Asked {
                    stem,
                    patterns: Vec::new(),
                });
                job.asked.len() - 1
            });
            job.asked[place].patterns.push(pattern);
        }
        Ok(job)
    }

    pub(crate) fn asked(&self, stem: &Stem) -> Option<&Asked<'a>> {
        self.places.get(stem).map(|place| &self.asked[*place])
    }

    pub(crate) fn installed(&self, stem: &Stem) -> Option<&'a Arc<Release>> {
        self.image.installed.get(stem)
    }

    /// All releases of a package that may play a part, newest first; the installed one with them.
    pub(crate) fn releases(&self, stem: &Stem) -> Rc<[Arc<Release>]> {
        let mut known = self.known.borrow_mut();
        if let Some(releases) = known.get(stem) {
            return releases.clone();
        }
        let releases: Rc<[_]> = self.ordered(stem).into();
        known.insert(stem.clone(), releases.clone());
        releases
    }

    fn ordered(&self, stem: &Stem) -> Vec<Arc<Release>> {
        let mut releases = self.offers.releases(stem);
        releases.retain(|it| it.stem == *stem && self.image.rank(&it.publisher).is_some());
        if let Some(installed) = self.installed(stem) {
            let same = |it: &Arc<Release>| {
                it.version == installed.version && it.publisher == installed.publisher
            };
            releases.retain(|it| !same(it));
            releases.push(installed.clone());
        }
        let rank = |it: &Release| self.image.rank(&it.publisher).unwrap_or(usize::MAX);
        releases.sort_by(|a, b| {
            let newest = b.version.cmp(&a.version);
            let first = || rank(a).cmp(&rank(b));
            newest
                .then_with(first)
                .then_with(|| a.publisher.cmp(&b.publisher))
        });
        releases.dedup_by(|a, b| a.version == b.version && a.publisher == b.publisher);
        releases
    }

    /// Whether the targets of groups are left to the administrator.
    pub(crate) fn is_avoided(&self, stem: &Stem) -> bool {
        let named = self.asked(stem).is_some();
        !named && (self.image.avoided.contains(stem) || self.removed.contains(stem))
    }
}

fn mode(operation: &Operation) -> Mode {
    match operation {
        Operation::Install(_) => Mode::Install,
        Operation::ExactInstall(_) => Mode::Exact,
        Operation::Uninstall(_) => Mode::Uninstall,
        Operation::Update(patterns) if patterns.is_empty() => Mode::UpdateAll,
        Operation::Update(_) => Mode::UpdateNamed,
        Operation::ChangeVariant => Mode::Variants,
        Operation::Sync => Mode::Sync,
    }
}
