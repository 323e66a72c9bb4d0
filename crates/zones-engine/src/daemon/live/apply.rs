//! Changes of a running zone: steps that are planned as data, done one by one, and all undone when
//! one fails.

use std::fmt;

use rustix::process::{Resource as Rlimits, Rlimit};
use zones_cgroup::{Limits, ZoneGroup};
use zones_config::table::Resource;
use zones_config::{Change, ZoneConfig, changes};
use zones_net::Interface;
use zones_store::Layout;
use zones_types::{Bytes, ZoneName};

use super::Live;
use crate::control::Response;
use crate::error::EngineError;
use crate::net::hot;
use crate::plan::{BootPlan, FsMount};
use crate::runtime::RunState;
use crate::stage::graft;
use crate::{host, snapshot};

/// Attributes that the boot looks at; `memory-policy` is a limit as others are.
const BOOT_ATTRIBUTES: [&str; 5] = [
    "idmap",
    "link-protection",
    "privileged",
    "resolvers",
    "uplink",
];

/// Controls that are set before the zone has processes.
const BOOT_CONTROLS: [&str; 5] = [
    "zone.max-msg-ids",
    "zone.max-sem-ids",
    "zone.max-shm-ids",
    "zone.max-shm-memory",
    "zone.zfs-io-priority",
];

/// Lines of one answer: a message between processes has an end.
const LINES_MAX: usize = 500;

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct How {
    /// Only say what would be done.
    pub(in crate::daemon) check: bool,
    /// Say values before and after, too.
    pub(in crate::daemon) verbose: bool,
}

/// One thing that the kernel can do to a running zone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Unplumb(Interface),
    Unmount(FsMount),
    Limits { from: Limits, to: Limits },
    Locked { from: Option<u64>, to: Option<u64> },
    Mount(FsMount),
    Plumb(Interface),
}

impl Step {
    fn reverse(self) -> Self {
        match self {
            Self::Unplumb(interface) => Self::Plumb(interface),
            Self::Plumb(interface) => Self::Unplumb(interface),
            Self::Unmount(fs) => Self::Mount(fs),
            Self::Mount(fs) => Self::Unmount(fs),
            Self::Limits { from, to } => Self::Limits { from: to, to: from },
            Self::Locked { from, to } => Self::Locked { from: to, to: from },
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplumb(interface) => write!(f, "take link `{}` away", interface.name),
            Self::Plumb(interface) => write!(f, "give link `{}`", interface.name),
            Self::Unmount(fs) => write!(f, "unmount `{}`", fs.dir),
            Self::Mount(fs) => write!(f, "mount `{}`", fs.dir),
            Self::Limits { .. } => f.write_str("set the limits"),
            Self::Locked { .. } => f.write_str("limit the locked memory"),
        }
    }
}

/// What leads from one plan to the other; in an order in which names are free when they are needed.
fn steps(from: &BootPlan, to: &BootPlan) -> Vec<Step> {
    let mut steps = Vec::new();
    let only = |one: &[Interface], other: &[Interface]| -> Vec<Interface> {
        let only = one.iter().filter(|link| !other.contains(link));
        only.cloned().collect()
    };
    let mounts = |one: &[FsMount], other: &[FsMount]| -> Vec<FsMount> {
        let only = one.iter().filter(|fs| !other.contains(fs));
        only.cloned().collect()
    };
    steps.extend(
        only(&from.interfaces, &to.interfaces)
            .into_iter()
            .map(Step::Unplumb),
    );
    // Sorted by mount point: what lies deeper goes first.
    let gone = mounts(&from.filesystems, &to.filesystems);
    steps.extend(gone.into_iter().rev().map(Step::Unmount));
    if from.limits != to.limits {
        let (from, to) = (from.limits.clone(), to.limits.clone());
        steps.push(Step::Limits { from, to });
    }
    if from.locked != to.locked {
        let (from, to) = (from.locked, to.locked);
        steps.push(Step::Locked { from, to });
    }
    let new = mounts(&to.filesystems, &from.filesystems);
    steps.extend(new.into_iter().map(Step::Mount));
    steps.extend(
        only(&to.interfaces, &from.interfaces)
            .into_iter()
            .map(Step::Plumb),
    );
    steps
}

impl Live {
    /// Makes the running zone what `wanted` says: all of it or, when a step fails, nothing.
    ///
    /// # Errors
    /// What the host refuses. What may not change while the zone runs is in the [`Response`].
    pub(in crate::daemon) fn apply(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
        wanted: &ZoneConfig,
        how: How,
    ) -> Result<Response, EngineError> {
        let now = match snapshot::live_config(layout, zone)? {
            Some(config) => config,
            // It was booted by a release that kept none.
            None => host::load(layout, zone)?,
        };
        let changes = changes(&now, wanted);
        let mut lines = said(zone, &changes, how.verbose);
        if changes.is_empty() {
            lines.push(format!("zone '{zone}': There are no changes to apply"));
            return Ok(Response {
                lines,
                ..Response::done()
            });
        }
        let refused: Vec<String> = changes.iter().filter_map(refusal).collect();
        if !refused.is_empty() {
            return Ok(refuse(lines, refused));
        }
        let mut plan = self.plan_for(layout, wanted)?;
        let steps = steps(&self.plan, &plan);
        let problems = self.problems(&mut plan, &steps);
        if !problems.is_empty() {
            return Ok(refuse(lines, problems));
        }
        let warnings = self.foresee(layout, zone, &plan);
        if !how.check {
            lines.push(format!("zone '{zone}': Applying the changes"));
            snapshot::announce(layout, wanted)?;
            if let Err(error) = self.run(layout, zone, steps) {
                snapshot::withdraw(layout, zone);
                return Err(error);
            }
            snapshot::settle(layout, zone)?;
            self.plan = plan;
        }
        Ok(Response {
            done: true,
            lines: cut(lines),
            warnings,
        })
    }

    /// What the zone would be with another configuration, as far as that may change while it runs.
    fn plan_for(&self, layout: &Layout, config: &ZoneConfig) -> Result<BootPlan, EngineError> {
        let mut plan = host::plan_as(layout, config, self.state.privileged)?;
        plan.id = self.state.id;
        plan.shifted = self.plan.shifted;
        plan.limits.cpus.clone_from(&self.plan.limits.cpus);
        Ok(plan)
    }

    /// Takes back a change that a daemon before this one could not finish; says so.
    pub(super) fn repair(&mut self, layout: &Layout, zone: &ZoneName) {
        let wanted = match snapshot::announced(layout, zone) {
            Ok(None) => return,
            Ok(Some(wanted)) => self.plan_for(layout, &wanted),
            Err(error) => Err(error),
        };
        let mut troubles = Vec::new();
        match wanted {
            Ok(wanted) => {
                for step in steps(&self.plan, &wanted).into_iter().rev() {
                    let step = step.reverse();
                    if let Err(error) = self.step(layout, zone, &step, true) {
                        troubles.push(format!("could not {step}: {}", error.chain()));
                    }
                }
            }
            Err(error) => troubles.push(error.chain()),
        }
        snapshot::withdraw(layout, zone);
        let mut note = "an interrupted change of the running zone was undone".to_owned();
        if !troubles.is_empty() {
            note += &format!(", but {}; reboot the zone", troubles.join("; "));
        }
        self.note = Some(note);
    }

    /// What the new daemon did when it took over, once.
    pub(in crate::daemon) fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// What speaks against the steps, found without doing any. What new links do not enforce is
    /// added to the plan.
    fn problems(&self, plan: &mut BootPlan, steps: &[Step]) -> Vec<String> {
        let mut problems = Vec::new();
        for (n, link) in plan.interfaces.iter().enumerate() {
            if plan.interfaces[..n]
                .iter()
                .any(|other| other.name == link.name)
            {
                problems.push(format!(
                    "net: the zone would have two links `{}`",
                    link.name
                ));
            }
        }
        for step in steps {
            let problem = match step {
                Step::Unmount(fs) if !self.state.grafts.contains(&fs.dir) => Some(format!(
                    "fs dir={}: it was mounted at boot and cannot be taken away while the zone \
                     runs; reboot the zone",
                    fs.dir
                )),
                Step::Mount(fs) if self.plan.range.is_none() => Some(format!(
                    "fs dir={}: file systems of a privileged zone are mounted at its boot; reboot \
                     the zone",
                    fs.dir
                )),
                Step::Mount(fs) if fs.kind == "lofs" => std::fs::metadata(&fs.special)
                    .err()
                    .map(|error| format!("fs dir={}: `{}`: {error}", fs.dir, fs.special)),
                Step::Plumb(link) => match hot::check(link, &self.state) {
                    Ok(unmet) => {
                        plan.not_enforced.extend(unmet);
                        None
                    }
                    Err(error) => Some(error.chain()),
                },
                _ => None,
            };
            problems.extend(problem);
        }
        problems
    }

    /// What to know beforehand: properties without effect, and limits below what is used now.
    fn foresee(&self, layout: &Layout, zone: &ZoneName, plan: &BootPlan) -> Vec<String> {
        let known = &self.plan.not_enforced;
        let new = plan.not_enforced.iter().filter(|one| !known.contains(one));
        let mut warnings: Vec<String> = new
            .map(|one| format!("WARNING: {} is not enforced: {}", one.what, one.why))
            .collect();
        let used = group(layout, zone)
            .ok()
            .and_then(|group| group.usage().memory);
        if let (Some(used), Some(cap)) = (used, plan.limits.memory)
            && used > cap
            && self.plan.limits.memory != Some(cap)
        {
            warnings.push(format!(
                "WARNING: the zone uses {} of memory now, more than the {} it may have",
                Bytes(used),
                Bytes(cap)
            ));
        }
        warnings
    }

    /// All steps; after a failure those that were done are undone.
    fn run(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
        steps: Vec<Step>,
    ) -> Result<(), EngineError> {
        let mut done: Vec<Step> = Vec::new();
        for step in steps {
            let failed = self.step(layout, zone, &step, false).err();
            let Some(error) = failed else {
                done.push(step);
                continue;
            };
            let mut text = format!("cannot {step}: {}; nothing was changed", error.chain());
            // Limits are written one by one, so some of a failed step may hold already; and some
            // of a link may be gone.
            let partly = matches!(
                step,
                Step::Limits { .. } | Step::Locked { .. } | Step::Unplumb(_)
            );
            let last = partly.then_some(step);
            for step in done.into_iter().chain(last).rev() {
                let step = step.reverse();
                if let Err(error) = self.step(layout, zone, &step, true) {
                    text += &format!(", but could not {step}: {}", error.chain());
                }
            }
            return Err(EngineError::Apply(text));
        }
        Ok(())
    }

    /// One step. With `lenient`, what is as it should be already is left alone.
    fn step(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
        step: &Step,
        lenient: bool,
    ) -> Result<(), EngineError> {
        let init = self.init.0;
        match step {
            Step::Limits { from, to } => {
                set_limits(layout, zone, from, to)?;
                self.weigh(layout, zone, to.cpu_shares)
            }
            Step::Locked { to, .. } => self.lock_memory(layout, zone, *to),
            Step::Plumb(link) if lenient && hot::is_there(&link.name, init)? => Ok(()),
            Step::Plumb(link) => {
                let made = hot::add(layout, zone, &mut self.state, init, link);
                self.network = super::net::hold(&self.state.undo_network, init);
                made
            }
            Step::Unplumb(link) => {
                let gone = hot::remove(layout, zone, &mut self.state, init, link);
                self.network = super::net::hold(&self.state.undo_network, init);
                gone
            }
            Step::Mount(fs) => {
                if !self.state.grafts.contains(&fs.dir) {
                    self.state.grafts.push(fs.dir.clone());
                    self.keep(layout, zone)?;
                }
                let mounted = graft::mount(init, fs, lenient);
                if mounted.is_err() {
                    self.forget(layout, zone, &fs.dir)?;
                }
                mounted
            }
            Step::Unmount(fs) => {
                graft::unmount(init, &fs.dir)?;
                self.forget(layout, zone, &fs.dir)
            }
        }
    }

    /// Shares count among the zones that are active now.
    fn weigh(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
        shares: Option<u64>,
    ) -> Result<(), EngineError> {
        if self.state.shares == shares {
            return Ok(());
        }
        self.state.shares = shares;
        self.keep(layout, zone)?;
        let active: Vec<_> = RunState::all(layout).collect();
        let hierarchies = host::every_hierarchy()?;
        host::weigh(layout, zone, &hierarchies, shares, false, &active);
        Ok(())
    }

    fn forget(&mut self, layout: &Layout, zone: &ZoneName, dir: &str) -> Result<(), EngineError> {
        self.state.grafts.retain(|known| known != dir);
        self.keep(layout, zone)
    }

    fn keep(&self, layout: &Layout, zone: &ZoneName) -> Result<(), EngineError> {
        let path = RunState::path(layout, zone);
        let written = self.state.write(layout, zone);
        written.map_err(EngineError::file("write", &path))
    }

    /// All processes of the zone; those that they start inherit it. Source: prlimit(2).
    fn lock_memory(
        &self,
        layout: &Layout,
        zone: &ZoneName,
        bytes: Option<u64>,
    ) -> Result<(), EngineError> {
        let limit = match bytes {
            Some(bytes) => Rlimit {
                current: Some(bytes),
                maximum: Some(bytes),
            },
            // What a boot without the property would have left them.
            None => rustix::process::getrlimit(Rlimits::Memlock),
        };
        for pid in group(layout, zone)?.procs()? {
            match rustix::process::prlimit(Some(pid), Rlimits::Memlock, limit) {
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(EngineError::kernel("limit locked memory")(error)),
            }
        }
        Ok(())
    }
}

fn group(layout: &Layout, zone: &ZoneName) -> Result<ZoneGroup, EngineError> {
    let hierarchies = host::every_hierarchy()?;
    Ok(ZoneGroup::open(&hierarchies, &layout.kernel_name(), zone)?)
}

/// Sets limits; a limit that the host cannot have at all is no failure here, as it is none at boot.
fn set_limits(
    layout: &Layout,
    zone: &ZoneName,
    from: &Limits,
    to: &Limits,
) -> Result<(), EngineError> {
    let group = group(layout, zone)?;
    let changed = changed_limits(from, to);
    let missing = group.apply(to);
    let refused = missing
        .iter()
        .find(|one| changed.contains(&one.what) && one.why.starts_with("cannot write"));
    match refused {
        Some(one) => Err(EngineError::Apply(format!("{}: {}", one.what, one.why))),
        None => Ok(()),
    }
}

/// The names, as the control groups know them, of the limits that differ.
fn changed_limits(from: &Limits, to: &Limits) -> Vec<&'static str> {
    let memory = from.memory != to.memory || from.memory_policy != to.memory_policy;
    let all = [
        ("capped-cpu", from.cpu_cap_percent != to.cpu_cap_percent),
        ("cpu-shares", from.cpu_shares != to.cpu_shares),
        ("dedicated-cpu", from.cpus != to.cpus),
        ("capped-memory physical", memory || from.swap != to.swap),
        ("capped-memory swap", memory || from.swap != to.swap),
        ("max-lwps", from.pids != to.pids),
        ("zfs-io-priority", from.io_priority != to.io_priority),
    ];
    let differ = all.into_iter().filter(|(_, differs)| *differs);
    differ.map(|(what, _)| what).collect()
}

/// Why a running zone does not take this.
fn refusal(change: &Change) -> Option<String> {
    let attribute = change.resource == Some(Resource::Attr);
    let control = change.resource == Some(Resource::Rctl);
    let at_boot = (attribute && BOOT_ATTRIBUTES.contains(&change.key.as_str()))
        || (control && BOOT_CONTROLS.contains(&change.key.as_str()));
    (!change.live || at_boot).then(|| {
        let name = &change.name;
        format!("{name}: cannot be changed while the zone runs; reboot the zone")
    })
}

fn said(zone: &ZoneName, changes: &[Change], verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        lines.push(format!("zone '{zone}': Checking: {change}"));
        if verbose {
            lines.extend(change.details.iter().map(|detail| format!("\t{detail}")));
        }
    }
    lines
}

fn refuse(lines: Vec<String>, problems: Vec<String>) -> Response {
    Response {
        done: false,
        lines: cut(problems),
        // What would have been done is worth knowing, too.
        warnings: cut(lines),
    }
}

/// The beginning of a long text, and how much is missing.
fn cut(mut lines: Vec<String>) -> Vec<String> {
    const WIDTH_MAX: usize = 100;
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        // The last line says what was done.
        let last = lines.pop();
        lines.truncate(LINES_MAX);
        lines.push(format!("... and {more} more"));
        lines.extend(last);
    }
    for line in &mut lines {
        if line.chars().count() > 2 * WIDTH_MAX {
            *line = line.chars().take(WIDTH_MAX).chain("...".chars()).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_fits_into_one_message() {
        let lines: Vec<String> = (0..100_000)
            .map(|n| format!("{n} {}", "x".repeat(900)))
            .collect();
        let lines = cut(lines);
        assert!(lines.iter().map(String::len).sum::<usize>() < zones_sys::MAX_PACKET / 2);
        assert!(lines.last().unwrap().starts_with("99999 "));
        assert!(lines[LINES_MAX].contains("99500 more"));
    }

    #[test]
    fn a_step_taken_back_twice_is_itself() {
        let limits = Limits {
            pids: Some(100),
            ..Limits::default()
        };
        let step = Step::Limits {
            from: Limits::default(),
            to: limits.clone(),
        };
        assert_ne!(step.clone().reverse(), step);
        assert_eq!(step.clone().reverse().reverse(), step);
        assert_eq!(changed_limits(&Limits::default(), &limits), ["max-lwps"]);
    }
}
