//! Running a hook: on the host, with an environment of its own, no descriptor but its three
//! streams, in a process group of its own, for as long as it takes or until somebody interrupts.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::thread::UnshareFlags;
use zones_storage::View;
use zones_types::{BrandName, ZoneName};

use super::{CommandLine, Distrust, Hook, Words, trusted};
use crate::Brand;

/// Where commands of the host are; hooks get no other variables than this and what the call gives.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long an interrupted hook may clean up before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The longest line that is handed on whole, in bytes.
const LINE: usize = 64 << 10;

/// One call of a hook.
#[derive(Debug, Clone, Copy)]
pub struct HookCall<'a> {
    /// Which.
    pub hook: Hook,
    /// `%z`
    pub zone: &'a ZoneName,
    /// `%R`
    pub zonepath: &'a str,
    /// Variables beyond `PATH`.
    pub environ: &'a [(String, String)],
    /// Appended to the command line.
    pub arguments: &'a [String],
}

/// Which of a hook's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stream {
    Out,
    Err,
}

/// How a hook ended. Source: illumos `usr/src/head/zone.h`, `ZONE_SUBPROC_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEnd {
    /// Status 0.
    Done,
    /// Status 253: wrong arguments, nothing was done.
    Usage,
    /// Status 254: nothing that must stay; the zone goes back to `configured`.
    NotComplete,
    /// Status 255: the zone stays `incomplete`.
    Fatal,
    /// Any other status; as fatal.
    Failed(i32),
    /// Ended by a signal; as fatal.
    Killed(i32),
    /// The caller wanted it to end.
    Interrupted,
}

/// Why a hook did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum HookError {
    #[error("brand `{brand}`: hook {hook} is not run")]
    Distrust {
        brand: BrandName,
        hook: Hook,
        source: Distrust,
    },
    #[error("brand `{brand}`: hook {hook}: `{}` is not inside of the brand's folder", path.display())]
    Outside {
        brand: BrandName,
        hook: Hook,
        path: PathBuf,
    },
    #[error("brand `{brand}`: cannot run hook {hook} (`{}`)", path.display())]
    Start {
        brand: BrandName,
        hook: Hook,
        path: PathBuf,
        source: io::Error,
    },
}

impl HookEnd {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Done,
            (Some(253), _) => Self::Usage,
            (Some(254), _) => Self::NotComplete,
            (Some(255), _) => Self::Fatal,
            (Some(other), _) => Self::Failed(other),
            (None, signal) => Self::Killed(signal.unwrap_or(0)),
        }
    }
}

impl std::fmt::Display for HookEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Usage => f.write_str("wrong arguments (status 253)"),
            Self::NotComplete => f.write_str("not complete (status 254)"),
            Self::Fatal => f.write_str("fatal error (status 255)"),
            Self::Failed(status) => write!(f, "status {status}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Brand {
    /// Runs a hook and waits for its end; `None` when the brand has none of the kind. Lines of its
    /// output go to `say` as they come. One of `interrupts` that can be read, or was hung up, ends
    /// the hook: first by SIGTERM to its group, five seconds later by SIGKILL.
    ///
    /// # Errors
    /// When its file is not to be trusted or cannot be run. A failure of its own is an [`HookEnd`].
    pub fn run_hook(
        &self,
        call: &HookCall<'_>,
        interrupts: &[BorrowedFd<'_>],
        say: &mut dyn FnMut(Stream, &str),
    ) -> Result<Option<HookEnd>, HookError> {
        let Some(line) = self.hooks.get(&call.hook) else {
            return Ok(None);
        };
        let argv = self.argv(line, call);
        let path = self.program(call.hook, &argv[0])?;
        let failed = |source| HookError::Start {
            brand: self.name.clone(),
            hook: call.hook,
            path: path.clone(),
            source,
        };
        let child = start(&path, &argv[1..], call).map_err(failed)?;
        follow(child, interrupts, say).map(Some).map_err(failed)
    }

    /// The words of a hook that does not run on the host but inside of the zone (`shutdown`).
    #[must_use]
    pub fn hook_words(&self, call: &HookCall<'_>) -> Option<Vec<String>> {
        let line = self.hooks.get(&call.hook)?;
        Some(self.argv(line, call))
    }

    fn argv(&self, line: &CommandLine, call: &HookCall<'_>) -> Vec<String> {
        let words = Words {
            zone: call.zone.as_str(),
            zonepath: call.zonepath,
            user: "root",
        };
        line.fill(words, call.arguments)
    }

    /// The file that a command line starts: a name in the brand's folder, a path below
    /// `/usr/lib/brand` (wherever that is with `-R`), or another program of the host.
    fn program(&self, hook: Hook, word: &str) -> Result<PathBuf, HookError> {
        let all = self.folder.parent().unwrap_or(&self.folder);
        let (path, top) = match Path::new(word).strip_prefix("/usr/lib/brand") {
            Ok(rest) => (all.join(rest), all),
            Err(_) if word.starts_with('/') => (PathBuf::from(word), Path::new(word)),
            Err(_) => (self.folder.join(word), all),
        };
        let up = |part| part == std::path::Component::ParentDir;
        if path.components().any(up) {
            return Err(HookError::Outside {
                brand: self.name.clone(),
                hook,
                path,
            });
        }
        trusted(&path, top).map_err(|source| HookError::Distrust {
            brand: self.name.clone(),
            hook,
            source,
        })?;
        Ok(path)
    }
}

/// Starts a hook. What installs finds the root of a zone where it writes to it, although nobody
/// else has that mounted: in a mount namespace of the hook's own.
fn start(path: &Path, arguments: &[String], call: &HookCall<'_>) -> io::Result<Child> {
    zones_sys::close_all_on_exec();
    let root = Path::new(call.zonepath).join("root");
    let dataset = match call.hook {
        Hook::Install => zones_storage::view(&root).ok(),
        _ => None,
    };
    let Some(view @ View::Dataset(_)) = dataset else {
        return spawn(path, arguments, call);
    };
    let start = || {
        zones_sys::unshare(UnshareFlags::NEWNS)?;
        let down = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", down)?;
        view.mount_at(&root)?;
        spawn(path, arguments, call)
    };
    // The namespace is that of a thread, and goes with the hook.
    std::thread::scope(|scope| {
        let started = scope.spawn(start).join();
        started.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it died")))
    })
}

fn spawn(path: &Path, arguments: &[String], call: &HookCall<'_>) -> io::Result<Child> {
    Command::new(path)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .envs(call.environ.iter().cloned())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// One stream of a hook, cut into lines.
struct Pipe {
    stream: Stream,
    fd: Option<OwnedFd>,
    rest: Vec<u8>,
}

impl Pipe {
    fn new(stream: Stream, fd: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(fd) = &fd {
            rustix::fs::fcntl_setfl(fd, rustix::fs::OFlags::NONBLOCK)?;
        }
        let rest = Vec::new();
        Ok(Self { stream, fd, rest })
    }

    /// Reads what is there.
    fn pump(&mut self, say: &mut dyn FnMut(Stream, &str)) {
        let mut buffer = [0; 8192];
        while let Some(fd) = &self.fd {
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => {
                    self.fd = None;
                    self.flush(say);
                }
                Ok(n) => self.take(&buffer[..n], say),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8], say: &mut dyn FnMut(Stream, &str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.rest.len() >= LINE {
                self.flush(say);
            }
        }
    }

    fn flush(&mut self, say: &mut dyn FnMut(Stream, &str)) {
        if !self.rest.is_empty() {
            let text = String::from_utf8_lossy(&self.rest);
            say(self.stream, text.trim_end_matches(['\n', '\r']));
            self.rest.clear();
        }
    }
}

fn follow(
    mut child: Child,
    interrupts: &[BorrowedFd<'_>],
    say: &mut dyn FnMut(Stream, &str),
) -> io::Result<HookEnd> {
    let pid = Pid::from_child(&child);
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let mut pipes = [
        Pipe::new(Stream::Out, child.stdout.take().map(OwnedFd::from))?,
        Pipe::new(Stream::Err, child.stderr.take().map(OwnedFd::from))?,
    ];
    let mut asked: Option<Instant> = None;
    loop {
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
        let open = pipes.iter().filter_map(|pipe| pipe.fd.as_ref());
        fds.extend(open.map(|fd| PollFd::new(fd, PollFlags::IN)));
        let first = fds.len();
        if asked.is_none() {
            let more = interrupts.iter().map(|fd| PollFd::new(fd, PollFlags::IN));
            fds.extend(more);
        }
        let left = asked.map(|at| GRACE.saturating_sub(at.elapsed()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let ended = !fds[0].revents().is_empty();
        let interrupted = fds[first..].iter().any(|fd| !fd.revents().is_empty());
        drop(fds);
        pipes.iter_mut().for_each(|pipe| pipe.pump(say));
        if ended {
            break;
        }
        if interrupted {
            let _ = rustix::process::kill_process_group(pid, Signal::TERM);
            asked = Some(Instant::now());
        } else if asked.is_some_and(|at| at.elapsed() >= GRACE) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }
    // What it left running may hold the pipes; its own lines are all here.
    pipes.iter_mut().for_each(|pipe| pipe.flush(say));
    let status = child.wait()?;
    Ok(match asked {
        Some(_) => HookEnd::Interrupted,
        None => HookEnd::of(status),
    })
}
