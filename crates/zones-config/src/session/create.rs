//! `create`, `delete`, `revert`: whole configurations.

use std::sync::Arc;

use zones_types::{ZoneName, ZoneState};

use crate::command::Origin;
use crate::{Reason, TEMPLATE_BLANK, TEMPLATE_DEFAULT, ZoneConfig};

use super::{Effect, Next, Pending, Session, Stream};

impl Session<'_> {
    pub(super) fn create(&mut self, force: bool, origin: &Origin<'_>) {
        let state = self.stored_state();
        if state > Some(ZoneState::Configured) && !self.zone.is_global() {
            let zone = &self.zone;
            self.error(format!(
                "Zone {zone} already installed; create not allowed."
            ));
            return;
        }
        let Some(config) = self.origin(origin) else {
            return;
        };
        if state.is_none() {
            self.begin_config(config);
        } else if force {
            let text = format!("Zone {} already exists; overwriting.", self.zone);
            self.say(Stream::Out, text);
            self.begin_config(config);
        } else {
            let question = format!("Zone {} already exists; create anyway", self.zone);
            self.ask(question, Pending::Create(Box::new(config)));
        }
    }

    fn origin(&mut self, origin: &Origin<'_>) -> Option<ZoneConfig> {
        let name = match origin {
            Origin::Default => TEMPLATE_DEFAULT,
            Origin::Blank => TEMPLATE_BLANK,
            Origin::Template(name) => name,
            Origin::Detached(path) => return self.detached(path),
            Origin::Unregistered => return self.unregistered(),
        };
        let Ok(parsed) = name.parse::<ZoneName>() else {
            self.fail(name, Reason::BogusZoneName);
            return None;
        };
        match self.env.template(&parsed) {
            Ok(Some(config)) => Some(config),
            Ok(None) => {
                self.fail(name, Reason::NoZone);
                None
            }
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    /// The document that is there already, as after a lost index.
    fn unregistered(&mut self) -> Option<ZoneConfig> {
        match self.env.unregistered(&self.zone) {
            Ok(Some(config)) => Some(config),
            Ok(None) => {
                self.fail(self.zone.clone(), Reason::NoZone);
                None
            }
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    fn detached(&mut self, path: &str) -> Option<ZoneConfig> {
        let zonepath = match path.parse() {
            Ok(zonepath) => zonepath,
            Err(error) => {
                let error: zones_types::ZonePathError = error;
                self.error(error.to_string());
                return None;
            }
        };
        match self.env.detached(path) {
            Ok(mut config) => {
                config.zonepath = Some(zonepath);
                Some(config)
            }
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    pub(super) fn begin_config(&mut self, mut config: ZoneConfig) {
        config.name = self.zone.clone();
        // A copy is another zone; one that has a uuid keeps it in the index.
        config.uuid.clear();
        self.config = Some(Arc::new(config));
        self.broken = None;
        self.open = None;
        self.keys.clear();
        self.dirty = true;
    }

    pub(super) fn delete(&mut self, force: bool) {
        if self.zone.is_global() {
            self.error("The configuration of the global zone cannot be deleted.");
            return;
        }
        let Some(state) = self.stored_state() else {
            self.fail(self.zone.clone(), Reason::NoZone);
            return;
        };
        if state.is_active() || state == ZoneState::Mounted {
            self.fail(self.zone.clone(), Reason::BadZoneState);
        } else if force {
            self.delete_now();
        } else if state != ZoneState::Configured {
            let zone = &self.zone;
            self.error(format!(
                "Zone {zone} not in configured state; delete not allowed.  Use -F to force delete."
            ));
        } else {
            let question = format!("Are you sure you want to delete zone {}", self.zone);
            self.ask(question, Pending::Delete);
        }
    }

    pub(super) fn delete_now(&mut self) {
        let name = self.stored.clone().unwrap_or_else(|| self.zone.clone());
        self.pending = Some(Pending::Deleted);
        self.next = Next::Act(Effect::Delete(name));
    }

    pub(super) fn deleted(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.error(format!("{}: {why}", self.zone));
            return;
        }
        self.stored = None;
        self.config = None;
        self.broken = None;
        self.dirty = false;
        self.keys.clear();
        if self.is_interactive() {
            self.say_hint();
        }
    }

    pub(super) fn revert(&mut self, force: bool) {
        if self.config.is_none() && self.broken.is_none() {
            self.error("No changes to revert.");
        } else if self.stored.is_none() && !self.zone.is_global() {
            self.error(format!("{}: no such saved zone to revert to.", self.zone));
        } else if force {
            self.revert_now();
        } else {
            self.ask("Are you sure you want to revert", Pending::Revert);
        }
    }

    pub(super) fn reload(&mut self, force: bool) {
        if force || !self.dirty {
            self.revert_now();
        } else {
            self.ask("Are you sure you want to reload", Pending::Reload);
        }
    }

    pub(super) fn revert_now(&mut self) {
        if let Some(stored) = &self.stored {
            self.zone = stored.clone();
        }
        self.config = None;
        self.dirty = false;
        self.load();
        if let Some(message) = self.broken.clone() {
            self.error(message);
        }
    }

    /// The state of the zone as it stands in the index; `None` when it does not.
    pub(super) fn stored_state(&self) -> Option<ZoneState> {
        self.env.state(self.stored.as_ref()?)
    }
}
