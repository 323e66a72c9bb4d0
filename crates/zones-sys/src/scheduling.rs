//! Scheduling policies.

use rustix::io::Errno;
use rustix::process::Pid;

use crate::process::last_errno;

/// How a process and what it starts are scheduled. Source: sched(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// `SCHED_BATCH`: long slices, no boost after waking.
    Batch,
    /// `SCHED_RR`, the lowest of its priorities: before all ordinary processes.
    RoundRobin,
}

/// Changes the policy of a process; what it starts from now on inherits it.
///
/// # Errors
/// `PERM` without `CAP_SYS_NICE` and, for [`Scheduling::RoundRobin`], in a control group without
/// real-time budget; `SRCH` when the process has ended.
pub fn set_scheduling(pid: Pid, scheduling: Scheduling) -> Result<(), Errno> {
    let (policy, priority) = match scheduling {
        Scheduling::Batch => (libc::SCHED_BATCH, 0),
        Scheduling::RoundRobin => (libc::SCHED_RR, 1),
    };
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the parameters live across the call, and the kernel only reads them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            pid,
            policy,
            &raw const parameters,
        )
    };
    if answer == -1 {
        Err(last_errno())
    } else {
        Ok(())
    }
}
