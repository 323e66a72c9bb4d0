//! The processes in a group: who they are, stopping them, ending them, waiting for the last one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::CgroupError;
use crate::dir::Dir;
use crate::group::ZoneGroup;
use crate::hierarchy::Controller;

/// A zone that forks while it is being killed is out of forks after so many rounds.
const KILL_ROUNDS: u32 = 50;

impl ZoneGroup {
    /// All processes in the group and the groups below it, in any hierarchy, by number.
    pub fn procs(&self) -> Result<Vec<Pid>, CgroupError> {
        let mut found = BTreeSet::new();
        for member in &self.members {
            collect(&member.dir, &mut found)?;
        }
        Ok(found.into_iter().filter_map(Pid::from_raw).collect())
    }

    /// Whether no process is in the group or below it.
    pub fn is_empty(&self) -> Result<bool, CgroupError> {
        // v1 groups can hold what a v2 group does not, if somebody moved a process by hand.
        Ok(self.procs()?.is_empty())
    }

    /// Ends every process with `SIGKILL`; does not wait for them, see [`ZoneGroup::wait_empty`].
    pub fn kill(&self) -> Result<(), CgroupError> {
        if let Some(dir) = self.unified() {
            let mut unified = BTreeSet::new();
            collect(dir, &mut unified)?;
            if dir.write("cgroup.kill", "1").is_ok() {
                // Those that are only in a v1 group are rare, and found one by one.
                let strays = |pid: &Pid| !unified.contains(&pid.as_raw_nonzero().get());
                if !self.procs()?.iter().any(strays) {
                    return Ok(());
                }
            }
        }
        // Stopped processes cannot fork away between the reading and the signal.
        let frozen = self.freeze().is_ok();
        let mut result = Ok(());
        let mut signalled = BTreeSet::new();
        for _ in 0..KILL_ROUNDS {
            let procs = self.procs()?;
            let mut new = false;
            for pid in procs {
                new |= signalled.insert(pid.as_raw_nonzero());
                match kill_process(pid, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(source) => {
                        let path = self.members[0].dir.path().to_owned();
                        let doing = "kill the processes of";
                        result = Err(CgroupError::Refused {
                            doing,
                            path,
                            source,
                        });
                    }
                }
            }
            if !new {
                break;
            }
        }
        if frozen {
            self.thaw()?;
        }
        result
    }

    /// Stops every process. Errors: the host has neither v2 groups nor the freezer.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.set_frozen("1", "FROZEN")
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.set_frozen("0", "THAWED")
    }

    fn set_frozen(&self, v2: &str, v1: &str) -> Result<(), CgroupError> {
        const V2_FILE: &str = "cgroup.freeze";
        const V1_FILE: &str = "freezer.state";
        match (self.unified(), self.member(Controller::Freezer)) {
            (Some(dir), _) if dir.has(V2_FILE) => dir
                .write(V2_FILE, v2)
                .map_err(dir.refused("write", V2_FILE)),
            (_, Some(member)) => {
                let dir = &member.dir;
                dir.write(V1_FILE, v1)
                    .map_err(dir.refused("write", V1_FILE))
            }
            _ => Err(CgroupError::NoHierarchy),
        }
    }

    /// Waits until the group is empty; `false` when it is not after `patience`.
    ///
    /// On v2 the kernel tells; on v1 there is nothing to wait on, so the list is read again and
    /// again, from every millisecond to every 32.
    pub fn wait_empty(&self, patience: Duration) -> Result<bool, CgroupError> {
        let end = Instant::now() + patience;
        if let Some(dir) = self.unified()
            && dir.has("cgroup.events")
            && !wait_for_event(dir, "populated 0", end)
                .map_err(dir.refused("wait for", "cgroup.events"))?
        {
            return Ok(false);
        }
        let mut pause = Duration::from_millis(1);
        loop {
            if self.is_empty()? {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(32));
        }
    }
}

/// Waits for a line of `cgroup.events`. The kernel wakes a poll for priority data when the file
/// changes.
pub(crate) fn wait_for_event(dir: &Dir, wanted: &str, end: Instant) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir.fd(), "cgroup.events", flags, Mode::empty())?;
    loop {
        let mut text = [0; 256];
        let length = rustix::io::pread(&file, &mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..length]);
        if text.lines().any(|line| line == wanted) {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

pub(crate) fn collect(dir: &Dir, found: &mut BTreeSet<i32>) -> Result<(), CgroupError> {
    match dir.read("cgroup.procs") {
        // A process outside our pid namespace is listed as 0.
        Ok(text) => found.extend(
            text.lines()
                .filter_map(|l| l.parse().ok())
                .filter(|p: &i32| *p > 0),
        ),
        // Gone meanwhile; or a threaded group, whose processes are listed above it.
        Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(dir.refused("read", "cgroup.procs")(errno)),
    }
    for child in dir.children()? {
        collect(&child, found)?;
    }
    Ok(())
}
