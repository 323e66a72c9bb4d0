//! Which versions of one package are out from the start, and why.

use std::sync::Arc;

use zones_ips::{Fmri, Publisher, Version};

use crate::depend::Depend;
use crate::hold::Holds;
use crate::job::{Asked, Job, Mode, is_latest};
use crate::parent;
use crate::reason::Reason;
use crate::release::{Release, Status};

/// Judges the versions of one package.
pub(crate) struct Judge<'a> {
    job: &'a Job<'a>,
    holds: &'a Holds,
    asked: Option<&'a Asked<'a>>,
    installed: Option<&'a Arc<Release>>,
    choice: Choice,
    /// Where a pattern asks for the newest version.
    latest: Option<Version>,
}

/// Whose versions are taken.
enum Choice {
    /// The pattern names the publisher.
    Named,
    /// The installed version binds.
    Sticky(Fmri, Publisher),
    /// The first in search order; whether an installed version comes from a publisher before it.
    First(Publisher),
    /// No enabled publisher has it.
    Nobody,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(job: &'a Job<'a>, holds: &'a Holds, releases: &[Arc<Release>]) -> Self {
        let stem = releases.first().map(|it| &it.stem);
        let asked = stem.and_then(|stem| job.asked(stem));
        let installed = stem.and_then(|stem| job.installed(stem));
        let mut judge = Self {
            job,
            holds,
            asked,
            installed,
            choice: choice(job, asked, installed, releases),
            latest: None,
        };
        if asked.is_some_and(|it| it.patterns.iter().any(|pattern| is_latest(pattern))) {
            let mut taken = releases.iter().filter(|it| judge.publisher(it).is_none());
            judge.latest = taken.next().map(|it| it.version.clone());
        }
        judge
    }

    /// Why a release is out, if it is.
    pub(crate) fn objection(&self, release: &Arc<Release>) -> Option<Reason> {
        if self.job.removed.contains(&release.stem) {
            return Some(Reason::Rejected);
        }
        self.asked_version(release)
            .or_else(|| match self.installed {
                Some(own) if own == release => {
                    self.variant(release, self.job.mode == Mode::Variants)
                }
                _ => self.other(release),
            })
            .or_else(|| parent::objection(self.job, release))
    }

    /// Why a release that is not installed is out.
    fn other(&self, release: &Release) -> Option<Reason> {
        self.variant(release, true)
            .or_else(|| self.publisher(release))
            .or_else(|| self.older(release))
            .or_else(|| self.frozen(release))
            .or_else(|| self.explicit(release))
            .or_else(|| self.origin(release))
            .or_else(|| self.held(release))
    }

    fn asked_version(&self, release: &Release) -> Option<Reason> {
        let fmri = release.fmri();
        let asked = self.asked?;
        if self
            .latest
            .as_ref()
            .is_some_and(|latest| release.version < *latest)
        {
            return Some(Reason::AskedVersion);
        }
        asked.patterns.iter().find_map(|pattern| {
            if pattern.match_fmri(&fmri).is_some() {
                return None;
            }
            let other = pattern.publisher().is_some_and(|it| {
                !zones_ips::pattern::glob_matches(it, release.publisher.as_str())
            });
            Some(match (other, pattern.publisher()) {
                (true, Some(publisher)) => Reason::AskedPublisher(publisher.to_owned()),
                _ => Reason::AskedVersion,
            })
        })
    }

    fn variant(&self, release: &Release, is_asked: bool) -> Option<Reason> {
        match &release.status {
            Status::OtherVariant(name) if is_asked => Some(Reason::OtherVariant(name.clone())),
            Status::Unsupported if is_asked => Some(Reason::Unsupported),
            _ => None,
        }
    }

    fn publisher(&self, release: &Release) -> Option<Reason> {
        match &self.choice {
            Choice::Named | Choice::Nobody => None,
            Choice::Sticky(fmri, publisher) => {
                (release.publisher != *publisher).then(|| Reason::Sticky(fmri.clone()))
            }
            Choice::First(first) if release.publisher == *first => None,
            Choice::First(first) => Some(match self.installed {
                Some(_) => Reason::RankedLower,
                None => Reason::Outranked(first.clone()),
            }),
        }
    }

    fn older(&self, release: &Release) -> Option<Reason> {
        let installed = self.installed?;
        let may = self.holds.back.contains(&release.stem);
        (release.version < installed.version && !may).then(|| Reason::Newer(installed.fmri()))
    }

    fn frozen(&self, release: &Release) -> Option<Reason> {
        let freeze = self.job.image.frozen.get(&release.stem)?;
        let reason = || {
            let comment = freeze.comment.clone();
            Reason::Frozen(release.stem.clone(), freeze.version.clone(), comment)
        };
        (!release.version.refines(&freeze.version)).then(reason)
    }

    fn explicit(&self, release: &Release) -> Option<Reason> {
        let free = self.asked.is_some() || self.installed.is_some();
        (release.is_explicit && !free).then_some(Reason::Explicit)
    }

    /// What was installed, or what the image at `/` has, is too old for the release.
    fn origin(&self, release: &Release) -> Option<Reason> {
        release.depends.iter().find_map(|depend| match depend {
            Depend::Origin(target) => {
                let installed = self.job.installed(&target.stem)?;
                (!target.is_met(&installed.version)).then(|| Reason::Origin(target.clone()))
            }
            // Firmware is nothing that an image on Linux can know of.
            Depend::RootOrigin(target) if target.stem.as_str().starts_with(FIRMWARE) => None,
            Depend::RootOrigin(target) => {
                let own = || self.job.installed(&target.stem).map(|it| &it.version);
                let have = match &self.job.image.root {
                    Some(root) => root.get(&target.stem),
                    None => own(),
                };
                let met = have.is_some_and(|version| target.is_met(version));
                (!met).then(|| Reason::RootOrigin(target.clone()))
            }
            _ => None,
        })
    }

    fn held(&self, release: &Release) -> Option<Reason> {
        if let Some(fmri) = self.holds.held.get(&release.stem) {
            return Some(Reason::Held(fmri.clone()));
        }
        let pins = self.holds.pins.get(&release.stem)?;
        let broken = pins
            .iter()
            .find(|(target, _)| !target.is_refined(&release.version));
        broken.map(|(_, fmri)| Reason::Incorporated(fmri.clone()))
    }
}

/// Names of packages that stand for the machine.
const FIRMWARE: &str = "feature/firmware/";

fn choice(
    job: &Job<'_>,
    asked: Option<&Asked<'_>>,
    installed: Option<&Arc<Release>>,
    releases: &[Arc<Release>],
) -> Choice {
    if asked.is_some_and(|it| {
        it.patterns
            .iter()
            .any(|pattern| pattern.publisher().is_some())
    }) {
        return Choice::Named;
    }
    if let Some(installed) = installed
        && job.image.is_sticky(&installed.publisher)
    {
        return Choice::Sticky(installed.fmri(), installed.publisher.clone());
    }
    let ranked = releases
        .iter()
        .filter_map(|it| Some((job.image.rank(&it.publisher)?, it)));
    let first = ranked.min_by_key(|(rank, _)| *rank);
    first.map_or(Choice::Nobody, |(_, it)| {
        Choice::First(it.publisher.clone())
    })
}
