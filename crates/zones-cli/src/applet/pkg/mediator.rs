//! Mediators: which of several links at one path an image gets.

use std::collections::{BTreeMap, BTreeSet};

use zones_ips::Action;
use zones_ips::mediator::{Choice, Implementation, Mediation, Setting, Source, choose};

use super::text::Table;
use super::{Call, Outcome, Stop, failed, usage, variant};
use crate::report::OK;

const HEADS: [&str; 5] = [
    "MEDIATOR",
    "VER. SRC.",
    "VERSION",
    "IMPL. SRC.",
    "IMPLEMENTATION",
];

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let packages = image.packages(&|_| {})?;
    let actions = packages.iter().flat_map(|it| it.manifest.actions());
    let links = actions.filter_map(|it: &Action| it.mediation().ok().flatten());
    let mut all: BTreeMap<String, Vec<Mediation>> = BTreeMap::new();
    for link in links {
        all.entry(link.mediator.to_string()).or_default().push(link);
    }
    let names = &call.words.operands;
    let mut table = Table::new(&HEADS, &[]);
    for (name, links) in &all {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        if call.words.has("available") {
            let mut seen = BTreeSet::new();
            for link in links {
                let only = [link.clone()];
                let own = choose(&only, &Setting::default());
                let cells = own.map(|it| row(name, &it));
                if let Some(cells) = cells
                    && seen.insert(cells.clone())
                {
                    table.row(cells);
                }
            }
            continue;
        }
        let setting = image
            .settings
            .mediators
            .get(name)
            .cloned()
            .unwrap_or_default();
        if let Some(choice) = choose(links, &setting) {
            table.row(row(name, &choice));
        }
    }
    if table.is_empty() {
        return match names.is_empty() {
            true => Ok(OK),
            false => Err(failed("no matching mediators found")),
        };
    }
    table.print(call)?;
    Ok(OK)
}

fn row(name: &str, choice: &Choice) -> [String; 5] {
    let (version, by) = (&choice.version.0, choice.version.1);
    let (implementation, of) = (&choice.implementation.0, choice.implementation.1);
    let source = |is: bool, source: Source| match is {
        true => source.as_str().to_owned(),
        false => Source::System.as_str().to_owned(),
    };
    [
        name.to_owned(),
        source(version.is_some(), by),
        version
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        source(implementation.is_some(), of),
        implementation
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    ]
}

pub(super) fn set(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let version = words.value("version").map(|text| {
        text.parse()
            .map_err(|_| usage(format!("'{text}' is no version of a mediator")))
    });
    let implementation = words
        .value("implementation")
        .map(|text| Implementation::parse(text).map_err(usage));
    let setting = Setting {
        version: version.transpose()?,
        implementation: implementation.transpose()?,
    };
    if setting == Setting::default() {
        return Err(usage(
            "a mediator version or implementation must be specified using -V and/or -I",
        ));
    }
    change(call, |old| {
        let mut new = old.unwrap_or_default();
        new.version = setting.version.clone().or(new.version);
        new.implementation = setting.implementation.clone().or(new.implementation);
        Some(new)
    })
}

pub(super) fn unset(call: &Call<'_>) -> Outcome {
    let (version, implementation) = (call.words.has("version"), call.words.has("implementation"));
    change(call, |old| {
        let mut new = old?;
        if version || !implementation {
            new.version = None;
        }
        if implementation || !version {
            new.implementation = None;
        }
        (new != Setting::default()).then_some(new)
    })
}

fn change(call: &Call<'_>, of: impl Fn(Option<Setting>) -> Option<Setting>) -> Result<u8, Stop> {
    if call.words.operands.is_empty() {
        return Err(usage("at least one mediator must be specified"));
    }
    let mut settings = call.image()?.settings;
    let old = settings.text();
    for name in &call.words.operands {
        if let Some(setting) = of(settings.mediators.remove(name)) {
            settings.mediators.insert(name.clone(), setting);
        }
    }
    variant::with(call, settings, &old)
}
