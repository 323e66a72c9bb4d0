//! A process that cleans up after this one, however it ends.

use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::OwnedFd;

use rustix::process::{Pid, WaitOptions};
use zones_sys::{CloneFlags, Fork};

/// The other process sleeps until this is dismissed, or this process is gone.
pub(super) struct Guard {
    line: PipeWriter,
    pid: Pid,
    _pidfd: OwnedFd,
}

impl Guard {
    /// Starts it. Without one, which no host in order refuses, the next import cleans up.
    pub(super) fn new(clean: impl FnOnce()) -> Option<Self> {
        let (mut reader, line) = std::io::pipe().ok()?;
        match zones_sys::clone_process(CloneFlags::NONE, None).ok()? {
            Fork::Parent { pid, pidfd } => Some(Self {
                line,
                pid,
                _pidfd: pidfd,
            }),
            Fork::Child => {
                drop(line);
                // Not to be reached by the keys of a terminal, nor to hold its output open.
                let _ = rustix::process::setsid();
                let _ = hush();
                let mut word = [0];
                if !matches!(reader.read(&mut word), Ok(1)) {
                    clean();
                }
                zones_sys::exit_now(0)
            }
        }
    }

    /// Ends it: there is nothing to clean up.
    pub(super) fn dismiss(mut self) {
        let _ = self.line.write_all(b"0");
        let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
    }
}

fn hush() -> std::io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
