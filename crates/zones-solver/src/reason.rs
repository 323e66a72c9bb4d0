//! Why a version cannot be chosen.

use std::fmt;

use zones_ips::{Fmri, Publisher, Stem, Version};

use crate::depend::Target;
use crate::sat::Var;

/// Why one version is out before the search begins. Prints as pkg(1) prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `--reject`, or an operation that removes the package.
    Rejected,
    Unsupported,
    OtherVariant(String),
    /// The pattern names another publisher.
    AskedPublisher(String),
    /// The pattern names another version.
    AskedVersion,
    Sticky(Fmri),
    Outranked(Publisher),
    RankedLower,
    Newer(Fmri),
    Frozen(Stem, Version, Option<String>),
    /// Not named, and not to be pulled in.
    Explicit,
    NotInParent(Stem, Place),
    ParentPublisher(Fmri, Place),
    ParentNewer(Fmri, Place),
    ParentOlder(Fmri, Place),
    Origin(Target),
    RootOrigin(Target),
    /// An installed incorporation that stays where it is.
    Incorporated(Fmri),
    /// An installed package that stays where it is.
    Held(Fmri),
    AskedIncorporation(Stem),
    SyncedIncorporation(Stem),
    /// No version at all fits a dependency.
    NoVersion(&'static str, String),
    /// All that would fit a dependency is obsolete.
    AllObsolete(&'static str, String),
    /// All that would fit a dependency is out.
    AllOut(&'static str, String, Vec<Var>),
}

/// Where a parent dependency looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    GlobalZone,
    ParentImage,
}

impl Reason {
    /// Whether constraints of the image, not the packages themselves, stand against the version.
    pub(crate) fn is_constraint(&self) -> bool {
        matches!(
            self,
            Self::Frozen(..)
                | Self::Incorporated(_)
                | Self::Held(_)
                | Self::AskedIncorporation(_)
                | Self::SyncedIncorporation(_)
                | Self::NotInParent(..)
                | Self::ParentPublisher(..)
                | Self::ParentNewer(..)
                | Self::ParentOlder(..)
        )
    }

    /// The versions whose rejections explain this one.
    pub(crate) fn nested(&self) -> &[Var] {
        match self {
            Self::AllOut(_, _, vars) => vars,
            _ => &[],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GlobalZone => "global zone",
            Self::ParentImage => "parent image",
        })
    }
}

impl Place {
    /// At the head of a sentence.
    fn head(self) -> &'static str {
        match self {
            Self::GlobalZone => "Global zone",
            Self::ParentImage => "Parent image",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("This version rejected by user request"),
            Self::Unsupported => f.write_str("Package contains invalid or unsupported actions"),
            Self::OtherVariant(name) => match name.as_str() {
                "variant.arch" => f.write_str("Package doesn't support image architecture"),
                name => write!(f, "Package doesn't support the image's value of {name}"),
            },
            Self::AskedPublisher(publisher) => {
                write!(
                    f,
                    "Package publisher is not {publisher}, which was specified"
                )
            }
            Self::AskedVersion => {
                f.write_str("This version excluded by specified installation version")
            }
            Self::Sticky(fmri) => {
                let publisher = fmri.publisher().map_or("", |it| it.as_str());
                let fmri = fmri.without_build();
                write!(
                    f,
                    "Installed package {fmri} is from sticky publisher {publisher}"
                )
            }
            Self::Outranked(publisher) => {
                write!(f, "Higher ranked publisher {publisher} was selected")
            }
            Self::RankedLower => f.write_str("Package publisher is ranked lower in search order"),
            Self::Newer(fmri) => {
                write!(
                    f,
                    "Newer version {} is already installed",
                    fmri.without_build()
                )
            }
            Self::Frozen(stem, version, comment) => {
                let version = version.without_build();
                write!(
                    f,
                    "This version is excluded by a freeze on {stem} at version {version}"
                )?;
                comment.as_ref().map_or(Ok(()), |it| write!(f, " ({it})"))
            }
            Self::Explicit => f.write_str("This package is installed only when it is named"),
            Self::NotInParent(stem, place) => {
                write!(f, "Package {stem} is not installed in {place}.")
            }
            Self::ParentPublisher(fmri, place) => {
                let fmri = fmri.without_build();
                write!(
                    f,
                    "Package in {place} is from a different publisher: {fmri}"
                )
            }
            Self::ParentNewer(fmri, place) => {
                write!(
                    f,
                    "{} has a newer version: {}",
                    place.head(),
                    fmri.without_build()
                )
            }
            Self::ParentOlder(fmri, place) => {
                let (head, fmri) = (place.head(), fmri.without_build());
                write!(f, "{head} has an older version of package: {fmri}")
            }
            Self::Origin(target) => write!(
                f,
                "Installed version of {} is too old to upgrade from, must be at least {target}",
                target.stem
            ),
            Self::RootOrigin(target) => {
                write!(
                    f,
                    "The image at / does not have {target} or a newer version"
                )
            }
            Self::Incorporated(fmri) => {
                let fmri = fmri.without_build();
                write!(
                    f,
                    "This version is excluded by installed incorporation {fmri}"
                )
            }
            Self::Held(fmri) => {
                let fmri = fmri.without_build();
                write!(
                    f,
                    "Installed package {fmri} is held at its version unless it is named"
                )
            }
            Self::AskedIncorporation(stem) => {
                write!(f, "Excluded by proposed incorporation '{stem}'")
            }
            Self::SyncedIncorporation(stem) => {
                write!(
                    f,
                    "Excluded by incorporation '{stem}', which follows the parent image"
                )
            }
            Self::NoVersion(kind, target) => {
                write!(
                    f,
                    "No version for '{kind}' dependency on {target} can be found"
                )
            }
            Self::AllObsolete(kind, target) => {
                write!(
                    f,
                    "All versions matching '{kind}' dependency {target} are obsolete"
                )
            }
            Self::AllOut(kind, target, _) => {
                write!(
                    f,
                    "All versions matching '{kind}' dependency {target} are rejected"
                )
            }
        }
    }
}
