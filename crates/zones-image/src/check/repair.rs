//! Findings and wishes turned into plans.

use std::collections::HashSet;

use zones_ips::preserve::Direction;
use zones_ips::{Action, ActionKind, ImagePath};
use zones_sys::RootFd;

use super::delivered::{Place, delivered};
use super::verify::{Options, run};
use super::{ImageDisk, Report, Severity};
use crate::plan::{Change, Disk, Item, Package, Plan, PlanError, Policy, Step, Way};
use crate::plan::{compare, decide, output};

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

/// The plan that repairs what a report found damaged. Give ALL installed packages, those of the
/// report among them. The content of editable files is kept.
///
/// # Errors
///
/// As for [`crate::plan::plan`].
pub fn repair(
    report: &Report,
    packages: &[Package],
    policy: &Policy,
    disk: &dyn Disk,
) -> Result<Plan, PlanError> {
    let mut places = Vec::new();
    for found in &report.packages {
        let Some(at) = packages.iter().position(|it| it.fmri == found.fmri) else {
            continue;
        };
        let is_damaged = |severity: Severity| severity == Severity::Error;
        for item in &found.items {
            if item.findings.iter().any(|it| is_damaged(it.severity)) {
                places.push((at, item.action));
            }
        }
    }
    build(
        packages,
        policy,
        &places,
        Way::Change(Direction::Repair),
        disk,
    )
}

/// The plan that brings packaged content, owners and modes back, of editable files too. Nothing
/// is in it when all is as packaged.
///
/// # Errors
///
/// A path that no package delivers; else as for [`crate::plan::plan`].
pub fn revert(
    target: &Target,
    root: &RootFd,
    packages: &[Package],
    policy: &Policy,
    options: &Options,
) -> Result<Plan, RevertError> {
    let mut wanted = delivered(packages, policy);
    match target {
        Target::Paths(paths) => {
            let known: HashSet<&str> = paths.iter().map(|path| path.as_str()).collect();
            wanted.retain(|(_, action)| {
                action.kind().row().has_path && action.key().is_some_and(|it| known.contains(it))
            });
            let found: HashSet<&str> = wanted.iter().filter_map(|(_, it)| it.key()).collect();
            let is_unknown = |path: &&ImagePath| !found.contains(path.as_str());
            let unknown: Vec<_> = paths.iter().filter(is_unknown).cloned().collect();
            if !unknown.is_empty() {
                return Err(RevertError::Unknown(unknown));
            }
        }
        Target::Tags(tags) => wanted.retain(|(_, action)| has_tag(action, tags)),
    }
    let all = vec![true; packages.len()];
    let found = run(root, packages, wanted, &all, options, &|_| {});
    let places: Vec<Place> = found.into_iter().map(|(place, _)| place).collect();
    let disk = ImageDisk::new(root);
    Ok(build(packages, policy, &places, Way::Revert, &disk)?)
}

/// The tag alone; on folders a pattern follows it.
fn has_tag(action: &Action, tags: &[String]) -> bool {
    let mut own = action.values("revert-tag");
    own.any(|tag| {
        let tag = tag.split('=').next().unwrap_or_default();
        tags.iter().any(|wanted| wanted == tag)
    })
}

fn build(
    packages: &[Package],
    policy: &Policy,
    places: &[Place],
    way: Way,
    disk: &dyn Disk,
) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        packages: packages.to_vec(),
        is_repair: true,
        ..Plan::default()
    };
    for (package, action) in places {
        let item = Item::new(*package, *action);
        plan.updates.push(Step {
            from: Some(item),
            to: Some(item),
            way,
            outcome: None,
            removal: None,
        });
    }
    let mut touched: Vec<usize> = places.iter().map(|(package, _)| *package).collect();
    touched.sort_unstable();
    touched.dedup();
    plan.changes = touched
        .into_iter()
        .map(|at| Change {
            from: Some(packages[at].fmri.clone()),
            to: Some(packages[at].fmri.clone()),
        })
        .collect();
    let links = delivered(packages, policy).into_iter();
    let links = links.filter(|(_, action)| action.kind() == ActionKind::Hardlink);
    let links: Vec<_> = links
        .map(|((package, action), link)| (Item::new(package, action), link))
        .collect();
    compare::relink(&mut plan, links.into_iter());
    compare::sort(&mut plan);
    decide::files(&mut plan, disk)?;
    output::finish(&mut plan);
    Ok(plan)
}

impl Plan {
    /// Whether this repairs packages as they are, by [`repair`] or [`revert`].
    #[must_use]
    pub fn is_repair(&self) -> bool {
        self.is_repair
    }
}
