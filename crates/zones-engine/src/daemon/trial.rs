//! The first life of a zone in another boot environment: watched until it has come up, and brought
//! back to the environment before when it does not. Source: beadm(8), "Trial".

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use zones_storage::{Environments, Trial};
use zones_store::{Layout, Lock};
use zones_types::ZoneName;

use super::Daemon;
use super::live::Writing;
use crate::error::chain;
use crate::event::note_event;
use crate::host;
use crate::ready::{AGAIN_MS, Mark, Readiness, has_succeeded, look, now_ms};
use crate::stage::Ending;

/// How long the lock of the zone is waited for. Somebody who has it may wait for this daemon.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A trial that is under way.
pub(super) struct Watch {
    zonepath: PathBuf,
    trial: Trial,
    mark: Mark,
    /// Times of [`now_ms`].
    deadline_ms: i64,
    next_ms: i64,
    timeout_s: i64,
    /// Becomes readable when the command that looks for the mark has ended.
    probe: Option<OwnedFd>,
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
        let Readiness { mark, timeout_s } = Readiness::of(&config, &brand, &zonepath.join("root"));
        let booted = *trial.booted.get_or_insert_with(now_s);
        if timeout_s == 0 {
            let _ = Trial::end(&zonepath);
            return None;
        }
        // From here on, whatever dies, the next boot knows that this one did not end well.
        if let Err(error) = trial.write(&zonepath) {
            self.console.log(&chain(&error));
        }
        let now = now_ms();
        let spent_s = now_s().saturating_sub(booted).clamp(0, timeout_s);
        let next_ms = match &mark {
            Mark::Command(_) => now + AGAIN_MS,
            Mark::Alive(alive_ms) => now + alive_ms,
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
        let now = now_ms();
        if matches!(watch.mark, Mark::Alive(_)) && now >= watch.next_ms {
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
        let is_up = watch.probe.take().is_some_and(has_succeeded);
        watch.next_ms = now_ms() + AGAIN_MS;
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
        let _lock = match self.is_locked {
            true => None,
            false => Some(lock(&self.layout, &self.zone)?),
        };
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
