//! The image that an operation changes, and what its publishers offer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zones_ips::{Publisher, Stem, Version};

use crate::release::Release;

/// What the enabled publishers of an image offer.
pub trait Offers {
    /// The names of all packages, in order.
    fn stems(&self) -> Vec<Stem>;

    /// All versions of a package of all publishers, in any order.
    fn releases(&self, stem: &Stem) -> Vec<Arc<Release>>;
}

impl Offers for BTreeMap<Stem, Vec<Arc<Release>>> {
    fn stems(&self) -> Vec<Stem> {
        self.keys().cloned().collect()
    }

    fn releases(&self, stem: &Stem) -> Vec<Arc<Release>> {
        self.get(stem).cloned().unwrap_or_default()
    }
}

/// The state of an image before the operation.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// What is installed.
    pub installed: BTreeMap<Stem, Arc<Release>>,
    /// The publishers in search order; those that the parent image provides come first.
    pub publishers: Vec<Source>,
    /// Packages that may not move.
    pub frozen: BTreeMap<Stem, Freeze>,
    /// Packages that groups do not pull in.
    pub avoided: BTreeSet<Stem>,
    /// For a linked child: its parent.
    pub parent: Option<Parent>,
    /// What the image at `/` has, when that is another image.
    pub root: Option<BTreeMap<Stem, Version>>,
}

/// A publisher of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its prefix.
    pub publisher: Publisher,
    /// Whether packages installed from it are updated from it only.
    pub is_sticky: bool,
    /// Whether it is asked at all.
    pub is_enabled: bool,
}

/// A package that may not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// What its version must be or refine.
    pub version: Version,
    /// What the administrator noted.
    pub comment: Option<String>,
}

/// The parent of a linked image.
#[derive(Debug, Clone, Default)]
pub struct Parent {
    /// Whether the child is a zone.
    pub is_global_zone: bool,
    /// What the parent has, or will have when it is changed first.
    pub installed: BTreeMap<Stem, (Publisher, Version)>,
}

impl Image {
    /// Place of an enabled publisher in the search order.
    pub(crate) fn rank(&self, publisher: &Publisher) -> Option<usize> {
        let hit = |it: &Source| it.publisher == *publisher && it.is_enabled;
        self.publishers.iter().position(hit)
    }

    pub(crate) fn is_sticky(&self, publisher: &Publisher) -> bool {
        let hit = |it: &&Source| it.publisher == *publisher;
        let source = self.publishers.iter().find(hit);
        source.is_some_and(|it| it.is_sticky && it.is_enabled)
    }
}
