//! What `info` prints.

use zones_types::Bytes;

use crate::form::{self, Form, Item};
use crate::table::{Alias, GLOBALS, Global, INFO_ORDER, Prop, Resource, Shape};
use crate::{RctlAction, ZoneConfig};

/// The whole configuration.
#[must_use]
pub fn info(config: &ZoneConfig) -> String {
    let mut out = String::new();
    for global in GLOBALS {
        // A zone without an identity is shown as the original shows it.
        if global.prop != Prop::Uuid || !config.uuid.is_empty() {
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
pub(crate) fn forms(config: &ZoneConfig, resource: Resource) -> impl Iterator<Item = Form> {
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
            *out += &format!("[{name}: {shown}]\n");
        }
        return;
    }
    *out += &format!("{name}: {}\n", global_text(config, global.prop));
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
pub(crate) fn info_form(out: &mut String, form: &Form) {
    let resource = form.resource;
    *out += &format!("{resource}:\n");
    for spec in resource.spec().props {
        let name = spec.prop.name();
        match spec.shape {
            Shape::Texts => {
                let items: Vec<_> = form.items.iter().map(text_item).collect();
                *out += &format!("\t{name}: [{}]\n", items.join(","));
            }
            Shape::Pairs(_) => {
                for item in &form.items {
                    *out += &format!("\t{name}: {}\n", pairs(item, resource));
                }
            }
            Shape::Text | Shape::Size => match form.shown(spec.prop) {
                Some(value) if is_control(resource, spec.prop) => {
                    *out += &format!("\t[{name}: {value}]\n");
                }
                Some(value) => *out += &format!("\t{name}: {}\n", shown(&value)),
                None if hides_unset(resource) => {}
                None => *out += &format!("\t{name} not specified\n"),
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

fn shown(value: &str) -> String {
    if value.contains([' ', '\t']) {
        return format!("\"{value}\"");
    }
    value.to_owned()
}

fn text_item(item: &Item) -> String {
    match item {
        Item::Text(text) if text.contains(['=', ' ', '\t', ',']) => format!("\"{text}\""),
        Item::Text(text) => text.clone(),
        Item::Pairs(_) => String::new(),
    }
}

/// `(priv=privileged,limit=5,action=none)`, `(name=mtu,value="9000")`
fn pairs(item: &Item, resource: Resource) -> String {
    let Item::Pairs(pairs) = item else {
        return String::new();
    };
    let pair = |(key, value): &(&str, String)| {
        if resource != Resource::Rctl && *key == "value" {
            format!("{key}=\"{value}\"")
        } else {
            format!("{key}={value}")
        }
    };
    let pairs: Vec<_> = pairs.iter().map(pair).collect();
    format!("({})", pairs.join(","))
}
