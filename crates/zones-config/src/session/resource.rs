//! `set`, `add`, `remove`, `clear` of properties inside of a resource.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::command::{Element, Pairs, Value, Verb};
use crate::form::{self, Item};
use crate::hashes::Places;
use crate::table::{Need, Prop, PropSpec, Resource, Shape};
use crate::{Reason, check, help};

use super::{Session, Stream};

impl Session<'_> {
    /// The row of a property of the open resource; says so when it has none of that name.
    fn row(&mut self, prop: Prop, verb: Verb) -> Option<&'static PropSpec> {
        let resource = self.resource()?;
        let row = resource.spec().prop(prop);
        if row.is_none() {
            self.fail(prop, Reason::NoPropertyType);
            let names: Vec<_> = resource
                .spec()
                .props
                .iter()
                .map(|row| row.prop.name())
                .collect();
            let text = format!("Properties of {resource}: {}", names.join(", "));
            self.say(Stream::Err, text);
            self.say(Stream::Err, help::usage_of(verb));
        }
        row
    }

    pub(super) fn set_in_resource(&mut self, prop: Prop, value: &Value<'_>) {
        let Some(row) = self.row(prop, Verb::Set) else {
            return;
        };
        if row.shape.is_list() {
            let Some(items) = self.items(row, value) else {
                return;
            };
            if let Some(open) = &mut self.open {
                open.form.items.clear();
                open.seen = Some(Places::default());
            }
            self.append(items);
            return;
        }
        let Value::Text(text) = value else {
            self.error("A simple value was expected here.");
            return;
        };
        match (row.check)(text, self.context()) {
            Ok(value) => {
                let warning = if prop == Prop::Defrouter {
                    check::router_warning(&value)
                } else {
                    None
                };
                if let Some(open) = &mut self.open {
                    open.form.set(prop, value.into_owned());
                }
                if let Some(warning) = warning {
                    self.say(Stream::Err, warning);
                }
            }
            Err(message) => self.error(message),
        }
    }

    pub(super) fn add_value(&mut self, prop: Prop, value: &Value<'_>) {
        let Some(row) = self.row(prop, Verb::Add) else {
            return;
        };
        if !row.shape.is_list() {
            self.error(format!("{prop} is no list; use 'set {prop}=...'."));
            return;
        }
        if let Some(items) = self.items(row, value) {
            self.append(items);
        }
    }

    /// Appends what is not there yet.
    fn append(&mut self, items: Vec<Item<'static>>) {
        let Some(open) = &mut self.open else {
            return;
        };
        let (here, hash) = (&mut open.form.items, &self.hash);
        let seen = open.seen.get_or_insert_with(|| {
            let all = here.iter().enumerate();
            all.map(|(at, item)| (hash.of(item), at)).collect()
        });
        for item in items {
            match seen.entry(hash.of(&item)) {
                Entry::Vacant(place) => {
                    place.insert(here.len());
                    here.push(item);
                }
                // Two with one hash are nearly always the same; if not, all are looked at.
                Entry::Occupied(place) if here[*place.get()] == item => {}
                Entry::Occupied(_) if here.contains(&item) => {}
                Entry::Occupied(_) => here.push(item),
            }
        }
    }

    pub(super) fn remove_value(&mut self, force: bool, prop: Prop, value: &Value<'_>) {
        let Some(row) = self.row(prop, Verb::Remove) else {
            return;
        };
        if !row.shape.is_list() {
            self.error(format!("{prop} is no list; use 'clear {prop}'."));
            return;
        }
        let Some(items) = self.items(row, value) else {
            return;
        };
        let mut gone: HashMap<Item<'_>, bool> =
            items.into_iter().map(|item| (item, false)).collect();
        let Some(open) = &mut self.open else {
            return;
        };
        let here = &mut open.form.items;
        for item in here.iter() {
            if let Some(found) = gone.get_mut(item) {
                *found = true;
            }
        }
        if !force && gone.values().any(|found| !found) {
            self.fail(prop, Reason::NoEntry);
            return;
        }
        here.retain(|item| !gone.contains_key(item));
        open.seen = None;
    }

    pub(super) fn clear_in_resource(&mut self, prop: Prop) {
        let Some(row) = self.row(prop, Verb::Clear) else {
            return;
        };
        if row.need != Need::Clearable {
            self.fail(prop, Reason::ClearDisallow);
        } else if let Some(open) = &mut self.open {
            open.form.set(prop, String::new());
        }
    }

    /// The elements that a value names, checked.
    fn items(&mut self, row: &PropSpec, value: &Value<'_>) -> Option<Vec<Item<'static>>> {
        let one = |element: &Element<'_>| match (row.shape, element) {
            (Shape::Pairs(keys), Element::Pairs(pairs)) => self.pairs(keys, pairs),
            (Shape::Pairs(_), Element::Text(_)) => {
                Err("A complex or list value was expected here.".to_owned())
            }
            (_, Element::Pairs(_)) => Err("A simple or list value was expected here.".to_owned()),
            (_, Element::Text(text)) => {
                (row.check)(text, self.context()).map(|text| Item::Text(text.into_owned().into()))
            }
        };
        let items: Result<Vec<_>, _> = match value {
            Value::Text(text) => one(&Element::Text(text.clone())).map(|item| vec![item]),
            Value::Pairs(pairs) => one(&Element::Pairs(pairs.clone())).map(|item| vec![item]),
            Value::List(list) => list.iter().map(one).collect(),
        };
        match items {
            Ok(items) => Some(items),
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    fn pairs(&self, keys: &[&'static str], pairs: &Pairs<'_>) -> Result<Item<'static>, String> {
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !keys.contains(key)) {
            return Err(format!(
                "{key} is not expected here; the keys are {}",
                keys.join(", ")
            ));
        }
        let mut ordered = Vec::with_capacity(keys.len());
        for key in keys {
            let found = pairs.iter().find(|(name, _)| name == key);
            let (_, value) = found.ok_or_else(|| format!("{key} not specified"))?;
            ordered.push((*key, value.to_string().into()));
        }
        let item = Item::Pairs(ordered);
        if self.resource() == Some(Resource::Rctl) {
            form::rctl_of(&item)?;
        }
        Ok(item)
    }
}
