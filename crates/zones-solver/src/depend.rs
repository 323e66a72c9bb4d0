//! What a package asks of others.

use std::fmt;

use zones_ips::{Stem, Version};

/// A package that a dependency names: its complete name, and a version when one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name.
    pub stem: Stem,
    /// The version, whose meaning is up to the kind of dependency.
    pub version: Option<Version>,
}

/// One dependency. Source: pkg(7), "Depend Actions".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Depend {
    /// Must be there, of that version or newer.
    Require(Target),
    /// If there, must be of that version or newer.
    Optional(Target),
    /// Must be absent, or older than that version.
    Exclude(Target),
    /// If there, its version must be the named one or refine it.
    Incorporate(Target),
    /// One of them must be there.
    RequireAny(Vec<Target>),
    /// Must be there when the first is.
    Conditional {
        /// The package whose presence (of that version or newer) matters.
        predicate: Target,
        /// What is needed then.
        target: Target,
    },
    /// What was installed before the operation must have been at least this new, if it was there.
    Origin(Target),
    /// The image at `/` must have at least this version.
    RootOrigin(Target),
    /// Must be there unless the administrator avoids it.
    Group(Target),
    /// One of them must be there unless the administrator avoids all, or one is gone for good and
    /// none of the others fits.
    GroupAny(Vec<Target>),
    /// The parent of a linked image must have it, of a version that refines the named one.
    Parent(Target),
    /// The parent of a linked image must have this very package and version.
    ParentSelf,
}

/// What stands for the package itself in a parent dependency.
pub const SELF: &str = "feature/package/dependency/self";

impl Depend {
    /// The word in its `type` attribute.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Require(_) => "require",
            Self::Optional(_) => "optional",
            Self::Exclude(_) => "exclude",
            Self::Incorporate(_) => "incorporate",
            Self::RequireAny(_) => "require-any",
            Self::Conditional { .. } => "conditional",
            Self::Origin(_) | Self::RootOrigin(_) => "origin",
            Self::Group(_) => "group",
            Self::GroupAny(_) => "group-any",
            Self::Parent(_) | Self::ParentSelf => "parent",
        }
    }

    /// The packages it names, the predicate left out.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Require(target)
            | Self::Optional(target)
            | Self::Exclude(target)
            | Self::Incorporate(target)
            | Self::Origin(target)
            | Self::RootOrigin(target)
            | Self::Group(target)
            | Self::Parent(target)
            | Self::Conditional { target, .. } => std::slice::from_ref(target),
            Self::RequireAny(targets) | Self::GroupAny(targets) => targets,
            Self::ParentSelf => &[],
        }
    }

    /// Whether it can ask for a package that is not there.
    pub(crate) fn is_demand(&self) -> bool {
        matches!(
            self,
            Self::Require(_)
                | Self::RequireAny(_)
                | Self::Conditional { .. }
                | Self::Group(_)
                | Self::GroupAny(_)
        )
    }

    pub(crate) fn is_group(&self) -> bool {
        matches!(self, Self::Group(_) | Self::GroupAny(_))
    }
}

impl Target {
    /// Whether a version is the named one, newer, or refines it.
    pub(crate) fn is_met(&self, version: &Version) -> bool {
        self.version
            .as_ref()
            .is_none_or(|wanted| version.satisfies(wanted))
    }

    /// Whether a version is the named one or refines it.
    pub(crate) fn is_refined(&self, version: &Version) -> bool {
        self.version
            .as_ref()
            .is_none_or(|wanted| version.refines(wanted))
    }

    /// Whether a version is the named one or newer, which an exclusion rules out.
    pub(crate) fn is_reached(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|wanted| version >= wanted)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{}", self.stem, version.without_build()),
            None => write!(f, "{}", self.stem),
        }
    }
}

/// Names of several targets with `or` between.
pub(crate) fn names(targets: &[Target]) -> String {
    let names: Vec<_> = targets.iter().map(ToString::to_string).collect();
    names.join(" or ")
}
