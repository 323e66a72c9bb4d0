//! The command `zfs`: started by its path, without a shell, and read as it prints for programs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

/// Where it may be.
const PLACES: [&str; 5] = [
    "/usr/sbin/zfs",
    "/sbin/zfs",
    "/usr/local/sbin/zfs",
    "/usr/bin/zfs",
    "/run/current-system/sw/bin/zfs",
];

/// How long the command may say nothing: on a sound pool it takes seconds, on one that lost its
/// disks it never ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// How long one that was killed is waited for: inside of the kernel it may not even die.
const MOMENT: Duration = Duration::from_secs(1);

/// Why ZFS did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ZfsError {
    /// The command is not there.
    #[error("the command zfs is missing; install zfsutils-linux or what brings it here")]
    NoCommand,
    /// The command cannot be started.
    #[error("cannot run `{command}`: {text}")]
    NotRun { command: &'static str, text: String },
    /// The command failed.
    #[error("zfs {verb} `{dataset}`: {text}")]
    Refused {
        verb: &'static str,
        dataset: String,
        /// What it said.
        text: String,
    },
    /// The command neither ended nor said anything.
    #[error(
        "zfs {verb} `{dataset}` gave no answer for {seconds} s and was killed; see what its pool \
         waits for: zpool status -v"
    )]
    Hung {
        verb: &'static str,
        dataset: String,
        seconds: u64,
    },
    /// It printed what nobody understands.
    #[error("zfs {verb} `{dataset}` printed `{line}`, which is not understood")]
    Odd {
        verb: &'static str,
        dataset: String,
        line: String,
    },
    /// Something depends on a dataset that zones did not make.
    #[error(
        "dataset `{dataset}` has `{other}`, which is not of zones; remove it: zfs destroy {other}"
    )]
    Foreign { dataset: String, other: String },
}

impl ZfsError {
    fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { text, .. } if text.contains(words))
    }

    /// The dataset is mounted, or being unmounted.
    pub(super) fn is_busy(&self) -> bool {
        self.says("is busy")
    }

    /// There is no such dataset.
    pub(super) fn is_missing(&self) -> bool {
        self.says("does not exist") && !self.is_orphan()
    }

    /// There is no dataset that it could lie in.
    pub(super) fn is_orphan(&self) -> bool {
        self.says("parent does not exist")
    }

    /// There is one already.
    pub(super) fn is_taken(&self) -> bool {
        self.says("already exists")
    }

    /// A property, or a value of it, that this ZFS does not know.
    pub(super) fn is_about(&self, property: &str) -> bool {
        self.says(property)
    }
}

fn place() -> Option<&'static str> {
    PLACES.into_iter().find(|it| Path::new(it).exists())
}

/// Whether ZFS can be asked for anything.
#[must_use]
pub fn is_here() -> bool {
    place().is_some() && Path::new("/dev/zfs").exists()
}

/// Runs `zfs VERB OPTIONS DATASET` and returns what it prints.
pub(super) fn run(verb: &'static str, options: &[&str], dataset: &str) -> Result<String, ZfsError> {
    run_words(verb, options, &[dataset])
}

/// As [`run`], with several operands; the last one is what an error names.
pub(super) fn run_words<S: AsRef<OsStr>>(
    verb: &'static str,
    options: &[S],
    operands: &[&str],
) -> Result<String, ZfsError> {
    finish(Running::start(verb, options, operands, None)?)
}

/// As [`run_words`], with a lock that is held until the command has ended, even should this process
/// be killed while it is at work.
pub(super) fn run_locked<S: AsRef<OsStr>>(
    lock: &File,
    verb: &'static str,
    options: &[S],
    operands: &[&str],
) -> Result<String, ZfsError> {
    finish(Running::start(verb, options, operands, Some(lock))?)
}

fn finish(mut running: Running) -> Result<String, ZfsError> {
    let mut text = Vec::new();
    // What went wrong is told by its end.
    let read = running.answer.read_to_end(&mut text);
    running.end(read.map(drop))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The command at work.
#[derive(Debug)]
pub(super) struct Running {
    verb: &'static str,
    dataset: String,
    child: Child,
    /// What it prints.
    pub(super) answer: Answer,
    /// What it complains of: a file in memory, so that it never waits for a reader of it.
    complaints: File,
}

impl Running {
    /// Starts it; the last operand is what an error names.
    pub(super) fn start<S: AsRef<OsStr>>(
        verb: &'static str,
        options: &[S],
        operands: &[&str],
        lock: Option<&File>,
    ) -> Result<Self, ZfsError> {
        let program = place().ok_or(ZfsError::NoCommand)?;
        let mut command = Command::new(program);
        command.arg(verb).args(options).args(operands);
        let dataset = (*operands.last().unwrap_or(&"")).to_owned();
        // Nothing is read from there.
        let input = lock.map_or_else(|| Ok(Stdio::null()), |it| it.try_clone().map(Stdio::from));
        let started = input.and_then(|input| {
            command.stdin(input);
            Self::of(command, verb, dataset, PATIENCE)
        });
        started.map_err(|error| ZfsError::NotRun {
            command: program,
            text: error.to_string(),
        })
    }

    fn of(
        mut command: Command,
        verb: &'static str,
        dataset: String,
        patience: Duration,
    ) -> io::Result<Self> {
        let complaints = File::from(rustix::fs::memfd_create("zfs", MemfdFlags::CLOEXEC)?);
        let mut child = command
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?)
            .spawn()?;
        let answer = Answer {
            pipe: child.stdout.take().map(OwnedFd::from),
            patience,
        };
        Ok(Self {
            verb,
            dataset,
            child,
            answer,
            complaints,
        })
    }

    /// Waits for its end, with what came of reading its answer; one that hangs is killed.
    pub(super) fn end(mut self, read: io::Result<()>) -> Result<(), ZfsError> {
        let patience = self.answer.patience;
        // Whoever goes on writing for nobody ends.
        self.answer.pipe = None;
        let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        if read.as_ref().is_err_and(is_late) || !self.ends_within(patience) {
            let _ = self.child.kill();
            self.ends_within(MOMENT);
            let _ = self.child.try_wait();
            return Err(ZfsError::Hung {
                verb: self.verb,
                dataset: self.dataset,
                seconds: patience.as_secs(),
            });
        }
        let status = self.child.wait();
        let text = match (&read, &status) {
            (Ok(()), Ok(status)) if status.success() => return Ok(()),
            // Its own words say more than that they ended early.
            (_, Ok(status)) if status.code().is_some_and(|it| it > 0) => self.complaint(),
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            (Ok(()), Ok(status)) => status.to_string(),
        };
        let (verb, dataset) = (self.verb, self.dataset);
        Err(ZfsError::Refused {
            verb,
            dataset,
            text,
        })
    }

    fn complaint(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.complaints.seek(SeekFrom::Start(0));
        let _ = self.complaints.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        match text.trim() {
            "" => "it failed without a word".to_owned(),
            text => text.replace('\n', "; "),
        }
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let pidfd = rustix::process::pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty());
        match pidfd {
            Ok(pidfd) => is_ready(&pidfd, patience).unwrap_or(true),
            // A kernel without them: then it is waited for.
            Err(_) => true,
        }
    }
}

/// What a command prints; reading ends with an error when nothing comes for too long.
#[derive(Debug)]
pub(super) struct Answer {
    pipe: Option<OwnedFd>,
    patience: Duration,
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pipe) = &self.pipe else {
            return Ok(0);
        };
        if !is_ready(pipe, self.patience)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::read(pipe, &mut *buffer)
        })?)
    }
}

/// Whether something can be read, or ended, in time.
fn is_ready(fd: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
    loop {
        match rustix::event::poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&patience)) {
            Err(Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> (Result<(), ZfsError>, String) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        let mut running = Running::of(command, "list", "tank".to_owned(), patience).unwrap();
        let mut text = String::new();
        let read = running.answer.read_to_string(&mut text).map(drop);
        (running.end(read), text)
    }

    #[test]
    fn the_answer_and_the_complaints_are_kept_apart() {
        let long = Duration::from_secs(60);
        let many = "i=0; while [ $i -lt 20000 ]; do echo much >&2; i=$((i+1)); done; echo out";
        assert_eq!(shell(many, long), (Ok(()), "out\n".to_owned()));
        let (end, text) = shell("echo out; echo dataset is busy >&2; exit 1", long);
        assert_eq!(text, "out\n");
        assert!(end.as_ref().is_err_and(ZfsError::is_busy), "{end:?}");
        let (end, _) = shell("kill -9 $$", long);
        let text = end.unwrap_err().to_string();
        assert!(
            text.contains("zfs list `tank`") && text.contains('9'),
            "{text}"
        );
    }

    #[test]
    fn a_command_that_hangs_is_named_and_killed() {
        // Silent with its output open, and with it closed.
        for script in ["exec sleep 1000", "exec sleep 1000 > /dev/null"] {
            let (end, _) = shell(script, Duration::from_millis(20));
            let text = end.unwrap_err().to_string();
            assert!(text.starts_with("zfs list `tank` gave no answer"), "{text}");
            assert!(text.ends_with("zpool status -v"), "{text}");
        }
    }
}
