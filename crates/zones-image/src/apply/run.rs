//! One plan from its first step to its last.

use std::collections::BTreeMap;

use zones_ips::{ActionKind, ImagePathRef};
use zones_sys::RootFd;

use super::hand::Hand;
use super::job::{Job, Meter};
use super::{ApplyError, Content, Options, Phase, Progress, Report, lay, names};
use crate::plan::{Item, Plan, Step};

pub(super) fn all(
    plan: &Plan,
    root: &RootFd,
    content: &dyn Content,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, ApplyError> {
    let mut job = Job::new(plan, root, content, options);
    let totals = plan.action_counts();
    let meter = |phase: Phase| {
        let at = phase as usize;
        Meter::new(phase, totals[at], plan.silent[at], progress)
    };
    job.accounts = Hand::new(&job).accounts_expected()?;
    if !plan.installs.iter().any(|step| names::is_own(plan, step)) {
        // Refused before anything is touched.
        check_owners(&job)?;
    }
    removals(&job, &meter(Phase::Remove))?;
    first_files(&mut job)?;
    check_owners(&job)?;
    let installs = Steps::of(plan, &plan.installs, 0);
    let updates = Steps::of(plan, &plan.updates, plan.installs.len());
    let number = plan.installs.len() + plan.updates.len();
    let meter_installs = meter(Phase::Install);
    folders(&job, &installs, &meter_installs)?;
    lay::files(&job, &installs.files, number, &meter_installs)?;
    others(&job, &installs, &meter_installs)?;
    let meter_updates = meter(Phase::Update);
    folders(&job, &updates, &meter_updates)?;
    let number = number + installs.files.len();
    lay::files(&job, &updates.files, number, &meter_updates)?;
    others(&job, &updates, &meter_updates)?;
    Ok(job.report())
}

/// The steps of a phase by what does them.
struct Steps<'p> {
    folders: Vec<Item>,
    files: Vec<&'p Step>,
    /// All else, with a number that no other step has.
    others: Vec<(usize, &'p Step)>,
    /// Whether the implied folders are made with these.
    implied: &'p [zones_ips::ImagePath],
}

impl<'p> Steps<'p> {
    fn of(plan: &'p Plan, list: &'p [Step], first: usize) -> Self {
        let mut steps = Self {
            folders: Vec::new(),
            files: Vec::new(),
            others: Vec::new(),
            implied: if first == 0 {
                &plan.folders_implied
            } else {
                &[]
            },
        };
        for (at, step) in list.iter().enumerate() {
            let Some(item) = step.to else { continue };
            match plan.action(item).kind() {
                ActionKind::Dir => steps.folders.push(item),
                // Laid already, and changed since by the users that came.
                ActionKind::File if first == 0 && names::is_own(plan, step) => {
                    steps.others.push((first + at, step));
                }
                ActionKind::File => steps.files.push(step),
                _ => steps.others.push((first + at, step)),
            }
        }
        steps
    }
}

fn removals(job: &Job<'_>, meter: &Meter<'_>) -> Result<(), ApplyError> {
    let mut hand = Hand::new(job);
    for step in &job.plan.removals {
        hand.remove(step)?;
        meter.add(1);
    }
    for step in &job.plan.updates {
        hand.carry(step)?;
    }
    for path in &job.plan.folders_gone {
        hand.remove_folder(path)?;
    }
    Ok(())
}

/// Users and groups, and before them the files that hold them. Those files are laid with what
/// owners are known, and get the right ones with all other files.
fn first_files(job: &mut Job<'_>) -> Result<(), ApplyError> {
    let plan = job.plan;
    let own: Vec<&Step> = plan
        .installs
        .iter()
        .filter(|step| names::is_own(plan, step))
        .collect();
    for step in &own {
        let action = step.to.map(|item| plan.action(item));
        for name in [
            action.and_then(|action| action.owner()),
            action.and_then(|action| action.group()),
        ] {
            job.accounts.admit(name.unwrap_or_default());
        }
    }
    let number = plan.installs.len() + plan.updates.len();
    let mut hand = Hand::new(job);
    for (at, step) in own.into_iter().enumerate() {
        hand.file(step, number + at)?;
    }
    job.accounts = Hand::new(job).accounts()?;
    Ok(())
}

/// Every owner is known before the first thing that needs one is laid.
fn check_owners(job: &Job<'_>) -> Result<(), ApplyError> {
    let mut known: BTreeMap<(Option<&str>, Option<&str>), ()> = BTreeMap::new();
    let coming = job.plan.installs.iter().chain(&job.plan.updates);
    for item in coming.filter_map(|step| step.to) {
        let action = job.plan.action(item);
        if !matches!(action.kind(), ActionKind::Dir | ActionKind::File) {
            continue;
        }
        let names = (action.owner(), action.group());
        if let std::collections::btree_map::Entry::Vacant(vacant) = known.entry(names) {
            job.owner(job.path(item)?, action)?;
            vacant.insert(());
        }
    }
    Ok(())
}

/// Folders, delivered and implied, those above before those below.
fn folders(job: &Job<'_>, steps: &Steps<'_>, meter: &Meter<'_>) -> Result<(), ApplyError> {
    let mut all: Vec<(ImagePathRef<'_>, Option<Item>)> = Vec::new();
    for item in &steps.folders {
        all.push((job.path(*item)?, Some(*item)));
    }
    all.extend(steps.implied.iter().map(|path| (path.as_ref(), None)));
    all.sort();
    let mut hand = Hand::new(job);
    for (path, item) in all {
        match item {
            Some(item) => {
                hand.dir(item)?;
                meter.add(1);
            }
            None => {
                hand.make_parents(path)?;
                hand.make_folder(path)?;
            }
        }
    }
    Ok(())
}

fn others(job: &Job<'_>, steps: &Steps<'_>, meter: &Meter<'_>) -> Result<(), ApplyError> {
    let mut hand = Hand::new(job);
    for (number, step) in &steps.others {
        if let Some(item) = step.to {
            match job.plan.action(item).kind() {
                ActionKind::Link => hand.link(step, item, *number)?,
                ActionKind::Hardlink => hand.hardlink(step, item, *number)?,
                ActionKind::License => hand.license(item, *number)?,
                ActionKind::File => hand.keep(item, job.path(item)?)?,
                // Users and groups were first; drivers and what is legacy is data only.
                _ => {}
            }
        }
        meter.add(1);
    }
    Ok(())
}
