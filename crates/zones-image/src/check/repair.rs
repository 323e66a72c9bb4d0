//! Findings and wishes turned into plans.

use zones_ips::ImagePath;

use super::Report;
use crate::plan::{Disk, Package, Plan, PlanError, Policy};

/// What to revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What is delivered to these paths.
    Paths(Vec<ImagePath>),
    /// What carries one of these values of `revert-tag`.
    Tags(Vec<String>),
}

/// Why nothing can be reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// No installed package delivers these paths.
    #[error("{}", not_packaged(.0))]
    Unknown(Vec<ImagePath>),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

fn not_packaged(paths: &[ImagePath]) -> String {
    let mut text = "The following paths are not delivered by any installed package:".to_owned();
    for path in paths {
        text.push_str("\n\t");
        text.push_str(path);
    }
    text
}

/// The plan that repairs what a report found damaged. Give ALL installed packages. The content of
/// editable files is kept.
///
/// # Errors
///
/// As for [`crate::plan::plan`].
pub fn repair(
    _report: &Report,
    _packages: &[Package],
    _policy: &Policy,
    _disk: &dyn Disk,
) -> Result<Plan, PlanError> {
    Ok(Plan::default())
}

/// The plan that brings packaged content, owners and modes back, of editable files too.
///
/// # Errors
///
/// A path that no package delivers; else as for [`crate::plan::plan`].
pub fn revert(
    _target: &Target,
    _packages: &[Package],
    _policy: &Policy,
    _disk: &dyn Disk,
) -> Result<Plan, RevertError> {
    Ok(Plan::default())
}
