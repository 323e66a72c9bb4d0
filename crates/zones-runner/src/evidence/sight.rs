//! What was seen of one cell, from its first look to its verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zones_archive::Candidates;
use zones_matrix::checks::{self, Absent, After, Extra, Moments, Repeated, When};
use zones_matrix::journal::{CheckResult, Status};
use zones_matrix::leftovers::{Finding, Inventory, Noise, Rules, Weight};
use zones_matrix::{Cell, Check, Policy};

use super::{EvidenceError, Look, Owners, Scene, alive, tree};

/// What starts with a system may for a moment be called otherwise, or end soon.
const ENDS: Duration = Duration::from_secs(2);
/// An emulated system may take that long to start a service that is enabled.
pub(crate) const STARTS: Duration = Duration::from_secs(20);

/// Where a zone is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its root, as a storage driver knows it.
    pub root: PathBuf,
    /// Process 1 as the host counts, while it runs.
    pub init: Option<i32>,
}

/// Follows one cell. A copy of it costs little: what was seen is shared.
#[derive(Debug, Clone)]
pub struct Sight {
    steps: Vec<String>,
    services: Vec<String>,
    checks: Vec<Check>,
    /// Platform and option: cells that agree have the same fresh installation.
    family: String,
    policy: Policy,
    noise: Noise,
    golden: Option<Arc<Scene>>,
    seen: BTreeMap<When, Arc<Scene>>,
    repeated: Vec<(Extra, Option<i32>, Option<Arc<Scene>>)>,
    /// Folder of fresh installations that cells share.
    shelf: Option<PathBuf>,
}

impl Sight {
    /// Begins to follow a cell. `golden` is what its image holds, where that is known already;
    /// fresh installations are kept in the existing folder `shelf` for other cells of the run.
    #[must_use]
    pub fn new(
        cell: &Cell,
        policy: &Policy,
        noise: Noise,
        golden: Option<Arc<Scene>>,
        shelf: Option<PathBuf>,
    ) -> Self {
        let [platform, option, _] = cell.parts();
        Self {
            steps: cell.steps.iter().map(|step| step.name.clone()).collect(),
            services: cell.services.clone(),
            checks: cell.checks.clone(),
            family: format!("{platform}-{option}"),
            policy: policy.clone(),
            noise,
            golden,
            seen: BTreeMap::new(),
            repeated: Vec::new(),
            shelf,
        }
    }

    /// The same for a cell whose steps began alike: what was seen at the end of this one is none
    /// of its ends.
    #[must_use]
    pub fn fork(&self, cell: &Cell) -> Self {
        let mut seen = self.seen.clone();
        seen.retain(|when, _| matches!(when, When::Step(_)));
        Self {
            steps: cell.steps.iter().map(|step| step.name.clone()).collect(),
            services: cell.services.clone(),
            checks: cell.checks.clone(),
            seen,
            repeated: Vec::new(),
            ..self.clone()
        }
    }

    /// What the golden image holds, once it is known.
    #[must_use]
    pub fn golden(&self) -> Option<Arc<Scene>> {
        self.golden.clone()
    }

    /// Whether it was looked at this moment.
    #[must_use]
    pub fn has(&self, when: &When) -> bool {
        self.seen.contains_key(when)
    }

    /// Services of the cell that have a process in the zone now; none in a zone that is down.
    #[must_use]
    pub fn services_up(&self, place: &Place) -> Vec<String> {
        let Some(Ok(living)) = place.init.map(alive) else {
            return Vec::new();
        };
        let mut now = Inventory::default();
        living.put(&mut now);
        let up = self.services.iter().filter(|it| checks::is_up(it, &now));
        up.cloned().collect()
    }

    /// How long, from the first look at this moment on, is to be waited for the zone to become what
    /// checks expect; no time when it has settled.
    #[must_use]
    pub fn patience(&self, when: &When) -> Duration {
        if self.checks.contains(&Check::ServicesUp) && self.is_starting(when) {
            STARTS
        } else if *when == When::Rebooted && self.has_new_process() {
            ENDS
        } else {
            Duration::ZERO
        }
    }

    /// Whether a service is late that something starts, and that was there before a reboot.
    fn is_starting(&self, when: &When) -> bool {
        let seen = |when| self.seen.get(&when).map(|scene| &scene.inventory);
        let (Some(now), before) = (seen(when.clone()), seen(When::Alive)) else {
            return false;
        };
        let before = before.filter(|_| *when == When::Rebooted);
        let mut services = self.services.iter();
        services.any(|service| {
            checks::is_late(service, now)
                && before.is_none_or(|before| !checks::is_late(service, before))
        })
    }

    /// Whether something runs after the reboot that did not run before, and that a check would
    /// find.
    fn has_new_process(&self) -> bool {
        let check = Check::NoProcesses;
        let is_new = |one: &Finding| one.detail.ends_with(checks::AFTER_REBOOT);
        self.checks.contains(&check) && self.judge(&check).findings.iter().any(is_new)
    }

    /// Whether a check of the cell looks at this moment, or another cell may.
    #[must_use]
    pub fn wants(&self, when: &When) -> bool {
        let last = self.steps.len().checked_sub(1).map(When::Step);
        let names = self.names();
        let fresh = self.is_fresh(when) && self.shelf.is_some();
        fresh
            || self.checks.iter().any(|check| {
                let wanted = checks::wanted(check, &names).moments;
                let is_last = last.as_ref() == Some(when);
                let ends = [When::Last, When::Alive];
                wanted.contains(when) || (is_last && ends.iter().any(|end| wanted.contains(end)))
            })
    }

    /// Steps that the checks of the cell want to be run once more.
    #[must_use]
    pub fn extras(&self) -> Vec<Extra> {
        let names = self.names();
        let all = self
            .checks
            .iter()
            .flat_map(|check| checks::wanted(check, &names).extras);
        let mut all: Vec<Extra> = all.collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether a fresh installation is known already, from this cell or another one.
    #[must_use]
    pub fn has_fresh(&self) -> bool {
        self.fresh().is_some()
    }

    /// Looks at the zone before anything was done in it: what its golden image holds. `before` is
    /// another clone of the image, and `only` are the paths on which the two may differ.
    ///
    /// # Errors
    /// As those of [`look`](Self::look).
    pub fn begin(
        &mut self,
        place: &Place,
        before: Option<&Scene>,
        only: Option<&Candidates>,
    ) -> Result<Arc<Scene>, EvidenceError> {
        let scene = Arc::new(scene(place, before, only)?);
        self.golden = Some(Arc::clone(&scene));
        Ok(scene)
    }

    /// Looks at the zone. `only` are the paths outside of which nothing changed since the golden
    /// image, where a storage driver knows them.
    ///
    /// # Errors
    /// As those of [`tree`] and [`alive`]; the test bed is at fault.
    pub fn look(
        &mut self,
        place: &Place,
        when: &When,
        only: Option<&Candidates>,
    ) -> Result<(), EvidenceError> {
        let scene = Arc::new(scene(place, self.golden.as_deref(), only)?);
        if *when == When::Golden {
            self.golden = Some(scene);
            return Ok(());
        }
        if self.is_fresh(when) {
            self.shelve(&scene);
        }
        self.seen.insert(when.clone(), scene);
        Ok(())
    }

    /// What was seen at one moment was seen at another one, too: nothing was done in between.
    pub fn also(&mut self, seen: &When, when: &When) {
        if let Some(scene) = self.seen.get(seen).cloned() {
            if self.is_fresh(when) {
                self.shelve(&scene);
            }
            self.seen.insert(when.clone(), scene);
        }
    }

    /// Notes a step that was run once more, and looks at the zone after it.
    ///
    /// # Errors
    /// As those of [`look`](Self::look).
    pub fn again(
        &mut self,
        extra: Extra,
        exit: Option<i32>,
        place: &Place,
    ) -> Result<(), EvidenceError> {
        let scene = Arc::new(scene(place, self.golden.as_deref(), None)?);
        if matches!(extra, Extra::Fresh(_)) && exit == Some(0) {
            self.seen.insert(When::Fresh, Arc::clone(&scene));
        }
        self.repeated.push((extra, exit, Some(scene)));
        Ok(())
    }

    /// Judges one check by all that was seen. What nobody looked at is skipped, with the reason.
    #[must_use]
    pub fn judge(&self, check: &Check) -> CheckResult {
        let fresh = match check {
            Check::EqualsFresh | Check::ConfigPreserved => self.fresh(),
            _ => None,
        };
        let rules = Rules {
            policy: &self.policy,
            noise: &self.noise,
        };
        let judged = checks::judge(check, &self.moments(fresh.as_deref()), &rules);
        result(check, judged)
    }

    /// Programs that came and that a faked clock does not reach, or breaks; nothing when there are
    /// none. Told as the check `clock`, which passes.
    #[must_use]
    pub fn unmoved(&self) -> Option<CheckResult> {
        let last = When::Step(self.steps.len().saturating_sub(1));
        let ends = [When::Alive, When::Last, last];
        let end = ends.iter().find_map(|when| self.seen.get(when));
        let (before, now) = (self.golden.as_ref()?, end?);
        let findings = checks::overridden(&before.inventory, &now.inventory);
        let first = findings.first()?;
        let message = match findings.len() {
            1 => format!("{}: {}", first.name, first.detail),
            more => format!("{}: {}, and {} more", first.name, first.detail, more - 1),
        };
        Some(CheckResult {
            check: "clock".to_owned(),
            status: Status::Pass,
            message,
            findings,
        })
    }

    fn moments<'a>(&'a self, fresh: Option<&'a Scene>) -> Moments<'a> {
        let inventory = |when: &When| self.seen.get(when).map(|scene| &scene.inventory);
        let last = self.steps.len().saturating_sub(1);
        let steps = self.steps.iter().enumerate().map(|(at, step)| {
            let own = inventory(&When::Step(at));
            let end = inventory(&When::Alive).or_else(|| inventory(&When::Last));
            After {
                step,
                inventory: own.or_else(|| end.filter(|_| at == last)),
            }
        });
        let repeated = self.repeated.iter().map(|(extra, exit, scene)| Repeated {
            extra,
            exit: *exit,
            inventory: scene.as_ref().map(|scene| &scene.inventory),
        });
        Moments {
            golden: self.golden.as_ref().map(|scene| &scene.inventory),
            steps: steps.collect(),
            rebooted: inventory(&When::Rebooted),
            fresh: fresh.map(|scene| &scene.inventory),
            repeated: repeated.collect(),
            services: &self.services,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.steps.iter().map(String::as_str).collect()
    }

    /// Whether this is the moment right after the first installation, and nothing came before.
    fn is_fresh(&self, when: &When) -> bool {
        *when == When::Step(0) && self.steps.first().is_some_and(|step| step.contains(':'))
    }

    fn shelf_file(shelf: &Path, family: &str, step: &str) -> PathBuf {
        // Names of a plan hold no slash; an artifact's colon is none in a file's name.
        shelf.join(format!("{family}-{}.scene", step.replace(':', "-")))
    }

    /// Another cell finds it or does not: what cannot be kept is not missed.
    fn shelve(&self, scene: &Scene) {
        let (Some(shelf), Some(step)) = (&self.shelf, self.steps.first()) else {
            return;
        };
        let file = Self::shelf_file(shelf, &self.family, step);
        if !file.exists() {
            let unique = format!("scene-{}-{:p}", std::process::id(), scene);
            let temp = file.with_extension(unique);
            let written = std::fs::write(&temp, scene.save());
            let _ = written.and_then(|()| std::fs::rename(&temp, &file));
        }
    }

    fn fresh(&self) -> Option<Arc<Scene>> {
        if let Some(scene) = self.seen.get(&When::Fresh) {
            return Some(Arc::clone(scene));
        }
        let names = self.names();
        let wanted = checks::wanted(&Check::EqualsFresh, &names).extras;
        let Some(Extra::Fresh(step)) = wanted.first() else {
            return None;
        };
        let file = Self::shelf_file(self.shelf.as_ref()?, &self.family, step);
        Scene::load(&std::fs::read(file).ok()?).ok().map(Arc::new)
    }
}

/// The files of a zone, and what runs in it now.
fn scene(
    place: &Place,
    before: Option<&Scene>,
    only: Option<&Candidates>,
) -> Result<Scene, EvidenceError> {
    let root = zones_storage::look(&place.root)?;
    let look = Look {
        owners: Owners::of(&root),
        before,
        only,
    };
    let mut scene = tree(&root, &look)?;
    if let Some(init) = place.init {
        let living = alive(init)?;
        living.put(&mut scene.inventory);
        scene.notes.extend(living.notes);
    }
    Ok(scene)
}

fn result(check: &Check, judged: Result<Vec<Finding>, Absent>) -> CheckResult {
    let (status, message, findings) = match judged {
        Err(absent) => (Status::Skip, absent.to_string(), Vec::new()),
        Ok(findings) => {
            let faults = findings.iter().filter(|one| one.weight == Weight::Fault);
            let count = faults.clone().count();
            let first = faults.map(ToString::to_string).next();
            match first {
                None => (Status::Pass, String::new(), findings),
                Some(first) if count == 1 => (Status::Fail, first, findings),
                Some(first) => (
                    Status::Fail,
                    format!("{first}, and {} more", count - 1),
                    findings,
                ),
            }
        }
    };
    CheckResult {
        check: check.to_string(),
        status,
        message,
        findings,
    }
}
