//! One version of a package, as far as the solver looks at it.

use zones_ips::{Fmri, Publisher, Stem, Version};

use crate::depend::Depend;

/// A published version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it.
    pub publisher: Publisher,
    /// Its name.
    pub stem: Stem,
    /// Its version.
    pub version: Version,
    /// Whether it can be installed at all.
    pub status: Status,
    /// What it asks of others, variants and facets of the image applied.
    pub depends: Vec<Depend>,
    /// The name of its `pkg.depend.install-hold`, parts between dots.
    pub hold: Option<String>,
    /// `pkg.depend.explicit-install`: no dependency pulls it in.
    pub is_explicit: bool,
}

/// What kind of release it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// An ordinary package.
    Plain,
    /// The package is no more; an image that moves here loses it.
    Obsolete,
    /// The package lives on under the names that it requires.
    Renamed,
    /// Its manifest has actions that cannot be understood.
    Unsupported,
    /// It is for other values of this variant (`variant.arch`).
    OtherVariant(String),
}

impl Release {
    /// Its name with publisher and version.
    #[must_use]
    pub fn fmri(&self) -> Fmri {
        let (publisher, version) = (self.publisher.clone(), self.version.clone());
        Fmri::new(Some(publisher), self.stem.clone(), Some(version))
    }

    pub(crate) fn is_obsolete(&self) -> bool {
        self.status == Status::Obsolete
    }

    pub(crate) fn is_renamed(&self) -> bool {
        self.status == Status::Renamed
    }

    /// Whether it fixes versions of others.
    pub(crate) fn is_incorporation(&self) -> bool {
        self.incorporated().next().is_some()
    }

    /// What it fixes.
    pub(crate) fn incorporated(&self) -> impl Iterator<Item = &crate::Target> {
        self.depends.iter().filter_map(|depend| match depend {
            Depend::Incorporate(target) => Some(target),
            _ => None,
        })
    }

    /// Whether it asks the parent image for something.
    pub(crate) fn asks_parent(&self) -> bool {
        let of_parent = |it: &Depend| matches!(it, Depend::Parent(_) | Depend::ParentSelf);
        self.depends.iter().any(of_parent)
    }
}
