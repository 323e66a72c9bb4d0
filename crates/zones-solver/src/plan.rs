//! What an operation changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zones_ips::{Fmri, Stem};

use crate::depend::Depend;
use crate::job::{Job, Mode};
use crate::model::Model;
use crate::release::Release;
use crate::sat::Var;

/// The packages that an operation changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// By stem.
    pub changes: Vec<Change>,
    /// Packages that come onto the avoid list: removed members of groups.
    pub avoid: BTreeSet<Stem>,
    /// Packages that leave the avoid list: they were named.
    pub unavoid: BTreeSet<Stem>,
    /// Steps of the search, a measure of how hard it was.
    pub work: u64,
}

/// What happens to one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The package.
    pub stem: Stem,
    /// What is installed before.
    pub from: Option<Fmri>,
    /// What is installed after.
    pub to: Option<Fmri>,
}

impl Plan {
    /// Whether there is nothing to do, which is exit status 4 of pkg(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.avoid.is_empty() && self.unavoid.is_empty()
    }

    pub(crate) fn new(job: &Job<'_>, model: &Model, last: &BTreeSet<Var>, work: u64) -> Self {
        let after = last.iter().map(|var| {
            let release = &model.candidates[*var].release;
            (&release.stem, release)
        });
        let after: BTreeMap<&Stem, &Arc<Release>> = after.collect();
        let stems: BTreeSet<&Stem> = after
            .keys()
            .copied()
            .chain(job.image.installed.keys())
            .collect();
        let change = |stem: &Stem| {
            let from = job.installed(stem).map(|it| it.fmri());
            let to = after.get(stem).map(|it| it.fmri());
            (from != to).then(|| Change {
                stem: stem.clone(),
                from,
                to,
            })
        };
        let asked = job.asked.iter().map(|it| &it.stem);
        let unavoid =
            asked.filter(|it| job.image.avoided.contains(*it) && job.mode != Mode::Uninstall);
        Self {
            changes: stems.into_iter().filter_map(change).collect(),
            avoid: avoided(job, after.values().map(|it| &***it)),
            unavoid: unavoid.cloned().collect(),
            work,
        }
    }
}

/// What is removed although a group of what stays has it.
fn avoided<'r>(job: &Job<'_>, after: impl Iterator<Item = &'r Release>) -> BTreeSet<Stem> {
    let groups = after.flat_map(|it| &it.depends).filter(|it| it.is_group());
    let members = groups.flat_map(Depend::targets).map(|it| &it.stem);
    let gone = members.filter(|it| job.removed.contains(*it) && !job.image.avoided.contains(*it));
    gone.cloned().collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |it: &Option<Fmri>| {
            let version = it.as_ref().and_then(Fmri::version);
            version.map_or_else(|| "None".to_owned(), zones_ips::Version::short)
        };
        write!(
            f,
            "{} {} -> {}",
            self.stem,
            short(&self.from),
            short(&self.to)
        )
    }
}
