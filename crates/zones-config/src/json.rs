//! The configuration as JSON, with the names of zonecfg: `info -o json`, `export -o json`.
//!
//! Unset values are null, sizes are numbers of bytes, kinds of which a zone has many are arrays.

use serde_json::{Map, Value, json};

use crate::ZoneConfig;
use crate::form::{Form, Item};
use crate::info::{AliasValue, alias_value, forms, global_text};
use crate::table::{GLOBALS, Global, INFO_ORDER, Prop, Resource, Shape};

/// The whole configuration.
#[must_use]
pub fn json(config: &ZoneConfig) -> Value {
    let mut map = Map::new();
    for global in GLOBALS {
        map.insert(global.prop.name().to_owned(), global_value(config, global));
    }
    for resource in INFO_ORDER {
        map.insert(resource.name().to_owned(), json_resource(config, *resource));
    }
    Value::Object(map)
}

/// One property of the zone.
#[must_use]
pub fn json_property(config: &ZoneConfig, prop: Prop) -> Value {
    prop.global()
        .map_or(Value::Null, |global| global_value(config, global))
}

/// Resources of one kind.
fn json_resource(config: &ZoneConfig, resource: Resource) -> Value {
    let mut list = forms(config, resource).map(|form| object(&form));
    if resource.spec().unique {
        list.next().unwrap_or(Value::Null)
    } else {
        Value::Array(list.collect())
    }
}

fn global_value(config: &ZoneConfig, global: &Global) -> Value {
    if let Some(alias) = &global.alias {
        return match alias_value(config, alias) {
            AliasValue::Is(value) => json!(value),
            AliasValue::Unset | AliasValue::Foreign => Value::Null,
        };
    }
    match global.prop {
        Prop::Autoboot => json!(config.autoboot),
        prop => match global_text(config, prop) {
            text if text.is_empty() => Value::Null,
            text => json!(text),
        },
    }
}

/// One resource.
pub(crate) fn object(form: &Form<'_>) -> Value {
    let mut map = Map::new();
    for spec in form.resource.spec().props {
        let text = form.get(spec.prop);
        let value = match spec.shape {
            Shape::Texts | Shape::Pairs(_) => form.items.iter().map(item).collect(),
            Shape::Size => text.and_then(|text| text.parse::<u64>().ok()).into(),
            Shape::Text => text.into(),
        };
        map.insert(spec.prop.name().to_owned(), value);
    }
    Value::Object(map)
}

fn item(item: &Item<'_>) -> Value {
    match item {
        Item::Text(text) => json!(text),
        Item::Pairs(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| match (*key, value.parse::<u64>()) {
                    ("limit", Ok(limit)) => ((*key).to_owned(), json!(limit)),
                    _ => ((*key).to_owned(), json!(value)),
                });
            Value::Object(pairs.collect())
        }
    }
}
