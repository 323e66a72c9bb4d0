//! What packages cannot deliver beside each other. Texts as pkg(1) prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zones_ips::{Action, ActionKind, Fmri};

use super::collect::{Entry, Key, Table};
use super::{Item, tree};

const CLOSING: &str = "These packages cannot be installed together. Any non-conflicting subset\n\
                       of the above packages can be installed.";

/// One conflict. Prints as pkg(1) prints it, over several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// Several packages deliver what only one may.
    Duplicate {
        /// The kind of the actions.
        kind: ActionKind,
        /// The path or name.
        key: String,
        /// The packages.
        fmris: BTreeSet<Fmri>,
    },
    /// One package delivers it more than once.
    Copies {
        /// The kind of the actions.
        kind: ActionKind,
        /// The path or name.
        key: String,
        /// The package.
        fmri: Fmri,
    },
    /// A path is to be of several kinds.
    Kinds {
        /// The path.
        path: String,
        /// The packages, by the word of the kind.
        kinds: BTreeMap<String, BTreeSet<Fmri>>,
    },
    /// What is shared differs in attributes.
    Attributes {
        /// The kind of the actions.
        kind: ActionKind,
        /// The path or name.
        key: String,
        /// The packages, by what they say.
        values: BTreeMap<String, BTreeSet<Fmri>>,
    },
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { kind, key, fmris } => {
                writeln!(
                    f,
                    "The following packages all deliver {kind} actions to {key}:\n"
                )?;
                for fmri in fmris {
                    writeln!(f, "  {fmri}")?;
                }
                write!(f, "\n{CLOSING}")
            }
            Self::Copies { kind, key, fmri } => write!(
                f,
                "The package {fmri} delivers multiple copies of {kind} {key}\n\
                 This package must be corrected before it can be installed."
            ),
            Self::Kinds { path, kinds } => {
                let head = "The following packages deliver conflicting action types to";
                writeln!(f, "{head} {path}:\n")?;
                for (kind, fmris) in kinds {
                    writeln!(f, "  {kind}:")?;
                    for fmri in fmris {
                        writeln!(f, "    {fmri}")?;
                    }
                }
                write!(f, "\n{CLOSING}")
            }
            Self::Attributes { kind, key, values } => {
                writeln!(
                    f,
                    "The requested change to the system attempts to install multiple actions\n\
                     for {kind} '{key}' with conflicting attributes:\n"
                )?;
                for (value, fmris) in values {
                    let (count, word) = match fmris.len() {
                        1 => (1, "package delivers"),
                        more => (more, "packages deliver"),
                    };
                    writeln!(f, "    {count} {word} '{value}':")?;
                    for fmri in fmris {
                        writeln!(f, "        {fmri}")?;
                    }
                }
                write!(f, "\n{CLOSING}")
            }
        }
    }
}

/// All conflicts as one text.
pub(super) fn joined(conflicts: &[Conflict]) -> String {
    let texts: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}

/// All conflicts between what is there after the operation, by path and name.
pub(super) fn find(table: &Table<'_>) -> Vec<Conflict> {
    let folders = table
        .entries
        .values()
        .any(|entry| !entry.after.is_empty())
        .then(|| tree::of(table, &table.after));
    let mut keys: Vec<_> = table.entries.iter().collect();
    keys.sort_by_key(|(key, _)| **key);
    let mut found = Vec::new();
    for (key, entry) in keys {
        if entry.after.is_empty() {
            continue;
        }
        let is_folder = match (key, &folders) {
            (Key::Path(path), Some(folders)) => folders.all.contains(path),
            _ => false,
        };
        found.extend(of(table, key, entry, is_folder));
    }
    found
}

fn of(table: &Table<'_>, key: &Key<'_>, entry: &Entry, is_folder: bool) -> Option<Conflict> {
    let first = table.action(entry.after[0]);
    let kind = first.kind();
    if let Key::Path(path) = key {
        let is_mixed = entry
            .after
            .iter()
            .any(|item| table.action(*item).kind() != kind);
        if is_mixed || (is_folder && kind != ActionKind::Dir) {
            return Some(kinds(table, path, entry, is_folder));
        }
    }
    if entry.after.len() < 2 {
        return None;
    }
    let name = first.key().unwrap_or_default();
    match kind {
        ActionKind::File => files(table, name, &entry.after),
        ActionKind::Dir => attributes(table, &entry.after, |action| {
            said(action, &["group", "mode", "owner"])
        }),
        ActionKind::Link | ActionKind::Hardlink => links(table, &entry.after),
        ActionKind::User | ActionKind::Group | ActionKind::Driver => {
            attributes(table, &entry.after, ToString::to_string)
        }
        _ => None,
    }
}

/// `key=value` of some attributes.
fn said(action: &Action, keys: &[&str]) -> String {
    let pair = |key: &&str| Some(format!("{key}={}", action.get(key)?));
    let pairs: Vec<_> = keys.iter().filter_map(pair).collect();
    pairs.join(" ")
}

/// What says of a path that it is a folder, if nobody delivers the folder: all that lies below.
fn kinds(table: &Table<'_>, path: &str, entry: &Entry, is_folder: bool) -> Conflict {
    let mut kinds: BTreeMap<String, BTreeSet<Fmri>> = BTreeMap::new();
    let mut add = |word: &str, item: Item| {
        let fmris = kinds.entry(word.to_owned()).or_default();
        fmris.insert(table.fmri(item).clone());
    };
    for item in &entry.after {
        add(table.action(*item).word(), *item);
    }
    if is_folder {
        for (item, action) in table.items(&table.after) {
            let below = action.key().and_then(|key| key.strip_prefix(path));
            if action.kind().row().has_path && below.is_some_and(|rest| rest.starts_with('/')) {
                add("dir", item);
            }
        }
    }
    Conflict::Kinds {
        path: path.to_owned(),
        kinds,
    }
}

/// One package delivers a file; or one allows to lay a file over its own, and one does.
fn files(table: &Table<'_>, path: &str, items: &[Item]) -> Option<Conflict> {
    let marked = |mark: &str| -> Vec<Item> {
        let has = |item: &&Item| table.action(**item).get("overlay") == Some(mark);
        items.iter().filter(has).copied().collect()
    };
    if let (2, [below], [_above]) = (items.len(), &marked("allow")[..], &marked("true")[..]) {
        let is_editable = table.action(*below).attributes().contains("preserve");
        let is_free = table.action(*below).get("overlay-attributes") == Some("allow");
        let shown = |action: &Action| said(action, &["group", "mode", "owner"]);
        if is_editable {
            return attributes(table, items, shown).filter(|_| !is_free);
        }
    }
    Some(duplicate(table, ActionKind::File, path, items))
}

fn duplicate(table: &Table<'_>, kind: ActionKind, key: &str, items: &[Item]) -> Conflict {
    let fmris: BTreeSet<_> = items.iter().map(|item| table.fmri(*item).clone()).collect();
    let key = key.to_owned();
    if fmris.len() > 1 {
        return Conflict::Duplicate { kind, key, fmris };
    }
    let fmri = table.fmri(items[0]).clone();
    Conflict::Copies { kind, key, fmri }
}

/// Those at one path have one mediator, or one target.
fn links(table: &Table<'_>, items: &[Item]) -> Option<Conflict> {
    let mediators = attributes(table, items, |action| said(action, &["mediator"]));
    if mediators.is_some() {
        return mediators;
    }
    // Of several with one mediator those that say the same of themselves must lead to one target.
    const CHOICE: [&str; 2] = ["mediator-implementation", "mediator-version"];
    let mut by_choice: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in items {
        let choice = said(table.action(*item), &CHOICE);
        by_choice.entry(choice).or_default().push(*item);
    }
    by_choice.into_values().find_map(|items| {
        let shown = |action: &Action| said(action, &["target"]);
        attributes(table, &items, shown)
    })
}

/// Whether all say the same.
fn attributes(
    table: &Table<'_>,
    items: &[Item],
    shown: impl Fn(&Action) -> String,
) -> Option<Conflict> {
    let mut values: BTreeMap<String, BTreeSet<Fmri>> = BTreeMap::new();
    for item in items {
        let fmris = values.entry(shown(table.action(*item))).or_default();
        fmris.insert(table.fmri(*item).clone());
    }
    if values.len() < 2 {
        return None;
    }
    let action = table.action(items[0]);
    let (kind, key) = (action.kind(), action.key().unwrap_or_default().to_owned());
    let fmris: BTreeSet<_> = values.values().flatten().collect();
    if let (1, Some(fmri)) = (fmris.len(), fmris.first()) {
        let fmri = (*fmri).clone();
        return Some(Conflict::Copies { kind, key, fmri });
    }
    Some(Conflict::Attributes { kind, key, values })
}
