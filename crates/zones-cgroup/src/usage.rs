//! What a zone uses now.

use crate::group::ZoneGroup;
use crate::hierarchy::{Controller, Version};

/// Usage of the group and all below it; `None` where the host does not account it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time since the group was made, nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Memory, bytes, with the page cache that was read in by the zone.
    pub memory: Option<u64>,
    /// Memory and swap together, bytes.
    pub memory_and_swap: Option<u64>,
    /// Tasks.
    pub pids: Option<u64>,
    /// The most memory since the group was made, bytes.
    pub memory_peak: Option<u64>,
    /// Processes that were killed because the group had no memory left.
    pub oom_kills: Option<u64>,
}

impl ZoneGroup {
    /// Reads the accounts; costs one small file each.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let v1_cpu = self.member(Controller::Cpuacct);
        let cpu_ns = match v1_cpu.and_then(|m| m.dir.number("cpuacct.usage")) {
            Some(ns) => Some(ns),
            None => self.unified_cpu_ns(),
        };
        let memory = self.member(Controller::Memory);
        let (now, both) = match memory {
            Some(m) if m.version == Version::V1 => (
                m.dir.number("memory.usage_in_bytes"),
                m.dir.number("memory.memsw.usage_in_bytes"),
            ),
            Some(m) => {
                let now = m.dir.number("memory.current");
                let swap = m.dir.number("memory.swap.current");
                (now, now.zip(swap).map(|(now, swap)| now + swap))
            }
            None => (None, None),
        };
        let (peak, oom_kills) = match memory {
            Some(m) if m.version == Version::V1 => (
                m.dir.number("memory.max_usage_in_bytes"),
                field(m.dir.read("memory.oom_control").ok(), "oom_kill "),
            ),
            Some(m) => (
                m.dir.number("memory.peak"),
                field(m.dir.read("memory.events").ok(), "oom_kill "),
            ),
            None => (None, None),
        };
        let pids = self.member(Controller::Pids);
        Usage {
            cpu_ns,
            memory: now,
            memory_and_swap: both,
            pids: pids.and_then(|m| m.dir.number("pids.current")),
            memory_peak: peak,
            oom_kills,
        }
    }

    fn unified_cpu_ns(&self) -> Option<u64> {
        let text = self.unified()?.read("cpu.stat").ok()?;
        let us = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))?;
        us.trim().parse::<u64>().ok()?.checked_mul(1000)
    }
}

/// A number in a file of names and numbers.
fn field(text: Option<String>, name: &str) -> Option<u64> {
    let text = text?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}
