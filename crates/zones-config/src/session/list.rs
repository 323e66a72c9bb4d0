//! `info`, `export`, `help`.

use crate::command::{Filter, Format, Subject};
use crate::form;
use crate::info::{info, info_form, info_property};
use crate::json::{json, json_property, object};
use crate::table::{Prop, Resource};
use crate::{export, help};

use super::{Effect, Next, Pending, Session, Stream};

impl Session<'_> {
    pub(super) fn info(
        &mut self,
        subject: Option<Subject>,
        filters: &[Filter<'_>],
        format: Format,
    ) {
        if !self.has_config() {
            return;
        }
        // Inside of a resource the arguments say nothing: it is the resource that is shown.
        if let Some(open) = &self.open {
            let mut out = String::new();
            match format {
                Format::Classic => info_form(&mut out, &open.form),
                Format::Json => out = pretty(&object(&open.form)),
            }
            self.print(Stream::Pager, &out);
            return;
        }
        match subject {
            None => self.info_all(format),
            Some(Subject::Prop(prop)) => self.info_prop(prop, format),
            Some(Subject::Resource(resource)) => self.info_resource(resource, filters, format),
        }
    }

    fn info_all(&mut self, format: Format) {
        let Some(config) = &self.config else {
            return;
        };
        let text = match format {
            Format::Classic => info(config),
            Format::Json => pretty(&json(config)),
        };
        self.print(Stream::Pager, &text);
    }

    fn info_prop(&mut self, prop: Prop, format: Format) {
        if prop.global().is_none() {
            self.error("Cannot show a resource-specific property from the global scope.");
            return;
        }
        let Some(config) = &self.config else {
            return;
        };
        let text = match format {
            Format::Classic => info_property(config, prop),
            Format::Json => pretty(&json_property(config, prop)),
        };
        self.print(Stream::Pager, &text);
    }

    fn info_resource(&mut self, resource: Resource, filters: &[Filter<'_>], format: Format) {
        let Some(found) = self.matching(resource, filters) else {
            return;
        };
        let Some(config) = &self.config else {
            return;
        };
        let forms = found
            .iter()
            .filter_map(|at| form::read(config, resource, *at));
        let mut text = String::new();
        if format == Format::Json {
            let mut objects = forms.map(|form| object(&form));
            text = pretty(&match resource.spec().unique {
                true => objects.next().unwrap_or_default(),
                false => objects.collect(),
            });
        } else if found.is_empty() {
            text = format!("No such {resource} resource.\n");
        } else {
            forms.for_each(|form| info_form(&mut text, &form));
        }
        self.print(Stream::Pager, &text);
    }

    pub(super) fn export(&mut self, file: Option<&str>, format: Format) {
        if !self.has_config() {
            return;
        }
        let Some(config) = &self.config else {
            return;
        };
        let text = match format {
            Format::Classic => export(config),
            Format::Json => pretty(&json(config)),
        };
        match file {
            Some(file) => {
                let file = file.to_owned();
                self.pending = Some(Pending::Exported(file.clone()));
                self.next = Next::Act(Effect::Export { file, text });
            }
            None => self.print(Stream::Out, &text),
        }
    }

    pub(super) fn help(&mut self, subject: Option<&str>) {
        match help::help(subject, self.scope()) {
            Ok(text) => self.say(Stream::Pager, text),
            Err(text) => self.error(text),
        }
    }
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
