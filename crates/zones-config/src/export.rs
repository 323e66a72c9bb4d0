//! What `export` prints: commands that make the same configuration again.
//!
//! Differs: values are quoted whenever they must be, and memory caps that are resource controls
//! are joined by `select capped-memory`, so that the output always replays.

use std::fmt::Write as _;

use crate::ZoneConfig;
use crate::form::{Form, Item};
use crate::info::{forms, global_text};
use crate::quote;
use crate::table::{EXPORT_ORDER, GLOBALS, Global, Prop, Resource, Shape};

/// The commands, one a line; the name of the zone is not among them.
#[must_use]
pub fn export(config: &ZoneConfig) -> String {
    let mut out = String::from("create -b\n");
    for global in GLOBALS {
        global_line(&mut out, config, global);
    }
    for resource in EXPORT_ORDER {
        for form in forms(config, *resource) {
            resource_lines(&mut out, config, &form);
        }
    }
    out
}

fn global_line(out: &mut String, config: &ZoneConfig, global: &Global) {
    let unset = match global.prop {
        // Name and identity are those of one zone: what is exported makes others of its kind.
        Prop::Zonename | Prop::Uuid => true,
        Prop::Zonepath => config.zonepath.is_none(),
        Prop::Brand => config.brand.is_none(),
        _ => global.alias.is_some() || config.name.is_global() && !global.for_host,
    };
    let text = global_text(config, global.prop);
    if !unset && !text.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "set {}={}", global.prop, quote::value(&text));
    }
}

fn resource_lines(out: &mut String, config: &ZoneConfig, form: &Form<'_>) {
    let spec = form.resource.spec();
    let mut verb = "add";
    if form.resource == Resource::CappedMemory {
        if form.get(Prop::Physical).is_none() {
            return;
        }
        if config.swap().is_some() || config.locked().is_some() {
            verb = "select";
        }
    }
    let _ = writeln!(out, "{verb} {}", form.resource);
    let order = spec.export.iter().copied();
    let table = spec.props.iter().map(|prop| prop.prop);
    if spec.export.is_empty() {
        table.for_each(|prop| property(out, form, prop));
    } else {
        order.for_each(|prop| property(out, form, prop));
    }
    out.push_str("end\n");
}

fn property(out: &mut String, form: &Form<'_>, prop: Prop) {
    let Some(spec) = form.resource.spec().prop(prop) else {
        return;
    };
    if form.resource == Resource::CappedMemory && prop != Prop::Physical {
        return;
    }
    match spec.shape {
        Shape::Texts | Shape::Pairs(_) => {
            for item in &form.items {
                let _ = write!(out, "add {prop} ");
                item_text(out, item);
                out.push('\n');
            }
        }
        Shape::Text | Shape::Size => {
            let always = form.resource == Resource::Attr && prop == Prop::Value;
            let value = form.typed(prop).or_else(|| always.then(Default::default));
            if let Some(value) = value {
                // By hand: this is most of a long export.
                out.push_str("set ");
                out.push_str(prop.name());
                out.push('=');
                out.push_str(&quote::value(&value));
                out.push('\n');
            }
        }
    }
}

fn item_text(out: &mut String, item: &Item<'_>) {
    match item {
        Item::Text(text) => out.push_str(&quote::element(text)),
        Item::Pairs(pairs) => {
            for (nth, (key, value)) in pairs.iter().enumerate() {
                let before = if nth == 0 { '(' } else { ',' };
                let _ = write!(out, "{before}{key}={}", quote::element(value));
            }
            out.push(')');
        }
    }
}
