//! What differs between two configurations of one zone, in the order of `info`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::ZoneConfig;
use crate::form::{Form, Item};
use crate::info::{forms, global_text};
use crate::table::{GLOBALS, INFO_ORDER, Prop, Resource, Shape};

/// What happens to a property or resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ChangeKind {
    Add,
    Remove,
    Modify,
}

/// One difference; prints as `Modifying capped-cpu`, `Adding net physical=eth0,address=192.0.2.7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happens.
    pub kind: ChangeKind,
    /// The resource; `None` for a property of the zone.
    pub resource: Option<Resource>,
    /// The name of the property or resource and what tells it from others of its kind.
    pub name: String,
    /// The value of the key, where the kind has one: `name` of an attribute, `dir` of a file
    /// system.
    pub key: String,
    /// `property: before -> after`, for those that differ.
    pub details: Vec<String>,
    /// Whether a running zone takes it; else it waits for the next boot.
    pub live: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            ChangeKind::Add => "Adding",
            ChangeKind::Remove => "Removing",
            ChangeKind::Modify => "Modifying",
        };
        write!(f, "{verb} {}", self.name)
    }
}

/// What turns `from` into `to`. Name and uuid are not looked at: a zone keeps them while it runs.
#[must_use]
pub fn changes(from: &ZoneConfig, to: &ZoneConfig) -> Vec<Change> {
    let mut found = Vec::new();
    for global in GLOBALS {
        let skipped = matches!(global.prop, Prop::Zonename | Prop::Uuid);
        if global.alias.is_none() && !skipped {
            let (before, after) = (global_text(from, global.prop), global_text(to, global.prop));
            if before != after {
                found.push(Change {
                    kind: ChangeKind::Modify,
                    resource: None,
                    name: global.prop.to_string(),
                    key: String::new(),
                    details: vec![detail(global.prop, Some(&before), Some(&after))],
                    live: global.live,
                });
            }
        }
    }
    for resource in INFO_ORDER {
        of_kind(&mut found, from, to, *resource);
    }
    found
}

/// Controls that stand in `capped-cpu` and `capped-memory` too.
const SHOWN_ELSEWHERE: [&str; 3] = ["zone.cpu-cap", "zone.max-swap", "zone.max-locked-memory"];

fn of_kind(found: &mut Vec<Change>, from: &ZoneConfig, to: &ZoneConfig, resource: Resource) {
    let counted = |form: &Form<'_>| {
        let name = form.get(Prop::Name).unwrap_or_default();
        resource != Resource::Rctl || !SHOWN_ELSEWHERE.contains(&name)
    };
    let key = |form: &Form<'_>| form.key().unwrap_or_default().into_owned();
    let mut before: HashMap<String, Form<'_>> = HashMap::new();
    for form in forms(from, resource).filter(counted) {
        before.insert(key(&form), form);
    }
    let mut added = Vec::new();
    for after in forms(to, resource).filter(counted) {
        match before.remove(&key(&after)) {
            Some(before) if before == after => {}
            Some(before) => added.push(change(ChangeKind::Modify, Some(&before), Some(&after))),
            None => added.push(change(ChangeKind::Add, None, Some(&after))),
        }
    }
    // In the order of the configuration, not in that of the table.
    for gone in forms(from, resource).filter(counted) {
        if before.contains_key(&key(&gone)) {
            found.extend(change(ChangeKind::Remove, Some(&gone), None));
        }
    }
    found.extend(added.into_iter().flatten());
}

fn change(kind: ChangeKind, before: Option<&Form<'_>>, after: Option<&Form<'_>>) -> Option<Change> {
    let form = after.or(before)?;
    let spec = form.resource.spec();
    let keys = spec.key.iter().filter_map(|prop| {
        let value = form.get(*prop)?;
        Some(format!("{prop}={value}"))
    });
    let keys: Vec<String> = keys.collect();
    let name = if keys.is_empty() {
        form.resource.to_string()
    } else {
        format!("{} {}", form.resource, keys.join(","))
    };
    let text = |form: Option<&Form<'_>>, prop: Prop, shape: Shape| {
        let form = form?;
        match shape {
            Shape::Texts | Shape::Pairs(_) => list(&form.items),
            Shape::Text | Shape::Size => form.shown(prop).map(Cow::into_owned),
        }
    };
    let details = spec.props.iter().filter_map(|row| {
        let (before, after) = (
            text(before, row.prop, row.shape),
            text(after, row.prop, row.shape),
        );
        (before != after).then(|| detail(row.prop, before.as_deref(), after.as_deref()))
    });
    let first = spec.key.first().and_then(|prop| form.get(*prop));
    Some(Change {
        kind,
        resource: Some(form.resource),
        key: first.unwrap_or_default().to_owned(),
        name,
        details: details.collect(),
        live: spec.live,
    })
}

fn list(items: &[Item<'_>]) -> Option<String> {
    let text = |item: &Item<'_>| match item {
        Item::Text(text) => text.to_string(),
        Item::Pairs(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("({})", pairs.join(","))
        }
    };
    let items: Vec<String> = items.iter().map(text).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(",")))
}

fn detail(prop: Prop, before: Option<&str>, after: Option<&str>) -> String {
    let shown = |text: Option<&str>| match text {
        None | Some("") => "(unset)".to_owned(),
        Some(text) => text.to_owned(),
    };
    format!("{prop}: {} -> {}", shown(before), shown(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fs, RctlAction};

    #[test]
    fn each_difference_is_named_once() {
        let mut from = ZoneConfig::blank("z".parse().unwrap());
        from.set_rctl("zone.cpu-cap", 100, RctlAction::Deny);
        from.filesystems = ["/a", "/b"]
            .map(|dir| Fs {
                dir: dir.into(),
                special: "/x".into(),
                fs_type: "lofs".into(),
                ..Fs::default()
            })
            .to_vec();
        assert_eq!(changes(&from, &from), []);
        let mut to = from.clone();
        to.hostid = "1f".into();
        to.autoboot = true;
        to.set_rctl("zone.cpu-cap", 150, RctlAction::Deny);
        to.set_rctl("zone.max-lwps", 500, RctlAction::Deny);
        to.filesystems.remove(0);
        to.filesystems[0].options.push("ro".into());
        to.uuid = "other".into();
        let found = changes(&from, &to);
        let texts: Vec<_> = found
            .iter()
            .map(|one| format!("{one} {} {}", one.live, one.details.join("; ")))
            .collect();
        assert_eq!(
            texts,
            [
                "Modifying autoboot true autoboot: false -> true",
                "Modifying hostid false hostid: (unset) -> 1f",
                "Removing fs dir=/a true dir: /a -> (unset); special: /x -> (unset); \
                 type: lofs -> (unset)",
                "Modifying fs dir=/b true options: (unset) -> [ro]",
                "Modifying capped-cpu true ncpus: 1.00 -> 1.50",
                "Adding rctl name=zone.max-lwps true name: (unset) -> zone.max-lwps; \
                 value: (unset) -> [(priv=privileged,limit=500,action=deny)]",
            ]
        );
    }
}
