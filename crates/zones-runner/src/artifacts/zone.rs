//! A build zone: the commands of its life, each with its answer in one log.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal};
use zones_store::{Layout, Lock, Store};
use zones_types::{ZoneName, ZoneState};

use crate::Verbs;

/// How often a zone is removed whose state somebody changes meanwhile.
const TRIES: u32 = 3;

pub(super) struct BuildZone<'a> {
    verbs: &'a Verbs,
    name: ZoneName,
    log: &'a File,
    path: PathBuf,
    begun: Instant,
}

impl<'a> BuildZone<'a> {
    pub(super) fn new(verbs: &'a Verbs, name: ZoneName, log: &'a File, path: PathBuf) -> Self {
        Self {
            verbs,
            name,
            log,
            path,
            begun: Instant::now(),
        }
    }

    /// Its folder on the host.
    pub(super) fn zonepath(&self) -> PathBuf {
        self.verbs.root().join("zones").join(self.name.as_str())
    }

    /// Removes what is there of the zone, in whatever state somebody left it.
    pub(super) fn clear(&self) -> Result<(), String> {
        let mut cleared = self.clear_once();
        for _ in 0..TRIES {
            if cleared.is_ok() {
                break;
            }
            // A command that a killed runner had begun may be at work still: it has the lock.
            let layout = Layout::below(self.verbs.root());
            drop(Lock::zone(&layout, &self.name).map_err(|error| error.to_string())?);
            cleared = self.clear_once();
        }
        cleared
    }

    fn clear_once(&self) -> Result<(), String> {
        let store = Store::open(Layout::below(self.verbs.root()));
        let entry = store.get(&self.name).map_err(|error| error.to_string())?;
        let Some(entry) = entry else { return Ok(()) };
        let verb = |applet, args: &[&str]| {
            let args = [&["-z", self.name.as_str()], args].concat();
            let said = self.verbs.run(applet, &args);
            said.map(|_| ()).map_err(|error| error.to_string())
        };
        if entry.state != ZoneState::Configured {
            // It is halted most often already, which halt calls an error.
            let _ = verb("zoneadm", &["halt"]);
            verb("zoneadm", &["uninstall", "-F"])?;
        }
        verb("zonecfg", &["delete", "-F"])
    }

    pub(super) fn note(&self, text: &str) {
        // A log that cannot be written must not end what works.
        let mut log = self.log;
        let _ = writeln!(log, "[{:9.3}] {text}", self.begun.elapsed().as_secs_f64());
    }

    /// `APPLET -z ZONE args...`.
    pub(super) fn step(&self, applet: &str, args: &[&str], limit: Duration) -> Result<(), String> {
        let args = [&["-z", self.name.as_str()], args].concat();
        self.command(applet, &args, limit)
    }

    /// A command in the zone.
    pub(super) fn inside(&self, argv: &[&str], limit: Duration) -> Result<(), String> {
        let args = [&[self.name.as_str()], argv].concat();
        self.command("zlogin", &args, limit)
    }

    /// What a command in the zone prints.
    pub(super) fn ask(&self, command: &str) -> Result<String, String> {
        let said = self.verbs.run("zlogin", &[self.name.as_str(), command]);
        said.map(|said| said.out).map_err(|error| error.to_string())
    }

    /// Process 1 of the running zone, as the host sees it.
    pub(super) fn init(&self) -> Option<i32> {
        let state = Layout::below(self.verbs.root())
            .run_zone(&self.name)
            .join("state");
        let state: serde_json::Value = serde_json::from_slice(&fs::read(state).ok()?).ok()?;
        i32::try_from(state.get("init")?.get("pid")?.as_i64()?).ok()
    }

    fn command(&self, applet: &str, args: &[&str], limit: Duration) -> Result<(), String> {
        let line = format!("{applet} {}", args.join(" "));
        let line = line.lines().next().unwrap_or_default().to_owned();
        self.note(&format!("+ {line}"));
        let from = self.log.metadata().map_or(0, |meta| meta.len());
        let stream = || self.log.try_clone().map_err(|error| error.to_string());
        let mut command = self.verbs.command(applet, args);
        command.stdout(stream()?).stderr(stream()?);
        let failed = |why: String| format!("`{line}`: {why}");
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let status = wait(child, limit).map_err(&failed)?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(&self.path).unwrap_or_default();
        let said = said
            .get(usize::try_from(from).unwrap_or(0)..)
            .unwrap_or_default();
        let said = String::from_utf8_lossy(said);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        Err(failed(format!(
            "{} ({status})",
            last.unwrap_or("no word why")
        )))
    }
}

/// Waits for a child, and kills it when its time is up.
fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus, String> {
    let pid = rustix::process::Pid::from_child(&child);
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty()).and_then(|pidfd| {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        loop {
            match rustix::event::poll(&mut fds, Some(&limit)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready,
            }
        }
    });
    if matches!(ended, Ok(0)) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = child.wait();
        return Err(format!("not done after {} s", limit.as_secs_f64()));
    }
    child.wait().map_err(|error| error.to_string())
}
