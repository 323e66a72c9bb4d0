//! Files that programs of the zone make of others, as ldconfig(8) makes its cache of libraries:
//! docs/adr/0016. They are made by process 1 before the zone's init starts, with the rights that
//! the init will have; what goes wrong is on the console, and tried again at the next boot.

use std::ffi::CString;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::Stat;
use rustix::process::{Signal, WaitOptions};
use zones_brand::BrandDerived;
use zones_sys::{CStrings, CloneFlags, Fork};

/// Seconds that one program may take.
const PATIENCE: i64 = 60;

/// Makes what is missing or outdated.
pub(super) fn make(all: &[BrandDerived], environ: &[String]) {
    for derived in all {
        let (from, file) = (
            rustix::fs::stat(&derived.from),
            rustix::fs::stat(&derived.file),
        );
        if from.is_ok_and(|from| is_outdated(&from, file.ok().as_ref())) {
            // A root without the program does without the file.
            let _ = run(&derived.command, environ);
        }
    }
}

/// Whether a file is missing, or older than what it is made of.
fn is_outdated(from: &Stat, file: Option<&Stat>) -> bool {
    let time = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
    file.is_none_or(|file| time(file) < time(from))
}

/// Runs a program of the zone to its end; none when it cannot be started.
fn run(command: &[String], environ: &[String]) -> Option<()> {
    let program = command.first()?;
    rustix::fs::access(program.as_str(), rustix::fs::Access::EXEC_OK).ok()?;
    let path = CString::new(program.as_str()).ok()?;
    let args = CStrings::new(command.iter().cloned()).ok()?;
    let environ = CStrings::new(environ.iter().cloned()).ok()?;
    match zones_sys::clone_process(CloneFlags::NONE, None).ok()? {
        Fork::Child => {
            zones_sys::reset_signals();
            let _ = zones_sys::exec(&path, &args, &environ);
            zones_sys::exit_now(127)
        }
        Fork::Parent { pid, pidfd } => {
            let patience = Timespec {
                tv_sec: PATIENCE,
                tv_nsec: 0,
            };
            let mut end = [PollFd::new(&pidfd, PollFlags::IN)];
            if !matches!(rustix::event::poll(&mut end, Some(&patience)), Ok(1..)) {
                let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            }
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            Some(())
        }
    }
}
