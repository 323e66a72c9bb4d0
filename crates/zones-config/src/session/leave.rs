//! `verify`, `commit`, `exit` and the end of the input.

use crate::{Reason, verify};

use super::{Effect, Input, Next, Pending, Reply, Session, Stream};

impl Session<'_> {
    /// The input ended: saves what is not saved. Call it again when the user chose to stay.
    pub fn finish(&mut self) -> Reply {
        if self.open.is_some() && !self.is_spoilt() {
            self.ask("Resource incomplete; really quit", Pending::LeaveResource);
        } else {
            self.leave_saving();
        }
        self.reply()
    }

    pub(super) fn exit(&mut self, force: bool) {
        if self.open.is_none() || force {
            self.leave_saving();
        } else if self.mode.can_ask {
            self.ask("Resource incomplete; really quit", Pending::LeaveResource);
        } else {
            self.error(
                "Resource incomplete, input not from terminal and -F not specified:\n\
                 exit command ignored, but exiting anyway.",
            );
            self.next = Next::Leave;
        }
    }

    pub(super) fn is_interactive(&self) -> bool {
        self.mode.input == Input::Terminal
    }

    /// All or nothing: a file with a mistake is not half applied.
    fn is_spoilt(&self) -> bool {
        self.failed && matches!(self.mode.input, Input::File(_))
    }

    pub(super) fn leave_saving(&mut self) {
        if !self.dirty {
            self.next = Next::Leave;
        } else if self.is_spoilt() || !self.save(true) {
            self.not_saved();
        }
    }

    fn not_saved(&mut self) {
        self.ask(
            "Configuration not saved; really quit",
            Pending::LeaveUnsaved,
        );
    }

    pub(super) fn commit(&mut self) {
        if self.has_config() {
            self.save(false);
        }
    }

    /// Verifies and hands the configuration out to be written; false when it does not verify.
    fn save(&mut self, leaving: bool) -> bool {
        let reason = self.check();
        if let Some(reason) = reason {
            self.error(format!("Zone {} failed to verify", self.zone));
            self.fail(self.zone.clone(), reason);
            return false;
        }
        let Some(config) = self.config.clone() else {
            return false;
        };
        self.pending = Some(Pending::Commit { leaving });
        let old = self.stored.clone();
        self.next = Next::Act(match self.mode.live {
            true => Effect::Apply(config),
            false => Effect::Commit { config, old },
        });
        true
    }

    pub(super) fn committed(&mut self, outcome: Result<(), String>, leaving: bool) {
        match outcome {
            Ok(()) => {
                self.dirty = false;
                self.stored = Some(self.zone.clone());
                if leaving {
                    self.next = Next::Leave;
                }
            }
            Err(why) => {
                self.error(format!("{}: {why}", self.zone));
                if leaving {
                    self.not_saved();
                }
            }
        }
    }

    pub(super) fn verified(&mut self) {
        if !self.has_config() {
            return;
        }
        if let Some(reason) = self.check() {
            self.fail(self.zone.clone(), reason);
        }
    }

    /// Says everything that is wrong; the reason is that of the first error.
    fn check(&mut self) -> Option<Reason> {
        let Some(config) = &self.config else {
            return Some(Reason::NoZone);
        };
        let report = verify(config, &|brand| self.knows_brand(brand));
        for warning in report.warnings {
            self.say(Stream::Err, warning);
        }
        for error in report.errors {
            self.error(error);
        }
        if self.open.is_some() {
            self.error("resource specification incomplete");
            return report.reason.or(Some(Reason::InsufficientSpec));
        }
        if report.reason.is_some() {
            return report.reason;
        }
        let lines = self
            .config
            .as_ref()
            .and_then(|config| self.env.check(config).err())?;
        for line in lines {
            self.error(line);
        }
        Some(Reason::BrandError)
    }
}
