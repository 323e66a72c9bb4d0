//! `set` and `clear` of the properties of the zone.

use std::sync::Arc;

use zones_types::{Bytes, ZoneName, ZonePath, ZoneState};

use crate::check::{self, CLASSES};
use crate::command::Value;
use crate::info::{AliasValue, alias_value};
use crate::table::{Alias, Prop, Resource};
use crate::{IpType, Reason, parse_hostid};

use super::Session;

impl Session<'_> {
    pub(super) fn set(&mut self, force: bool, prop: Prop, value: &Value<'_>) {
        if !self.has_config() {
            return;
        }
        if force && prop != Prop::Zonepath {
            self.error("Only zonepath setting can be forced.");
        } else if force && !self.mode.alternate_root {
            self.error("Zonepath is changeable only in an alternate root.");
        } else if self.open.is_some() {
            self.set_in_resource(prop, value);
        } else if prop.global().is_none() {
            self.error("Cannot set a resource-specific property from the global scope.");
        } else if let Value::Text(text) = value {
            if self.host_takes(prop) && self.live_prop(prop) {
                self.set_global(force, prop, text);
            }
        } else {
            self.error("A simple value was expected here.");
        }
    }

    fn live_prop(&mut self, prop: Prop) -> bool {
        let live = prop.global().is_some_and(|row| row.live);
        self.live_takes(prop.name(), live)
    }

    fn host_takes(&mut self, prop: Prop) -> bool {
        let for_host = prop.global().is_some_and(|row| row.for_host);
        if self.zone.is_global() && !for_host {
            self.error(format!(
                "{prop} is not a valid property for the global zone."
            ));
            return false;
        }
        true
    }

    fn set_global(&mut self, force: bool, prop: Prop, text: &str) {
        if let Some(alias) = prop.global().and_then(|row| row.alias.as_ref()) {
            self.set_alias(prop, alias, text);
            return;
        }
        match self.parsed(force, prop, text) {
            Ok(assign) => {
                self.assign(assign);
                self.dirty = true;
            }
            Err(message) => self.error(message),
        }
    }

    /// Checks a value; nothing is changed yet.
    fn parsed(&self, force: bool, prop: Prop, text: &str) -> Result<Assign, String> {
        let owned = || text.to_owned();
        let zone = &self.zone;
        match prop {
            Prop::Zonename => self.new_name(text).map(Assign::Name),
            Prop::Zonepath => {
                if !force {
                    self.settable(prop)?;
                }
                let path: Result<ZonePath, _> = text.parse();
                path.map(Assign::Path).map_err(|error| error.to_string())
            }
            Prop::Brand => {
                self.settable(prop)?;
                let brand = text.parse().ok().filter(|_| self.knows_brand(text));
                brand
                    .map(Assign::Brand)
                    .ok_or_else(|| format!("{zone}: unknown brand."))
            }
            Prop::Autoboot => match text {
                "true" => Ok(Assign::Autoboot(true)),
                "false" => Ok(Assign::Autoboot(false)),
                _ => Err("autoboot value must be 'true' or 'false'.".to_owned()),
            },
            Prop::IpType => match text {
                "shared" => Ok(Assign::IpType(IpType::Shared)),
                "exclusive" => Ok(Assign::IpType(IpType::Exclusive)),
                _ => Err("ip-type value must be 'shared' or 'exclusive'.".to_owned()),
            },
            Prop::Pool => {
                let dedicated = self
                    .config
                    .as_ref()
                    .is_some_and(|c| c.dedicated_cpu.is_some());
                if text.starts_with("SUNW") {
                    return Err("pool names starting with SUNW are reserved.".to_owned());
                }
                if dedicated && !text.is_empty() {
                    return Err(
                        "The dedicated-cpu resource already exists.  A persistent pool is \
                         incompatible\nwith the dedicated-cpu resource."
                            .to_owned(),
                    );
                }
                Ok(Assign::Text(prop, owned()))
            }
            Prop::SchedulingClass if !text.is_empty() && !CLASSES.contains(&text) => Err(format!(
                "{zone}: invalid scheduling-class: {text}; it must be one of {}",
                CLASSES.join(", ")
            )),
            Prop::Hostid => parse_hostid(text)
                .map(|_| Assign::Text(prop, owned()))
                .map_err(|error| format!("{zone}: {error}")),
            Prop::Uuid => {
                self.settable(prop)?;
                let uuid = check::uuid(text)?;
                match self.env.uuid_owner(&uuid) {
                    Some(owner) if Some(&owner) != self.stored.as_ref() => {
                        Err(format!("{zone}: uuid {uuid} is that of zone {owner}"))
                    }
                    _ => Ok(Assign::Text(prop, uuid.into_owned())),
                }
            }
            Prop::BootPriority => check::one_of(prop.name(), text, check::PRIORITIES)
                .map(|()| Assign::Text(prop, owned())),
            Prop::Autoshutdown => check::one_of(prop.name(), text, check::SHUTDOWNS)
                .map(|()| Assign::Text(prop, owned())),
            Prop::FileMacProfile => check::one_of(prop.name(), text, check::PROFILES)
                .map(|()| Assign::Text(prop, owned())),
            Prop::FsAllowed => check::fs_allowed(text).map(|()| Assign::Text(prop, owned())),
            _ => Ok(Assign::Text(prop, owned())),
        }
    }

    fn settable(&self, prop: Prop) -> Result<(), String> {
        let zone = &self.zone;
        match self.stored_state() {
            None | Some(ZoneState::Configured) => Ok(()),
            Some(ZoneState::Incomplete) => Err(format!(
                "Zone {zone} is incomplete; set {prop} not allowed."
            )),
            Some(_) => Err(format!(
                "Zone {zone} already installed; set {prop} not allowed."
            )),
        }
    }

    fn new_name(&self, text: &str) -> Result<ZoneName, String> {
        let name: ZoneName = text
            .parse()
            .map_err(|error: zones_types::ZoneNameError| error.to_string())?;
        if name.is_reserved() {
            return Err(format!(
                "{name}: zones beginning with SUNW or SYS are read-only."
            ));
        }
        if name.is_global() {
            return Err(format!("{name}: {}", Reason::BogusZoneName));
        }
        if name != self.zone && self.stored_state() > Some(ZoneState::Installed) {
            return Err(format!("{name}: {}", Reason::BadZoneState));
        }
        let own = name == self.zone || Some(&name) == self.stored.as_ref();
        if !own && self.env.state(&name).is_some() {
            return Err(format!("{name}: {}", Reason::NameInUse));
        }
        Ok(name)
    }

    fn assign(&mut self, assign: Assign) {
        let Some(config) = self.config.as_mut().map(Arc::make_mut) else {
            return;
        };
        match assign {
            Assign::Name(name) => {
                config.name = name.clone();
                self.zone = name;
            }
            Assign::Path(path) => config.zonepath = Some(path),
            Assign::Brand(brand) => config.brand = Some(brand),
            Assign::Autoboot(autoboot) => config.autoboot = autoboot,
            Assign::IpType(ip_type) => config.ip_type = ip_type,
            Assign::Text(prop, text) => {
                let place = match prop {
                    Prop::Bootargs => &mut config.bootargs,
                    Prop::Pool => &mut config.pool,
                    Prop::Limitpriv => &mut config.limitpriv,
                    Prop::SchedulingClass => &mut config.scheduling_class,
                    Prop::Hostid => &mut config.hostid,
                    Prop::FsAllowed => &mut config.fs_allowed,
                    Prop::Uuid => &mut config.uuid,
                    Prop::BootPriority => &mut config.boot_priority,
                    Prop::Autoshutdown => &mut config.autoshutdown,
                    Prop::FileMacProfile => &mut config.file_mac_profile,
                    _ => return,
                };
                *place = text;
            }
        }
    }

    fn set_alias(&mut self, prop: Prop, alias: &Alias, text: &str) {
        let value = if alias.size {
            text.parse::<Bytes>()
                .map(|bytes| bytes.0)
                .map_err(|error| error.to_string())
        } else {
            check::number(text).ok_or_else(|| "A non-negative number was expected here.".to_owned())
        };
        let value = match value {
            Ok(value) if value >= alias.min => value,
            Ok(_) => return self.error(format!("{prop} property is out of range.")),
            Err(message) => return self.error(message),
        };
        if self.zone.is_global() {
            self.warn_host();
        }
        let Some(config) = self.config.as_mut().map(Arc::make_mut) else {
            return;
        };
        if alias_value(config, alias) == AliasValue::Foreign {
            self.fail(prop, Reason::AliasDisallow);
            return;
        }
        config.set_rctl(alias.rctl, value, alias.action.clone());
        self.keys.remove(&Resource::Rctl);
        self.dirty = true;
    }

    pub(super) fn clear(&mut self, prop: Prop) {
        if !self.has_config() {
            return;
        }
        if self.open.is_some() {
            self.clear_in_resource(prop);
            return;
        }
        let Some(row) = prop.global() else {
            self.error("Cannot clear a resource-specific property from the global scope.");
            return;
        };
        if !row.clear {
            self.fail(prop, Reason::ClearDisallow);
            return;
        }
        if !self.host_takes(prop) || !self.live_prop(prop) {
            return;
        }
        let Some(alias) = &row.alias else {
            let empty = match prop {
                Prop::Autoboot => Assign::Autoboot(false),
                Prop::IpType => Assign::IpType(IpType::Shared),
                _ => Assign::Text(prop, String::new()),
            };
            self.assign(empty);
            self.dirty = true;
            return;
        };
        let Some(config) = self.config.as_mut().map(Arc::make_mut) else {
            return;
        };
        match alias_value(config, alias) {
            AliasValue::Unset => self.fail(format!("clear {prop}"), Reason::NoEntry),
            AliasValue::Foreign => self.fail(prop, Reason::AliasDisallow),
            AliasValue::Is(_) => {
                config.remove_rctl(alias.rctl);
                self.keys.remove(&Resource::Rctl);
                self.dirty = true;
            }
        }
    }
}

/// A value that was checked and waits to be put in place.
enum Assign {
    Name(ZoneName),
    Path(ZonePath),
    Brand(zones_types::BrandName),
    Autoboot(bool),
    IpType(IpType),
    Text(Prop, String),
}
