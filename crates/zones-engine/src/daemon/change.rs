//! What a brand wants done around the transitions of a zone. Source: brands(7), "State changes".

use std::os::fd::{AsFd, BorrowedFd};

use zones_brand::Hook;
use zones_sys::SignalFd;
use zones_types::ZoneState;

use super::{Daemon, SIGINT, SIGTERM};
use crate::error::EngineError;
use crate::hooks::Hooks;
use crate::runtime::{Phase, RunState};

/// A transition, by the number that hooks get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Change {
    Ready = 0,
    Boot = 1,
    Halt = 4,
}

impl Daemon {
    /// The hooks of the zone, when the host has brands of its own: ours have none.
    fn hooks(&self) -> Result<Option<Hooks>, EngineError> {
        if !crate::host::brand_folder(&self.layout).exists() {
            return Ok(None);
        }
        Hooks::load(&self.layout, &self.zone, self.is_locked).map(Some)
    }

    pub(super) fn before(&mut self, change: Change, state: ZoneState) -> Result<(), EngineError> {
        self.hook(Hook::Prestatechange, &numbers(change, state))
    }

    pub(super) fn after(&mut self, change: Change, state: ZoneState) -> Result<(), EngineError> {
        self.hook(Hook::Poststatechange, &numbers(change, state))
    }

    /// Runs a hook; one that fails is told in the log.
    pub(super) fn hook(&mut self, hook: Hook, arguments: &[String]) -> Result<(), EngineError> {
        let Some(hooks) = self.hooks()?.filter(|hooks| hooks.has(hook)) else {
            return Ok(());
        };
        // Whoever asked may go away, and the host may want us to end: a hook is not waited for
        // then.
        let signals = SignalFd::new(&[SIGINT, SIGTERM]);
        let signals = signals.map_err(EngineError::kernel("watch signals"))?;
        let mut interrupts: Vec<BorrowedFd<'_>> = vec![signals.as_fd()];
        interrupts.extend(self.caller.as_ref().map(AsFd::as_fd));
        let console = &mut self.console;
        let mut log = |line: &str| console.log(line);
        hooks.demand(hook, arguments, &interrupts, &mut log)
    }

    /// As [`Daemon::hook`] for what goes on all the same: no zone stays up because of a hook.
    pub(super) fn hook_if_it_can(&mut self, hook: Hook, arguments: &[String]) {
        if let Err(error) = self.hook(hook, arguments) {
            self.console.log(&error.chain());
        }
    }

    /// Around the end of whatever life the zone has.
    pub(super) fn before_halt(&mut self) -> Option<ZoneState> {
        let phase = RunState::read(&self.layout, &self.zone).map(|state| state.phase);
        if phase == Some(Phase::Mounted) || !RunState::exists(&self.layout, &self.zone) {
            return None;
        }
        let state = self.state();
        self.hook_if_it_can(Hook::Prestatechange, &numbers(Change::Halt, state));
        self.hook_if_it_can(Hook::Halt, &[]);
        Some(state)
    }

    pub(super) fn after_halt(&mut self, state: Option<ZoneState>) {
        if let Some(state) = state {
            self.hook_if_it_can(Hook::Poststatechange, &numbers(Change::Halt, state));
        }
    }

    /// The words with which the brand shuts a zone down from inside, if it has any.
    pub(super) fn shutdown_words(&self) -> Result<Option<Vec<String>>, EngineError> {
        Ok(self.hooks()?.and_then(|hooks| hooks.words(Hook::Shutdown)))
    }
}

/// The number of the state before, and that of the command.
fn numbers(change: Change, state: ZoneState) -> [String; 2] {
    [(state as u8).to_string(), (change as u8).to_string()]
}
