//! Limits of a zone, and the files and values that say the same to the kernel.
//!
//! The values are those of the zone's configuration: CPU cap in percent of one CPU, memory in
//! bytes, and
//! `swap` as in Zones, which is **all** anonymous memory, in RAM and on disk, not disk swap alone.

use rustix::io::Errno;

use crate::NotEnforced;
use crate::group::ZoneGroup;
use crate::hierarchy::{Controller, Version};

/// Whether the cap on physical memory is a wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryPolicy {
    /// Pressure from 15/16 of the cap on, and the out-of-memory killer at the cap.
    #[default]
    Hard,
    /// Memory above the cap is paged out, slowly, and nothing is killed, as Zones do it.
    Soft,
}

/// What a zone may use; unset is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// `capped-cpu`: percent of one CPU; 150 is one and a half CPUs.
    pub cpu_cap_percent: Option<u64>,
    /// `cpu-shares`: weight against other zones; unset counts as 1, and 0 takes idle time only.
    pub cpu_shares: Option<u64>,
    /// `dedicated-cpu`: a list such as `0-1,4`.
    pub cpus: Option<String>,
    /// `capped-memory` physical, bytes.
    pub memory: Option<u64>,
    /// How `memory` is meant.
    pub memory_policy: MemoryPolicy,
    /// `capped-memory` swap, bytes: all anonymous memory.
    pub swap: Option<u64>,
    /// `max-lwps`: number of tasks.
    pub pids: Option<u64>,
    /// `zfs-io-priority`: weight against other zones, unset counts as 1.
    pub io_priority: Option<u64>,
}

const PERIOD_US: u64 = 100_000;

/// One write: into the first of `files` that exists.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    what: &'static str,
    controller: Controller,
    files: &'static [&'static str],
    value: String,
    /// The limit is unset, so a file that is not there is no loss.
    reset: bool,
}

const fn clamp(value: u64, low: u64, high: u64) -> u64 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

fn or_max(value: Option<u64>) -> String {
    value.map_or_else(|| "max".into(), |value| value.to_string())
}

/// All but memory on v1, whose two files depend on each other.
fn settings(version: Version, controller: Controller, limits: &Limits) -> Vec<Setting> {
    let set = |what, files, value, reset| Setting {
        what,
        controller,
        files,
        value,
        reset,
    };
    let quota = limits
        .cpu_cap_percent
        .map(|percent| percent.max(1).saturating_mul(PERIOD_US / 100));
    let (no_cap, no_shares) = (quota.is_none(), limits.cpu_shares.is_none());
    let shares = limits.cpu_shares.unwrap_or(1);
    let io = limits.io_priority.unwrap_or(1).saturating_mul(100);
    match (controller, version) {
        (Controller::Cpu, Version::V1) => {
            let quota = quota.map_or_else(|| "-1".into(), |quota| quota.to_string());
            let weight = clamp(shares.saturating_mul(1024), 2, 262_144).to_string();
            let period = PERIOD_US.to_string();
            vec![
                set("capped-cpu", &["cpu.cfs_period_us"], period, no_cap),
                set("capped-cpu", &["cpu.cfs_quota_us"], quota, no_cap),
                set("cpu-shares", &["cpu.shares"], weight, no_shares),
            ]
        }
        (Controller::Cpu, Version::V2) => {
            let max = format!("{} {PERIOD_US}", or_max(quota));
            let weight = clamp(shares.saturating_mul(100), 1, 10_000).to_string();
            // A group that is idle refuses a weight, so idle is left before and entered after.
            let idle = u64::from(shares == 0).to_string();
            let mut all = vec![set("capped-cpu", &["cpu.max"], max, no_cap)];
            if shares == 0 {
                all.push(set("cpu-shares", &["cpu.idle"], idle, false));
            } else {
                all.push(set("cpu-shares", &["cpu.idle"], idle, true));
                all.push(set("cpu-shares", &["cpu.weight"], weight, no_shares));
            }
            all
        }
        (Controller::Memory, Version::V2) => {
            let (physical, swap) = (limits.memory, limits.swap);
            let soft = limits.memory_policy == MemoryPolicy::Soft;
            let high = physical.map(|p| if soft { p } else { p - p / 16 });
            let max = match (physical.filter(|_| !soft), swap) {
                (Some(p), Some(s)) => Some(p.min(s)),
                (one, other) => one.or(other),
            };
            let disk = swap.map(|s| s.saturating_sub(physical.unwrap_or(s)));
            vec![
                set(
                    "capped-memory swap",
                    &["memory.swap.max"],
                    or_max(disk),
                    swap.is_none(),
                ),
                set(
                    "capped-memory physical",
                    &["memory.high"],
                    or_max(high),
                    high.is_none(),
                ),
                set(
                    "capped-memory physical",
                    &["memory.max"],
                    or_max(max),
                    max.is_none(),
                ),
            ]
        }
        (Controller::Pids, _) => {
            vec![set(
                "max-lwps",
                &["pids.max"],
                or_max(limits.pids),
                limits.pids.is_none(),
            )]
        }
        (Controller::Cpuset, _) => {
            let cpus = limits.cpus.iter();
            cpus.map(|cpus| set("dedicated-cpu", &["cpuset.cpus"], cpus.clone(), false))
                .collect()
        }
        (Controller::Io, Version::V1) => {
            let files: &[&str] = &["blkio.weight", "blkio.bfq.weight"];
            let weight = clamp(io, 10, 1000).to_string();
            vec![set(
                "zfs-io-priority",
                files,
                weight,
                limits.io_priority.is_none(),
            )]
        }
        (Controller::Io, Version::V2) => {
            let weight = format!("default {}", clamp(io, 1, 10_000));
            vec![set(
                "zfs-io-priority",
                &["io.weight"],
                weight,
                limits.io_priority.is_none(),
            )]
        }
        _ => Vec::new(),
    }
}

impl Limits {
    /// The limits that are set, with the controller each one needs.
    fn wanted(&self) -> Vec<(&'static str, Controller)> {
        [
            (
                "capped-cpu",
                Controller::Cpu,
                self.cpu_cap_percent.is_some(),
            ),
            ("cpu-shares", Controller::Cpu, self.cpu_shares.is_some()),
            ("dedicated-cpu", Controller::Cpuset, self.cpus.is_some()),
            (
                "capped-memory physical",
                Controller::Memory,
                self.memory.is_some(),
            ),
            (
                "capped-memory swap",
                Controller::Memory,
                self.swap.is_some(),
            ),
            ("max-lwps", Controller::Pids, self.pids.is_some()),
            (
                "zfs-io-priority",
                Controller::Io,
                self.io_priority.is_some(),
            ),
        ]
        .into_iter()
        .filter_map(|(what, controller, set)| set.then_some((what, controller)))
        .collect()
    }
}

impl ZoneGroup {
    /// Sets the limits, and lifts those that are unset; works on a running zone.
    ///
    /// Returns the limits that do not hold and why: a controller or file is missing, or the kernel
    /// refused the value (memory in use cannot be taken away below what is needed).
    pub fn apply(&self, limits: &Limits) -> Vec<NotEnforced> {
        let fresh = self.fresh.replace(false);
        let mut missing = Vec::new();
        for (what, controller) in limits.wanted() {
            if self.member(controller).is_none() {
                let why = format!("this host has no `{}` controller", controller.name());
                missing.push(NotEnforced { what, why });
            }
        }
        for member in &self.members {
            for controller in &member.controllers {
                if (*controller, member.version) == (Controller::Memory, Version::V1) {
                    self.apply_memory_v1(limits, fresh, &mut missing);
                    continue;
                }
                for setting in settings(member.version, *controller, limits) {
                    if setting.reset && fresh {
                        continue;
                    }
                    let file = setting.files.iter().find(|file| member.dir.has(file));
                    let Some(file) = file else {
                        if !setting.reset {
                            let why = format!("the kernel has no `{}`", setting.files[0]);
                            let what = setting.what;
                            missing.push(NotEnforced { what, why });
                        }
                        continue;
                    };
                    let written = member.dir.write(file, &setting.value);
                    note(&mut missing, setting.what, file, written);
                }
            }
        }
        if let (None, false, Some(member)) = (&limits.cpus, fresh, self.member(Controller::Cpuset))
        {
            // A v1 cpuset cannot be empty, so it gets what its parent has; a v2 one can and
            // inherits.
            let all = match member.version {
                Version::V1 => member.parent.read("cpuset.cpus").unwrap_or_default(),
                Version::V2 => "\n".into(),
            };
            if member.dir.has("cpuset.cpus") {
                let written = member.dir.write("cpuset.cpus", &all);
                note(&mut missing, "dedicated-cpu", "cpuset.cpus", written);
            }
        }
        missing
    }

    /// v1 keeps `memsw >= limit` at all times, so the order of the two writes depends on the
    /// direction.
    fn apply_memory_v1(&self, limits: &Limits, fresh: bool, missing: &mut Vec<NotEnforced>) {
        const PHYSICAL: &str = "memory.limit_in_bytes";
        const SOFT: &str = "memory.soft_limit_in_bytes";
        const TOTAL: &str = "memory.memsw.limit_in_bytes";
        let Some(member) = self.member(Controller::Memory) else {
            return;
        };
        if fresh && limits.memory.is_none() && limits.swap.is_none() {
            return;
        }
        let text = |value: Option<u64>| value.map_or_else(|| "-1".into(), |v| v.to_string());
        let soft = limits.memory_policy == MemoryPolicy::Soft;
        let hard = limits.memory.filter(|_| !soft);
        let physical = match (hard, limits.swap) {
            (Some(p), Some(s)) => Some(p.min(s)),
            (one, other) => one.or(other),
        };
        if soft || (!fresh && member.dir.has(SOFT)) {
            let value = text(limits.memory.filter(|_| soft));
            note(
                missing,
                "capped-memory physical",
                SOFT,
                member.dir.write(SOFT, &value),
            );
        }
        let mut writes = vec![("capped-memory physical", PHYSICAL, physical)];
        match member.dir.number(TOTAL) {
            Some(now) => {
                let raises = limits.swap.is_none_or(|total| total >= now);
                let at = usize::from(!raises);
                writes.insert(at, ("capped-memory swap", TOTAL, limits.swap));
            }
            None if limits.swap.is_some() => missing.push(NotEnforced {
                what: "capped-memory swap",
                why: "the kernel does not account swap; boot it with `swapaccount=1`".into(),
            }),
            None => {}
        }
        for (what, file, value) in writes {
            note(missing, what, file, member.dir.write(file, &text(value)));
        }
    }
}

fn note(
    missing: &mut Vec<NotEnforced>,
    what: &'static str,
    file: &str,
    written: Result<(), Errno>,
) {
    if let Err(errno) = written {
        let why = format!("cannot write `{file}`: {errno}");
        missing.push(NotEnforced { what, why });
    }
}

#[cfg(test)]
mod tests;
