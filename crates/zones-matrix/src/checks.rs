//! What must be true of a cell, judged from inventories of its zone at several moments.
//!
//! Nothing is read and nothing is run here: [`wanted`] says which moments a check looks at and
//! which steps must be run once more for it, whoever runs the cell hands in what it found, and
//! [`judge`] says what is wrong.

mod again;
mod deps;
mod moments;
mod services;
mod upgrade;

use crate::check::Check;
use crate::glob::Glob;
use crate::leftovers::{self, Finding, Inventory, Rules, Subject, Verdicts, find};

pub use deps::{closed, overridden};
pub use moments::{Absent, After, Extra, Moments, Repeated, Want, When};
pub use services::{is_late, is_up};

/// A check, what it says to people, and what it looks at.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name in a matrix file.
    pub name: &'static str,
    /// What it finds.
    pub finds: &'static str,
    /// What it compares.
    pub looks_at: &'static str,
}

/// What is said of a finding that was not there before the reboot.
pub const AFTER_REBOOT: &str = "only after a reboot";

/// All checks, for tables in manuals.
pub const ABOUT: [About; 15] = [
    About {
        name: "files-owned",
        finds: "files that came and that no package owns",
        looks_at: "golden image, last step",
    },
    About {
        name: "services-up",
        finds: "services of the option without a process",
        looks_at: "last step while the zone runs, after reboot",
    },
    About {
        name: "no-broken-symlinks",
        finds: "links that lead nowhere and did not before",
        looks_at: "golden image, last step",
    },
    About {
        name: "deps-closed",
        finds: "libraries, loaders and interpreters that are not in the zone",
        looks_at: "golden image, last step",
    },
    About {
        name: "config-preserved",
        finds: "changes of the administrator that an upgrade lost, files that it doubled",
        looks_at: "after the installation, before and after the upgrade",
    },
    About {
        name: "no-orphans-from:ARTIFACT",
        finds: "files of that release that nobody owns any more",
        looks_at: "after the step of that artifact, last step",
    },
    About {
        name: "equals-fresh",
        finds: "all in which an upgraded zone differs from a freshly installed one",
        looks_at: "a fresh installation, last step",
    },
    About {
        name: "no-leftovers",
        finds: "files, packages, alternatives, diversions, mounts, filter rules that stayed",
        looks_at: "golden image, last step, after reboot",
    },
    About {
        name: "no-processes",
        finds: "processes and listening sockets that stayed",
        looks_at: "golden image, last step while the zone runs, after reboot",
    },
    About {
        name: "no-users",
        finds: "users and groups that stayed",
        looks_at: "golden image, last step",
    },
    About {
        name: "no-services",
        finds: "units, links that enable them, scheduled jobs that stayed",
        looks_at: "golden image, last step",
    },
    About {
        name: "no-ipc",
        finds: "shared memory, semaphores, queues and kernel keys that stayed",
        looks_at: "golden image, last step while the zone runs",
    },
    About {
        name: "reinstallable",
        finds: "a product that cannot be installed again, or is not what it was then",
        looks_at: "after the first installation, after one more",
    },
    About {
        name: "idempotent",
        finds: "what installing the same again changes",
        looks_at: "last step, after its last installation was run once more",
    },
    About {
        name: "timing",
        finds: "stalls of the host and jumps of its clock, which are errors of the test bed",
        looks_at: "all the time while the zone runs",
    },
];

/// What a check needs to be judged, for a cell with these steps.
#[must_use]
pub fn wanted(check: &Check, steps: &[&str]) -> Want {
    moments::wanted(check, steps)
}

/// Judges one check. The findings are sorted; notes among them fail nothing.
///
/// # Errors
/// A moment that the check looks at was not handed in.
pub fn judge(
    check: &Check,
    moments: &Moments<'_>,
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, Absent> {
    let mut found = match check {
        Check::FilesOwned => unowned(moments, rules)?,
        Check::ServicesUp => services::up(moments)?,
        Check::NoBrokenSymlinks => {
            let class = leftovers::Class::Broken;
            let found = find(moments.golden()?, moments.last()?, rules).findings;
            found.into_iter().filter(|one| one.class == class).collect()
        }
        Check::DepsClosed => deps::closed(moments.golden()?, moments.last()?),
        Check::ConfigPreserved => upgrade::config_preserved(moments, rules)?,
        Check::NoOrphansFrom(artifact) => {
            let earlier = moments.of_artifact(artifact)?;
            judged(leftovers::orphans(earlier, moments.last()?), rules)
        }
        Check::EqualsFresh => upgrade::equals_fresh(moments, rules)?,
        Check::NoLeftovers => stayed(
            moments,
            rules,
            &[
                Subject::File,
                Subject::Config,
                Subject::Package,
                Subject::Alternative,
                Subject::Diversion,
                Subject::Mount,
                Subject::Rule,
            ],
        )?,
        Check::NoProcesses => stayed(moments, rules, &[Subject::Process, Subject::Socket])?,
        Check::NoUsers => stayed(moments, rules, &[Subject::User, Subject::Group])?,
        Check::NoServices => stayed(moments, rules, &[Subject::Service, Subject::Cron])?,
        Check::NoIpc => stayed(moments, rules, &[Subject::Ipc, Subject::Key])?,
        Check::Reinstallable => again::reinstallable(moments, rules)?,
        Check::Idempotent => again::idempotent(moments, rules)?,
        // No inventory tells: whoever ran the cell knows.
        Check::Timing => return Err(Absent("all the time".to_owned())),
    };
    found.sort();
    Ok(found)
}

/// What is of these kinds and is other than in the golden image, now or after a reboot.
fn stayed(
    moments: &Moments<'_>,
    rules: &Rules<'_>,
    subjects: &[Subject],
) -> Result<Vec<Finding>, Absent> {
    let golden = moments.golden()?;
    let of_kinds = |now: &Inventory| -> Vec<Finding> {
        let found = find(golden, now, rules).findings;
        let wanted = found
            .into_iter()
            .filter(|one| subjects.contains(&one.subject));
        wanted.collect()
    };
    let mut found = of_kinds(moments.last()?);
    if let Some(rebooted) = moments.rebooted {
        for mut one in of_kinds(rebooted) {
            let is_same = |known: &Finding| {
                known.subject == one.subject && known.class == one.class && known.name == one.name
            };
            if !found.iter().any(is_same) {
                let end = if one.detail.is_empty() { "" } else { ", " };
                one.detail += &format!("{end}{AFTER_REBOOT}");
                found.push(one);
            }
        }
    }
    Ok(found)
}

fn unowned(moments: &Moments<'_>, rules: &Rules<'_>) -> Result<Vec<Finding>, Absent> {
    let golden = moments.golden()?;
    let mut found = leftovers::unowned(golden, moments.last()?);
    let generated = rules.policy.generated.iter().map(|text| Glob::new(text));
    let generated: Vec<Glob> = generated.collect();
    found.retain(|one| !generated.iter().any(|glob| glob.matches(&one.name)));
    Ok(judged(found, rules))
}

/// Takes away what the policy and the platform explain.
fn judged(found: Vec<Finding>, rules: &Rules<'_>) -> Vec<Finding> {
    let mut verdicts = Verdicts::new(rules);
    let kept = found.into_iter().filter_map(|one| {
        let path = leftovers::named(&one.name);
        if verdicts.is_quiet(&path, one.class) {
            return None;
        }
        verdicts.judge(one)
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_the_table_of_checks() {
        let page = include_str!("../../../docs/man/zones-checks.7");
        let names: Vec<&str> = ABOUT.iter().map(|about| about.name).collect();
        assert_eq!(names.len(), Check::names().count());
        for name in Check::names() {
            assert!(names.contains(&name), "{name} has no row");
        }
        for about in ABOUT {
            let name = about.name.replace('-', "\\-");
            let row = format!(
                "T{{\n{name}\nT}}|T{{\n{}\nT}}|T{{\n{}\nT}}",
                about.finds, about.looks_at
            );
            assert!(
                page.contains(&row),
                "zones-checks(7) lacks this row:\n{row}"
            );
        }
    }
}
