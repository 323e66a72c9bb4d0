//! The first life of a zone in another boot environment: watched until it has come up, and brought
//! back to the environment before when it does not. Source: beadm(8), "Trial".

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use zones_storage::{Environments, Trial};
use zones_store::{Layout, Lock};
use zones_sys::{CloneFlags, Fork};
use zones_types::ZoneName;

use super::live::Writing;
use super::{Daemon, wait};
use crate::error::{EngineError, chain};
use crate::event::note_event;
use crate::stage::Ending;
use crate::{host, init_kind};

/// After a mark that was not there yet, milliseconds until it is looked for again.
const AGAIN_MS: i64 = 500;
/// How long the lock of the zone is waited for. Somebody who has it may wait for this daemon.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A trial that is under way.
pub(super) struct Watch {
    zonepath: PathBuf,
    trial: Trial,
    mark: Mark,
    /// Times of [`wait::now_ms`].
    deadline_ms: i64,
    next_ms: i64,
    timeout_s: i64,
    /// Becomes readable when the command that looks for the mark has ended.
    probe: Option<OwnedFd>,
}

/// How a zone shows that it is up.
enum Mark {
    /// Process 1 still lives then.
    Alive,
    /// This succeeds in it.
    Command(String),
}

impl Watch {
    pub(super) fn probe(&self) -> Option<&OwnedFd> {
        self.probe.as_ref()
    }

    /// The zone stood still for a while.
    pub(super) fn put_off(&mut self, by_ms: i64) {
        self.deadline_ms += by_ms;
        self.next_ms += by_ms;
    }

    /// When there is something to do without anything happening.
    pub(super) fn due_ms(&self) -> i64 {
        match self.probe {
            Some(_) => self.deadline_ms,
            None => self.deadline_ms.min(self.next_ms),
        }
    }
}

fn now_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

impl Daemon {
    /// What of the zone is on trial, and where. One look at a file for all zones that have nothing
    /// on trial.
    fn pending(&self) -> Option<(PathBuf, Trial)> {
        let zonepath = self.live.as_ref()?.zonepath()?.to_owned();
        let trial = Trial::is_written(&zonepath).then(|| Environments::open(&zonepath).ok());
        let trial = trial??.trial()?;
        Some((zonepath, trial))
    }

    /// The zone was booted, or is taken over: if its environment is on trial, it is watched. Gives
    /// a line for whoever booted it.
    pub(super) fn begin_trial(&mut self) -> Option<String> {
        self.trial = None;
        let (zonepath, mut trial) = self.pending()?;
        let config = host::load(&self.layout, &self.zone).ok()?;
        let brand = host::brand_of(&self.layout, &config).ok()?;
        let ready = &brand.ready;
        let timeout_s = config.attr("ready-timeout").and_then(|it| it.parse().ok());
        let timeout_s: i64 = timeout_s.unwrap_or_else(|| i64::from(ready.timeout));
        let booted = *trial.booted.get_or_insert_with(now_s);
        if timeout_s == 0 {
            let _ = Trial::end(&zonepath);
            return None;
        }
        // From here on, whatever dies, the next boot knows that this one did not end well.
        if let Err(error) = trial.write(&zonepath) {
            self.console.log(&chain(&error));
        }
        let command = config.attr("ready-command").map(str::to_owned);
        let is_systemd = || {
            let root = zonepath.join("root");
            init_kind::of(&root, &brand.init) == init_kind::InitKind::Systemd
        };
        let command = command.or_else(|| match &ready.systemd {
            Some(words) if is_systemd() => Some(words.clone()),
            _ => ready.command.clone(),
        });
        let now = wait::now_ms();
        let spent_s = now_s().saturating_sub(booted).clamp(0, timeout_s);
        let (mark, next_ms) = match command {
            Some(command) => (Mark::Command(command), now + AGAIN_MS),
            None => (Mark::Alive, now + i64::from(ready.seconds) * 1000),
        };
        let (name, previous) = (trial.name.clone(), trial.previous.clone());
        self.trial = Some(Watch {
            zonepath,
            trial,
            mark,
            deadline_ms: now + (timeout_s - spent_s) * 1000,
            next_ms,
            timeout_s,
            probe: None,
        });
        Some(format!(
            "boot environment {name} is on trial: if it is not up in {timeout_s} s, {previous} is \
             booted"
        ))
    }

    /// Time is up for something.
    pub(super) fn on_trial_due(&mut self) {
        let Some(watch) = &mut self.trial else { return };
        let now = wait::now_ms();
        if matches!(watch.mark, Mark::Alive) && now >= watch.next_ms {
            return self.confirm();
        }
        if now >= watch.deadline_ms {
            let why = format!("was not up after {} s", watch.timeout_s);
            return self.fall_back(&why);
        }
        let Mark::Command(command) = &watch.mark else {
            return;
        };
        watch.next_ms = now + AGAIN_MS;
        match look(&self.layout, &self.zone, command) {
            Ok(probe) => watch.probe = Some(probe),
            Err(error) => self.console.log(&error.chain()),
        }
    }

    /// The command that looks for the mark has ended.
    pub(super) fn on_probe(&mut self) {
        let Some(watch) = &mut self.trial else { return };
        let mut byte = [0];
        let said = watch.probe.take().map(File::from);
        let is_up = said.is_some_and(|mut file| file.read_exact(&mut byte).is_ok());
        watch.next_ms = wait::now_ms() + AGAIN_MS;
        if is_up {
            self.confirm();
        }
    }

    /// The environment has come up: it stays.
    fn confirm(&mut self) {
        let Some(watch) = self.trial.take() else {
            return;
        };
        let name = &watch.trial.name;
        self.console
            .notice(&format!("NOTICE: Boot environment {name} has come up"));
        note_event(&self.layout, &self.zone, "be-confirmed", &[("be", name)]);
        // Last: who sees that the trial is over finds it told, too.
        if let Err(error) = Trial::end(&watch.zonepath) {
            self.console.log(&chain(&error));
        }
    }

    /// Somebody wants the zone down: that says nothing about its environment.
    pub(super) fn forgive(&mut self) {
        let zonepath = match self.trial.take() {
            Some(watch) => Some((watch.zonepath, watch.trial)),
            None => self.pending(),
        };
        if let Some((zonepath, trial)) = zonepath
            && trial.booted.is_some()
        {
            let trial = Trial {
                booted: None,
                ..trial
            };
            let _ = trial.write(&zonepath);
        }
    }

    /// Process 1 ended and nobody asked it to. Whether that was taken care of.
    pub(super) fn failed_trial(&mut self, ending: Ending) -> bool {
        if self.trial.is_none() {
            return false;
        }
        let how = match ending {
            Ending::Exited(status) => format!("its init ended with status {status}"),
            Ending::Signaled(signal) => format!("its init ended by signal {signal}"),
        };
        self.fall_back(&how);
        true
    }

    /// Takes the zone down, has the environment before be the root again, and boots that.
    pub(super) fn fall_back(&mut self, why: &str) {
        let Some(watch) = self.trial.take() else {
            return;
        };
        let (name, previous) = (watch.trial.name.as_str(), watch.trial.previous.as_str());
        self.console.notice(&format!(
            "NOTICE: Boot environment {name} did not come up ({why}).  Going back to {previous}"
        ));
        let fields = [("be", name), ("to", previous), ("why", why)];
        note_event(&self.layout, &self.zone, "be-fallback", &fields);
        self.halt();
        let back = self.switch(&watch.zonepath, |all| all.fall_back(why));
        match back {
            Ok(Some(_)) => {
                if let Err(error) = self.boot(&[], Writing::AsConfigured) {
                    self.console.log(&error.chain());
                }
            }
            Ok(None) => {
                let text = format!("there is no boot environment {previous} any more");
                self.console.log(&text);
                self.console.notice("NOTICE: Zone halted");
            }
            Err(text) => {
                self.console.log(&text);
                self.console.notice("NOTICE: Zone halted");
            }
        }
    }

    /// Between two lives: the environment that was activated meanwhile becomes the root.
    pub(super) fn settle_environment(&mut self) {
        let Ok(config) = host::load(&self.layout, &self.zone) else {
            return;
        };
        let Some(zonepath) = config.zonepath else {
            return;
        };
        let opened = Environments::open(zonepath.as_path());
        if !opened.is_ok_and(|all| all.next() != all.active()) {
            return;
        }
        match self.switch(zonepath.as_path(), Environments::settle) {
            Ok(Some(name)) => {
                self.console
                    .notice(&format!("NOTICE: Boot environment {name} is active now"));
                note_event(&self.layout, &self.zone, "be-active", &[("be", &name)]);
            }
            Ok(None) => {}
            Err(text) => self.console.log(&text),
        }
    }

    /// Changes the environments of the zone, which is down, under its lock.
    fn switch(
        &self,
        zonepath: &std::path::Path,
        change: impl FnOnce(
            &mut Environments,
        ) -> Result<Option<String>, zones_storage::EnvironmentError>,
    ) -> Result<Option<String>, String> {
        let _lock = lock(&self.layout, &self.zone)?;
        let all = Environments::open(zonepath);
        all.and_then(|mut all| change(&mut all))
            .map_err(|error| chain(&error))
    }
}

fn lock(layout: &Layout, zone: &ZoneName) -> Result<Lock, String> {
    for _ in 0..LOCK_TRIES {
        match Lock::try_zone(layout, zone) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(chain(&error)),
        }
    }
    Err("somebody else works on the boot environments; nothing was changed".to_owned())
}

/// Runs a command in the zone, in a process of its own: the daemon must not wait for it. What it
/// gives becomes readable with the end, with one byte if it succeeded.
fn look(layout: &Layout, zone: &ZoneName, command: &str) -> Result<OwnedFd, EngineError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(EngineError::kernel("make a pipe"))?;
    match zones_sys::clone_process(CloneFlags::NONE, None) {
        Ok(Fork::Child) => {
            // The daemon's own descriptors: its clients must see when it lets them go.
            zones_sys::close_all_except(&[std::os::fd::AsFd::as_fd(&write)]);
            let words = ["/bin/sh", "-c", command];
            let ended = crate::login::run_quietly(layout, zone, &words);
            if matches!(ended, Ok(Ending::Exited(0))) {
                let _ = rustix::io::write(&write, b"1");
            }
            zones_sys::exit_now(0)
        }
        Ok(Fork::Parent { .. }) => Ok(read),
        Err(error) => Err(EngineError::kernel("start a process")(error)),
    }
}
