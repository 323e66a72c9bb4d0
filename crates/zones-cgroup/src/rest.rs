//! A group at rest: every process stopped, none on its way to be.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::CgroupError;
use crate::group::{ZoneGroup, make_again, move_to, parts};
use crate::hierarchy::{Controller, Hierarchies};
use crate::processes::{collect, wait_for_event};

const V2_EVENTS: &str = "cgroup.events";
const V1_FILE: &str = "freezer.state";
/// A zone that forks while it is moved has the rest of its children in the new group already.
const MOVE_ROUNDS: u32 = 50;

impl ZoneGroup {
    /// Stops every process and waits until the last one rests.
    ///
    /// On v1 zones have no group in the freezer's hierarchy, because it would cost each boot: it is
    /// made here, and stays until the zone ends.
    ///
    /// # Errors
    /// The host has neither v2 groups nor the freezer, or a process does not rest in time; all of
    /// them go on then.
    pub fn rest(
        &mut self,
        hierarchies: &Hierarchies,
        parent: &str,
        patience: Duration,
    ) -> Result<(), CgroupError> {
        let end = Instant::now() + patience;
        let has_v2 = self.unified().is_some_and(|dir| dir.has("cgroup.freeze"));
        if !has_v2 {
            self.join_freezer(hierarchies, parent)?;
        }
        let rests = self.freeze().and_then(|()| match has_v2 {
            true => self.rests_v2(end),
            false => self.rests_v1(end),
        });
        match rests {
            Ok(true) => Ok(()),
            other => {
                let _ = self.thaw();
                let path = self.members[0].dir.path().to_owned();
                Err(other.err().unwrap_or(CgroupError::Restless(path)))
            }
        }
    }

    fn rests_v2(&self, end: Instant) -> Result<bool, CgroupError> {
        let Some(dir) = self.unified() else {
            return Ok(false);
        };
        wait_for_event(dir, "frozen 1", end).map_err(dir.refused("wait for", V2_EVENTS))
    }

    /// There is nothing to wait on; the kernel tries again whenever the wish is written.
    fn rests_v1(&self, end: Instant) -> Result<bool, CgroupError> {
        let Some(member) = self.member(Controller::Freezer) else {
            return Ok(false);
        };
        let mut pause = Duration::from_micros(100);
        loop {
            let state = member.dir.read(V1_FILE);
            let state = state.map_err(member.dir.refused("read", V1_FILE))?;
            if state.trim() == "FROZEN" {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
            self.freeze()?;
        }
    }

    fn join_freezer(&mut self, hierarchies: &Hierarchies, parent: &str) -> Result<(), CgroupError> {
        const FREEZER: Controller = Controller::Freezer;
        if self.member(FREEZER).is_none() {
            let mut all = hierarchies.all.iter();
            let freezer = all.find(|hierarchy| hierarchy.controllers.contains(&FREEZER));
            let freezer = freezer.ok_or(CgroupError::NoHierarchy)?;
            let member = make_again(freezer, &parts(parent)?, &self.zone)?;
            self.members.push(member);
        }
        for _ in 0..MOVE_ROUNDS {
            let Some(member) = self.member(FREEZER) else {
                break;
            };
            let mut inside = BTreeSet::new();
            collect(&member.dir, &mut inside)?;
            let is_outside = |pid: &Pid| !inside.contains(&pid.as_raw_nonzero().get());
            let outside: Vec<Pid> = self.procs()?.into_iter().filter(is_outside).collect();
            if outside.is_empty() {
                break;
            }
            for pid in outside {
                match move_to(&member.dir, pid) {
                    // It ended meanwhile.
                    Err(CgroupError::Refused {
                        source: rustix::io::Errno::SRCH,
                        ..
                    }) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }
}
