//! `add`, `select`, `end`, `remove` of resources.

use std::borrow::Cow;
use std::sync::Arc;

use crate::Reason;
use crate::command::Filter;
use crate::form::{self, Form};
use crate::table::Resource;
use crate::verify::{duplicate, inconsistent, missing};

use super::{Open, Pending, Session, Stream};

impl Session<'_> {
    pub(super) fn add_resource(&mut self, resource: Resource) {
        if !self.has_config() || !self.host_allows(resource, "add") {
            return;
        }
        if let Some(conflict) = self.conflict(resource) {
            self.error(conflict);
            return;
        }
        let form = match &self.config {
            Some(config) => Form::begin(resource, config),
            None => Form::new(resource),
        };
        self.open = Some(Open {
            form,
            at: None,
            seen: None,
        });
    }

    fn host_allows(&mut self, resource: Resource, verb: &str) -> bool {
        if !self.live_takes(resource.name(), resource.spec().live) {
            return false;
        }
        if !self.zone.is_global() {
            return true;
        }
        if !resource.spec().for_host {
            self.error(if verb == "add" {
                format!("Cannot add a {resource} resource to the global zone.")
            } else {
                format!("{resource} is not a valid resource for the global zone.")
            });
            return false;
        }
        let caps = [Resource::Rctl, Resource::CappedCpu, Resource::CappedMemory];
        if verb == "add" && caps.contains(&resource) {
            self.warn_host();
        }
        true
    }

    /// Says once in a session what a limit on the host may do.
    pub(super) fn warn_host(&mut self) {
        if self.warned_host {
            return;
        }
        self.warned_host = true;
        self.say(
            Stream::Err,
            "WARNING: this is a limit on the global zone, that is, on the host itself.\n\
             When it is too low, the host can refuse service to everybody,\n\
             to root as well: logins, remote access and even the commands that\n\
             would take the limit away may fail then.  Choose values far above\n\
             what the host needs, and keep a way to restart it.",
        );
    }

    /// Why a resource of this kind cannot be added.
    fn conflict(&self, resource: Resource) -> Option<String> {
        let config = self.config.as_ref()?;
        let has = |other: Resource| form::count(config, other) > 0;
        match resource {
            Resource::CappedMemory if has(resource) => Some(
                "The capped-memory resource or a related resource control already exists."
                    .to_owned(),
            ),
            _ if resource.spec().unique && has(resource) => {
                Some(format!("The {resource} resource already exists."))
            }
            Resource::DedicatedCpu if has(Resource::CappedCpu) => {
                Some("The capped-cpu resource already exists.".to_owned())
            }
            Resource::DedicatedCpu if !config.pool.is_empty() => Some(
                "The pool property is set.  A persistent pool is incompatible\n\
                 with the dedicated-cpu resource."
                    .to_owned(),
            ),
            Resource::CappedCpu if has(Resource::DedicatedCpu) => {
                Some("The dedicated-cpu resource already exists.".to_owned())
            }
            _ => None,
        }
    }

    /// The numbers of the resources that a filter takes; `None` when the filter makes no sense.
    pub(super) fn matching(
        &mut self,
        resource: Resource,
        filters: &[Filter<'_>],
    ) -> Option<Vec<usize>> {
        let spec = resource.spec();
        let context = self.context();
        let mut wanted = Vec::new();
        for (prop, value) in filters {
            let Some(row) = spec.prop(*prop) else {
                self.fail(prop, Reason::NoPropertyType);
                return None;
            };
            // A value that cannot be simply matches nothing.
            let canonical = (row.check)(value, context).unwrap_or_else(|_| Cow::Borrowed(value));
            wanted.push((*prop, canonical));
        }
        let config = self.config.as_ref()?;
        let fits = |at: &usize| {
            let Some(form) = form::read(config, resource, *at) else {
                return false;
            };
            wanted
                .iter()
                .all(|(prop, value)| form.get(*prop).unwrap_or_default() == value)
        };
        Some((0..form::count(config, resource)).filter(fits).collect())
    }

    pub(super) fn select(&mut self, resource: Resource, filters: &[Filter<'_>]) {
        if !self.has_config() || !self.host_allows(resource, "select") {
            return;
        }
        let Some(found) = self.matching(resource, filters) else {
            return;
        };
        match found.as_slice() {
            [] => self.fail(format!("select {resource}"), Reason::NoEntry),
            [at] => {
                let config = self.config.as_ref();
                let form = config.and_then(|config| form::read(config, resource, *at));
                self.open = form.map(|form| Open {
                    form: form.into_owned(),
                    at: Some(*at),
                    seen: None,
                });
            }
            _ => self.fail(format!("select {resource}"), Reason::InsufficientSpec),
        }
    }

    pub(super) fn end(&mut self) {
        let Some(open) = &self.open else {
            return;
        };
        let missing = missing(&open.form);
        if !missing.is_empty() {
            for message in missing {
                self.error(message);
            }
            return;
        }
        if let Some(message) = inconsistent(&open.form) {
            self.error(message);
            return;
        }
        if let Some(message) = self.taken() {
            self.error(message);
            return;
        }
        let (Some(open), Some(config)) =
            (self.open.take(), self.config.as_mut().map(Arc::make_mut))
        else {
            return;
        };
        let resource = open.form.resource;
        if open.at.is_some() {
            self.keys.remove(&resource);
        } else if let (Some(keys), Some(key)) = (self.keys.get_mut(&resource), open.form.key()) {
            keys.insert(self.hash.of(&*key), form::count(config, resource));
        }
        if matches!(resource, Resource::CappedCpu | Resource::CappedMemory) {
            self.keys.remove(&Resource::Rctl);
        }
        match form::write(config, open.form, open.at) {
            Ok(()) => self.dirty = true,
            Err(form::FormError(message)) => self.error(message),
        }
    }

    /// What to say when another resource has the key of the open one.
    fn taken(&mut self) -> Option<String> {
        let (open, config) = (self.open.as_ref()?, self.config.as_ref()?);
        let resource = open.form.resource;
        let key = open.form.key()?;
        let before = open.at.and_then(|at| form::read(config, resource, at));
        if before.as_ref().and_then(Form::key).as_ref() == Some(&key) {
            return None;
        }
        // Built once, then kept: a list scan for each of many resources would be quadratic.
        let key_at = |at: usize| form::read(config, resource, at);
        let hash = &self.hash;
        let keys = self.keys.entry(resource).or_insert_with(|| {
            let place = |at| Some((hash.of(&*key_at(at)?.key()?), at));
            (0..form::count(config, resource))
                .filter_map(place)
                .collect()
        });
        let is_same = |at: usize| key_at(at).is_some_and(|form| form.key().as_ref() == Some(&key));
        let found = keys.get(&hash.of(&*key)).copied();
        // Where another key has the same hash, which hardly ever happens, all are looked at.
        let taken =
            found.is_some_and(|at| is_same(at) || (0..form::count(config, resource)).any(is_same));
        taken.then(|| duplicate(&open.form))
    }

    pub(super) fn remove_resource(
        &mut self,
        force: bool,
        resource: Resource,
        filters: &[Filter<'_>],
    ) {
        if !self.has_config() || !self.host_allows(resource, "remove") {
            return;
        }
        let Some(found) = self.matching(resource, filters) else {
            return;
        };
        match (found.as_slice(), filters) {
            ([], _) if force => {}
            ([], _) => self.fail(format!("remove {resource}"), Reason::NoEntry),
            ([at], _) => self.remove_at(resource, Some(*at)),
            (_, []) if force => self.remove_at(resource, None),
            (_, []) => {
                let question =
                    format!("Are you sure you want to remove ALL '{resource}' resources");
                self.ask(question, Pending::RemoveAll(resource));
            }
            _ => self.fail(format!("remove {resource}"), Reason::InsufficientSpec),
        }
    }

    pub(super) fn remove_at(&mut self, resource: Resource, at: Option<usize>) {
        if let Some(config) = self.config.as_mut().map(Arc::make_mut) {
            form::remove(config, resource, at);
            self.keys.remove(&resource);
            self.keys.remove(&Resource::Rctl);
            self.dirty = true;
        }
    }
}
