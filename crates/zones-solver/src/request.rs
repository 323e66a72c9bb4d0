//! What is asked of the solver.

use zones_ips::Pattern;

/// An operation on an image.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// Packages that the result must not have (`--reject`).
    pub reject: Vec<Pattern>,
    /// Whether patterns that match nothing are passed over (`--ignore-missing`).
    pub is_missing_ignored: bool,
}

/// The kinds of operations. Source: pkg(1).
#[derive(Debug, Clone)]
pub enum Operation {
    /// Have the newest allowed version of these packages; change nothing else without need.
    Install(Vec<Pattern>),
    /// Have these packages and what they need, and nothing else.
    ExactInstall(Vec<Pattern>),
    /// Remove these packages.
    Uninstall(Vec<Pattern>),
    /// Bring these installed packages to the newest allowed version; none means all.
    Update(Vec<Pattern>),
    /// The values of variants or facets changed: keep everything that can be kept.
    ChangeVariant,
    /// Bring a linked child in step with its parent, changing as little as possible.
    Sync,
}

impl Operation {
    /// The patterns that name packages.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        match self {
            Self::Install(patterns)
            | Self::ExactInstall(patterns)
            | Self::Uninstall(patterns)
            | Self::Update(patterns) => patterns,
            Self::ChangeVariant | Self::Sync => &[],
        }
    }
}
