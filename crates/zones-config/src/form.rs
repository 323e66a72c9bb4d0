//! A resource as a filled-in form: the one shape in which scopes, filters, `info`, `export`,
//! `verify` and JSON see all kinds of resources.

mod convert;

use std::borrow::Cow;

use zones_types::Bytes;

use crate::table::{Prop, Resource, Shape};

pub(crate) use convert::{FormError, count, rctl_of, read, remove, write};

/// Values of one resource, in canonical text; those of a configuration are lent by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form<'a> {
    pub(crate) resource: Resource,
    texts: Vec<(Prop, Cow<'a, str>)>,
    /// Elements of the one list property.
    pub(crate) items: Vec<Item<'a>>,
}

/// One element of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Item<'a> {
    Text(Cow<'a, str>),
    /// In the order of the keys in the table.
    Pairs(Vec<(&'static str, Cow<'a, str>)>),
}

impl<'a> Form<'a> {
    pub(crate) fn new(resource: Resource) -> Self {
        Self {
            resource,
            texts: Vec::with_capacity(resource.spec().props.len()),
            items: Vec::new(),
        }
    }

    /// As `add` opens it: with the values that such a resource begins with.
    pub(crate) fn begin(resource: Resource, config: &crate::ZoneConfig) -> Self {
        let mut form = Self::new(resource);
        if resource == Resource::Anet {
            let anet = crate::Anet::default();
            form.set(Prop::Linkname, convert::free_linkname(config));
            form.set(Prop::LowerLink, anet.lower_link);
            form.set(Prop::ConfigureAllowedAddress, "true");
            form.set(Prop::MacAddress, anet.mac_address);
        }
        form
    }

    /// The value; `None` when unset. Empty text is unset.
    pub(crate) fn get(&self, prop: Prop) -> Option<&str> {
        let found = self.texts.iter().find(|(name, _)| *name == prop)?;
        Some(&found.1)
    }

    pub(crate) fn set(&mut self, prop: Prop, value: impl Into<Cow<'a, str>>) {
        self.texts.retain(|(name, _)| *name != prop);
        let value = value.into();
        if !value.is_empty() {
            self.texts.push((prop, value));
        }
    }

    pub(crate) fn take(&mut self, prop: Prop) -> String {
        match self.texts.iter().position(|(name, _)| *name == prop) {
            Some(at) => self.texts.swap_remove(at).1.into_owned(),
            None => String::new(),
        }
    }

    /// The same, lent by nobody.
    pub(crate) fn into_owned(self) -> Form<'static> {
        let texts = self.texts.into_iter();
        Form {
            resource: self.resource,
            texts: texts
                .map(|(prop, text)| (prop, Cow::Owned(text.into_owned())))
                .collect(),
            items: self.items.into_iter().map(Item::into_owned).collect(),
        }
    }

    /// As people read it: sizes in the nearest unit.
    pub(crate) fn shown(&self, prop: Prop) -> Option<Cow<'_, str>> {
        let text = self.get(prop)?;
        let spec = self.resource.spec().prop(prop)?;
        match (spec.shape, text.parse()) {
            (Shape::Size, Ok(bytes)) => Some(Cow::Owned(Bytes(bytes).to_string())),
            _ => Some(Cow::Borrowed(text)),
        }
    }

    /// As it can be typed again without loss: sizes in a unit only when that is exact.
    pub(crate) fn typed(&self, prop: Prop) -> Option<Cow<'_, str>> {
        let text = self.get(prop)?;
        let spec = self.resource.spec().prop(prop)?;
        match (spec.shape, text.parse()) {
            (Shape::Size, Ok(bytes)) => Some(Cow::Owned(typed_size(bytes))),
            _ => Some(Cow::Borrowed(text)),
        }
    }

    /// The text that no other resource of its kind may have; `None` for unique kinds.
    pub(crate) fn key(&self) -> Option<Cow<'_, str>> {
        let keys = self.resource.spec().key;
        match keys {
            [] => return None,
            [one] => return Some(Cow::Borrowed(self.get(*one).unwrap_or_default())),
            _ => {}
        }
        // The addresses of a net are one key: only one of them can be set.
        let value = |prop: &Prop| match (prop, self.get(*prop)) {
            (Prop::Address, None) => self.get(Prop::AllowedAddress).unwrap_or_default(),
            (_, value) => value.unwrap_or_default(),
        };
        let parts: Vec<_> = keys.iter().map(value).collect();
        Some(Cow::Owned(parts.join("\0")))
    }
}

/// Bytes as text that reads back as the same number.
pub(crate) fn typed_size(bytes: u64) -> String {
    let short = Bytes(bytes).to_string();
    if short.parse() == Ok(Bytes(bytes)) {
        short
    } else {
        bytes.to_string()
    }
}

impl Item<'_> {
    /// The same, lent by nobody.
    pub(crate) fn into_owned(self) -> Item<'static> {
        match self {
            Self::Text(text) => Item::Text(Cow::Owned(text.into_owned())),
            Self::Pairs(pairs) => {
                let own = |(key, text): (_, Cow<'_, str>)| (key, Cow::Owned(text.into_owned()));
                Item::Pairs(pairs.into_iter().map(own).collect())
            }
        }
    }

    /// The value of a key.
    pub(crate) fn pair(&self, key: &str) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Pairs(pairs) => {
                let found = pairs.iter().find(|(name, _)| *name == key)?;
                Some(&found.1)
            }
        }
    }
}
