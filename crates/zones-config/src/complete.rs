//! Completion of a line that is being typed.

use crate::check::{AUTHS, CLASSES, FLAGS, PRIORITIES, PROFILES, PROTECTIONS, SHUTDOWNS};
use crate::command::{Scope, VERBS, Verb};
use crate::privilege::privilege_names;
use crate::table::{GLOBALS, Prop, Resource};

/// What completion must know besides the line.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The resource that is open.
    pub resource: Option<Resource>,
    /// Installed brands.
    pub brands: Vec<String>,
    /// Templates and zones for `create -t`.
    pub templates: Vec<String>,
}

/// Where the word that `line` ends with begins, and what it could become.
#[must_use]
pub fn complete(line: &str, known: &Known) -> (usize, Vec<String>) {
    let statement = line.rfind(';').map_or(0, |at| at + 1);
    let start = line
        .rfind([' ', '\t', ';', '=', '[', ',', '('])
        .map_or(0, |at| at + 1);
    let word = &line[start..];
    let before = line[statement.min(start)..start].trim();
    let mut words = before
        .split([' ', '\t', '='])
        .filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        let scope = if known.resource.is_some() {
            Scope::Resource
        } else {
            Scope::Global
        };
        let verbs = VERBS
            .iter()
            .filter(|row| row.scope == Scope::Both || row.scope == scope);
        return (start, keep(word, verbs.map(|row| row.name)));
    };
    let last = before
        .rsplit([' ', '\t', '='])
        .find(|word| !word.is_empty());
    let Some(verb) = Verb::named(first) else {
        return (start, Vec::new());
    };
    let names = candidates(verb, last.unwrap_or_default(), before, known);
    (start, keep(word, names.iter().map(String::as_str)))
}

fn keep<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .filter(|name| name.starts_with(word))
        .map(str::to_owned)
        .collect()
}

fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn candidates(verb: Verb, last: &str, before: &str, known: &Known) -> Vec<String> {
    if before.contains('=') {
        return Prop::named(last.trim_matches(['[', '(']))
            .or_else(|| prop_before_equals(before))
            .map_or_else(Vec::new, |prop| values(prop, known));
    }
    let resources = || owned(Resource::ALL.iter().map(|resource| resource.name()));
    let globals = || owned(GLOBALS.iter().map(|row| row.prop.name()));
    let of = |resource: Resource| owned(resource.spec().props.iter().map(|row| row.prop.name()));
    match (verb, known.resource) {
        (Verb::Create, _) if last == "-t" => known.templates.clone(),
        (Verb::Create, _) => owned(["-F", "-a", "-b", "-t", "-X"]),
        (Verb::Help, _) => {
            let subjects = ["usage", "commands", "syntax"];
            owned(subjects.into_iter().chain(VERBS.iter().map(|row| row.name)))
        }
        (Verb::Set | Verb::Clear | Verb::Add | Verb::Remove, Some(resource)) => of(resource),
        (Verb::Set | Verb::Clear, None) => globals(),
        (Verb::Add | Verb::Remove | Verb::Select | Verb::Info, None) => {
            if let Some(resource) = Resource::named(last) {
                return of(resource);
            }
            let mut names = resources();
            if verb == Verb::Info {
                names.extend(globals());
            }
            names
        }
        _ => Vec::new(),
    }
}

fn prop_before_equals(before: &str) -> Option<Prop> {
    let name = before.rsplit_once('=')?.0;
    Prop::named(name.rsplit([' ', '\t']).next()?)
}

/// Values that a property may have, where they are few.
fn values(prop: Prop, known: &Known) -> Vec<String> {
    match prop {
        Prop::Brand => known.brands.clone(),
        Prop::Autoboot | Prop::ConfigureAllowedAddress => owned(["true", "false"]),
        Prop::BootPriority => owned(PRIORITIES.iter().copied()),
        Prop::Autoshutdown => owned(SHUTDOWNS.iter().copied()),
        Prop::FileMacProfile => owned(PROFILES.iter().copied()),
        Prop::MacAddress => owned(["auto", "random", "factory"]),
        Prop::LowerLink => owned(["auto"]),
        Prop::LinkProtection => owned(PROTECTIONS.iter().copied()),
        Prop::IpType => owned(["shared", "exclusive"]),
        Prop::SchedulingClass => owned(CLASSES.iter().copied()),
        Prop::Limitpriv => owned(std::iter::once("default").chain(privilege_names())),
        Prop::Auths => owned(AUTHS.iter().copied()),
        Prop::Default | Prop::Lower | Prop::Upper => owned(FLAGS.iter().copied()),
        Prop::Type if known.resource == Some(Resource::Attr) => {
            owned(["int", "uint", "boolean", "string"])
        }
        Prop::Type => owned(["lofs", "tmpfs", "proc", "ext4", "xfs", "zfs"]),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_by_their_place() {
        let known = Known {
            brands: vec!["debian".into(), "lx".into()],
            templates: vec!["web1".into()],
            ..Known::default()
        };
        let all = |line: &str| complete(line, &known).1;
        assert_eq!(all("c"), ["clear", "commit", "create"]);
        assert_eq!(all("create; ad"), ["add"]);
        assert_eq!(all("add dev"), ["device"]);
        assert_eq!(all("set zonep"), ["zonepath"]);
        assert_eq!(all("set brand="), ["debian", "lx"]);
        assert_eq!(all("set autoboot=t"), ["true"]);
        assert_eq!(all("set limitpriv=default,sys_ti"), ["sys_time"]);
        assert_eq!(all("create -t w"), ["web1"]);
        assert_eq!(all("select net phy"), ["physical"]);
        assert_eq!(all("info zoneп"), Vec::<String>::new());
        let inside = Known {
            resource: Some(Resource::Fs),
            ..Known::default()
        };
        assert_eq!(complete("set s", &inside), (4, vec!["special".to_owned()]));
        assert_eq!(complete("ca", &inside).1, ["cancel"]);
    }
}
