//! What `info` prints.

use std::borrow::Cow;
use std::fmt::Write as _;

use zones_types::Bytes;

use crate::form::{self, Form, Item};
use crate::table::{Alias, GLOBALS, Global, INFO_ORDER, Prop, Resource, Shape};
use crate::{RctlAction, ZoneConfig};

/// Not in every release of Zones: where they are unset, `info` is the common one.
const RARE: [Prop; 4] = [
    Prop::Uuid,
    Prop::BootPriority,
    Prop::Autoshutdown,
    Prop::FileMacProfile,
];

/// The whole configuration.
#[must_use]
pub fn info(config: &ZoneConfig) -> String {
    let mut out = String::new();
    for global in GLOBALS {
        let some = RARE.contains(&global.prop);
        if !some || !global_text(config, global.prop).is_empty() {
            global_line(&mut out, config, global);
        }
    }
    for resource in INFO_ORDER {
        for form in forms(config, *resource) {
            info_form(&mut out, &form);
        }
    }
    out
}

/// One property of the zone; nothing for a resource control that is not set.
#[must_use]
pub fn info_property(config: &ZoneConfig, prop: Prop) -> String {
    let mut out = String::new();
    if let Some(global) = prop.global() {
        global_line(&mut out, config, global);
    }
    out
}

/// Resources of one kind, in their order.
pub(crate) fn forms(config: &ZoneConfig, resource: Resource) -> impl Iterator<Item = Form<'_>> {
    (0..form::count(config, resource)).filter_map(move |at| form::read(config, resource, at))
}

fn global_line(out: &mut String, config: &ZoneConfig, global: &Global) {
    let name = global.prop.name();
    if let Some(alias) = &global.alias {
        if let AliasValue::Is(value) = alias_value(config, alias) {
            let shown = if alias.size {
                Bytes(value).to_string()
            } else {
                value.to_string()
            };
            let _ = writeln!(out, "[{name}: {shown}]");
        }
        return;
    }
    let _ = writeln!(out, "{name}: {}", global_text(config, global.prop));
}

/// The text of a property that the document holds as an attribute; empty when unset.
pub(crate) fn global_text(config: &ZoneConfig, prop: Prop) -> String {
    match prop {
        Prop::Zonename => config.name.to_string(),
        Prop::Zonepath => match &config.zonepath {
            Some(path) => path.to_string(),
            None if config.name.is_global() => "/".to_owned(),
            None => String::new(),
        },
        Prop::Brand => config.brand_or_default().to_string(),
        Prop::Autoboot => config.autoboot.to_string(),
        Prop::Bootargs => config.bootargs.clone(),
        Prop::Pool => config.pool.clone(),
        Prop::Limitpriv => config.limitpriv.clone(),
        Prop::SchedulingClass => config.scheduling_class.clone(),
        Prop::IpType => config.ip_type.as_str().to_owned(),
        Prop::Hostid => config.hostid.clone(),
        Prop::FsAllowed => config.fs_allowed.clone(),
        Prop::Uuid => config.uuid.clone(),
        Prop::BootPriority => config.boot_priority.clone(),
        Prop::Autoshutdown => config.autoshutdown.clone(),
        Prop::FileMacProfile => config.file_mac_profile.clone(),
        _ => String::new(),
    }
}

/// What stands behind a property that is a resource control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AliasValue {
    Unset,
    Is(u64),
    /// Several values, or one that the property would not have made.
    Foreign,
}

pub(crate) fn alias_value(config: &ZoneConfig, alias: &Alias) -> AliasValue {
    rctl_value(config, alias.rctl, &alias.action)
}

fn rctl_value(config: &ZoneConfig, name: &str, action: &RctlAction) -> AliasValue {
    let Some(rctl) = config.rctls.iter().find(|rctl| rctl.name == name) else {
        return AliasValue::Unset;
    };
    match rctl.values.as_slice() {
        [one] if one.privilege == "privileged" && one.action == *action => {
            AliasValue::Is(one.limit)
        }
        _ => AliasValue::Foreign,
    }
}

/// One resource: its name, then its properties behind tabs.
pub(crate) fn info_form(out: &mut String, form: &Form<'_>) {
    let resource = form.resource;
    let _ = writeln!(out, "{resource}:");
    for spec in resource.spec().props {
        let name = spec.prop.name();
        match spec.shape {
            Shape::Texts => {
                let _ = write!(out, "\t{name}: [");
                for (nth, item) in form.items.iter().enumerate() {
                    let comma = if nth == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{}", text_item(item));
                }
                out.push_str("]\n");
            }
            Shape::Pairs(_) => {
                for item in &form.items {
                    let _ = writeln!(out, "\t{name}: {}", pairs(item, resource));
                }
            }
            Shape::Text | Shape::Size => match form.shown(spec.prop) {
                Some(value) if is_control(resource, spec.prop) => {
                    let _ = writeln!(out, "\t[{name}: {value}]");
                }
                Some(value) => {
                    let _ = writeln!(out, "\t{name}: {}", shown(&value));
                }
                None if hides_unset(resource) => {}
                None => {
                    let _ = writeln!(out, "\t{name} not specified");
                }
            },
        }
    }
}

/// Values that are resource controls stand in brackets.
fn is_control(resource: Resource, prop: Prop) -> bool {
    match resource {
        Resource::CappedCpu => true,
        Resource::CappedMemory => prop != Prop::Physical,
        _ => false,
    }
}

fn hides_unset(resource: Resource) -> bool {
    matches!(resource, Resource::CappedMemory | Resource::DedicatedCpu)
}

fn shown(value: &str) -> Cow<'_, str> {
    if value.contains([' ', '\t']) {
        return Cow::Owned(format!("\"{value}\""));
    }
    Cow::Borrowed(value)
}

fn text_item<'a>(item: &'a Item<'_>) -> Cow<'a, str> {
    match item {
        Item::Text(text) if text.contains(['=', ' ', '\t', ',']) => {
            Cow::Owned(format!("\"{text}\""))
        }
        Item::Text(text) => Cow::Borrowed(text),
        Item::Pairs(_) => Cow::Borrowed(""),
    }
}

/// `(priv=privileged,limit=5,action=none)`, `(name=mtu,value="9000")`
fn pairs(item: &Item<'_>, resource: Resource) -> String {
    let Item::Pairs(pairs) = item else {
        return String::new();
    };
    let pair = |(key, value): &(&str, Cow<'_, str>)| {
        if resource != Resource::Rctl && *key == "value" {
            format!("{key}=\"{value}\"")
        } else {
            format!("{key}={value}")
        }
    };
    let pairs: Vec<_> = pairs.iter().map(pair).collect();
    format!("({})", pairs.join(","))
}
