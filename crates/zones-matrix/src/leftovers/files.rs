//! What differs between two trees.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::finding;
use super::doubled::doubled;
use super::finding::{Class, Finding, Subject};
use super::inventory::{Entry, Inventory, Kind, Path};
use super::links;
use super::name::shown;
use super::rules::Verdicts;

/// One path that differs.
struct Change<'a> {
    path: &'a Path,
    class: Class,
    detail: String,
    /// What it is now, or was.
    entry: &'a Entry,
}

/// Findings about files that `quiet` does not take for another finding's.
pub(super) fn changes(
    before: &Inventory,
    after: &Inventory,
    quiet: &dyn Fn(&Path, Class) -> bool,
    verdicts: &mut Verdicts<'_>,
) -> Vec<Finding> {
    let mut all: Vec<Change<'_>> = Vec::new();
    for (path, entry) in &before.files {
        if !after.files.contains_key(path) {
            let detail = kind(entry.kind).to_owned();
            let class = Class::Removed;
            all.push(Change {
                path,
                class,
                detail,
                entry,
            });
        }
    }
    for (path, entry) in &after.files {
        match before.files.get(path) {
            None => all.push(added(path, entry, after)),
            Some(old) => all.extend(changed(path, old, entry, after)),
        }
    }
    all.extend(broken(before, after));
    all.retain(|change| !quiet(change.path, change.class));
    // What the policy accepts is taken out before trees are folded, so that a tree with something
    // else in it is still reported.
    all.retain(|change| !verdicts.is_quiet(change.path, change.class));
    let renamed = renamed(&mut all, before);
    let mut found = folded(&all, before, after);
    found.extend(renamed);
    found
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Folder => "a folder",
        Kind::Link => "a link",
        Kind::Character => "a character device",
        Kind::Block => "a block device",
        Kind::Pipe => "a pipe",
        Kind::Socket => "a socket",
    }
}

/// Folders whose files are read by something else, and what such a file is.
const ROLES: [(&[u8], &str); 12] = [
    (b"/etc/logrotate.d/", "a rule of logrotate"),
    (b"/etc/sysctl.d/", "kernel settings"),
    (b"/usr/lib/sysctl.d/", "kernel settings"),
    (b"/etc/tmpfiles.d/", "rules for temporary files"),
    (b"/usr/lib/tmpfiles.d/", "rules for temporary files"),
    (b"/etc/sysusers.d/", "users to make at boot"),
    (b"/usr/lib/sysusers.d/", "users to make at boot"),
    (b"/etc/ld.so.conf.d/", "folders of libraries"),
    (b"/etc/sudoers.d/", "rights to run as another user"),
    (b"/etc/pam.d/", "rules of who may log in"),
    (b"/etc/udev/rules.d/", "rules for devices"),
    (b"/etc/profile.d/", "commands of each login"),
];

fn role(path: &[u8], entry: &Entry) -> &'static str {
    let found = ROLES.iter().find(|(folder, _)| path.starts_with(folder));
    found
        .filter(|_| entry.kind == Kind::File)
        .map_or_else(|| kind(entry.kind), |(_, role)| role)
}

fn added<'a>(path: &'a Path, entry: &'a Entry, after: &Inventory) -> Change<'a> {
    let (class, detail) = match (&entry.target, entry.is_privileged()) {
        (Some(target), _) if links::is_broken(path, after) => (
            Class::Broken,
            format!("a new link to {}, which is not there", shown(target)),
        ),
        (Some(target), _) => (Class::Added, format!("a link to {}", shown(target))),
        (None, true) => (
            Class::Privilege,
            format!("a new file of mode {:04o}", entry.mode),
        ),
        (None, false) => (Class::Added, role(path, entry).to_owned()),
    };
    Change {
        path,
        class,
        detail,
        entry,
    }
}

/// One finding for a path, the gravest: another kind, more rights, other content, other marks.
fn changed<'a>(
    path: &'a Path,
    old: &Entry,
    new: &'a Entry,
    after: &Inventory,
) -> Option<Change<'a>> {
    let change = |class, detail| {
        Some(Change {
            path,
            class,
            detail,
            entry: new,
        })
    };
    if old.kind != new.kind || old.device != new.device {
        let detail = format!("{} became {}", kind(old.kind), kind(new.kind));
        return change(Class::Type, detail);
    }
    let mut marks = Vec::new();
    if old.mode != new.mode {
        marks.push(format!("mode {:04o} became {:04o}", old.mode, new.mode));
    }
    if (old.uid, old.gid) != (new.uid, new.gid) {
        let (old, new) = ((old.uid, old.gid), (new.uid, new.gid));
        marks.push(format!(
            "owner {}:{} became {}:{}",
            old.0, old.1, new.0, new.1
        ));
    }
    let names: BTreeSet<&Vec<u8>> = old.xattrs.keys().chain(new.xattrs.keys()).collect();
    for name in names {
        match (old.xattrs.get(name), new.xattrs.get(name)) {
            (None, Some(_)) => marks.push(format!("attribute {} came", shown(name))),
            (Some(_), None) => marks.push(format!("attribute {} is gone", shown(name))),
            (old, new) if old != new => marks.push(format!("attribute {} changed", shown(name))),
            _ => {}
        }
    }
    if old.flags != new.flags {
        marks.push(format!("flags {:#x} became {:#x}", old.flags, new.flags));
    }
    if old.kind == Kind::File && old.links != new.links {
        marks.push(format!("{} names became {}", old.links, new.links));
    }
    let content = match (old.hash, new.hash) {
        (Some(old), Some(new)) => old != new,
        _ => old.size != new.size,
    };
    if old.target != new.target {
        let text = |target: &Option<Path>| target.as_deref().map(shown).unwrap_or_default();
        let text = format!(
            "led to {}, leads to {}",
            text(&old.target),
            text(&new.target)
        );
        marks.insert(0, text);
    } else if content {
        marks.insert(0, format!("{} bytes became {}", old.size, new.size));
    }
    let twice = after.texts.get(path).filter(|_| content);
    let twice = twice.and_then(|text| doubled(old, text));
    if let Some(why) = &twice {
        marks.insert(0, why.clone());
    }
    let class = if new.is_privileged() && !old.is_privileged() {
        Class::Privilege
    } else if twice.is_some() {
        Class::Doubled
    } else if content || old.target != new.target {
        Class::Content
    } else {
        Class::Meta
    };
    if marks.is_empty() {
        None
    } else {
        change(class, marks.join(", "))
    }
}

/// Links that led somewhere and do not any more, though they are the same.
fn broken<'a>(before: &'a Inventory, after: &'a Inventory) -> impl Iterator<Item = Change<'a>> {
    let kept = after.files.iter().filter(|(path, entry)| {
        entry.kind == Kind::Link && before.files.get(*path).is_some_and(|old| old == *entry)
    });
    let broken =
        kept.filter(|(path, _)| links::is_broken(path, after) && !links::is_broken(path, before));
    broken.map(|(path, entry)| {
        let target = entry.target.as_deref().map(shown).unwrap_or_default();
        let detail = format!("its target {target} is gone");
        let class = Class::Broken;
        Change {
            path,
            class,
            detail,
            entry,
        }
    })
}

/// Takes out pairs of one file that went and one that came with the same content.
fn renamed(all: &mut Vec<Change<'_>>, before: &Inventory) -> Vec<Finding> {
    let mut went: BTreeMap<(u64, crate::key::Key), Vec<Path>> = BTreeMap::new();
    let mut came = went.clone();
    for change in all.iter() {
        let Some(hash) = change.entry.hash.filter(|_| change.entry.size > 0) else {
            continue;
        };
        let side = match change.class {
            Class::Removed => &mut went,
            Class::Added => &mut came,
            _ => continue,
        };
        side.entry((change.entry.size, hash))
            .or_default()
            .push(change.path.clone());
    }
    let mut found = Vec::new();
    for (key, old) in &went {
        // Where several files are the same, none can be told to be the other.
        let (Some([new]), [old]) = (came.get(key).map(Vec::as_slice), old.as_slice()) else {
            continue;
        };
        all.retain(|change| change.path != new && change.path != old);
        let detail = format!("was {}", shown(old));
        let mut one = finding(Subject::File, Class::Renamed, shown(new), detail);
        one.owner = before.owner(old).cloned();
        found.push(one);
    }
    found
}

/// Folders that came or went as a whole are one finding. What runs with other rights, and what
/// leads nowhere, is never folded away.
fn folded(all: &[Change<'_>], before: &Inventory, after: &Inventory) -> Vec<Finding> {
    let whole: BTreeMap<(&[u8], Class), &Change<'_>> = all
        .iter()
        .filter(|change| change.entry.kind == Kind::Folder)
        .map(|change| ((change.path.as_slice(), change.class), change))
        .collect();
    let mut counts: BTreeMap<(&[u8], Class), u32> = BTreeMap::new();
    let mut found = Vec::new();
    for change in all {
        let top = top(change, &whole);
        if top != change.path.as_slice() {
            *counts.entry((top, change.class)).or_default() += 1;
        }
    }
    for change in all {
        let path = change.path.as_slice();
        if top(change, &whole) != path {
            continue;
        }
        let subject = Subject::File;
        let mut one = finding(subject, change.class, shown(path), change.detail.clone());
        one.count += counts.get(&(path, change.class)).copied().unwrap_or(0);
        one.owner = after.owner(path).or_else(|| before.owner(path)).cloned();
        found.push(one);
    }
    found
}

/// The highest folder that came or went with this path.
fn top<'a>(change: &Change<'a>, whole: &BTreeMap<(&'a [u8], Class), &Change<'a>>) -> &'a [u8] {
    let own = change.path.as_slice();
    if !matches!(change.class, Class::Added | Class::Removed) {
        return own;
    }
    let mut best = own;
    let mut at = own;
    while let Some(slash) = at
        .iter()
        .rposition(|byte| *byte == b'/')
        .filter(|slash| *slash > 0)
    {
        at = &at[..slash];
        match whole.get_key_value(&(at, change.class)) {
            Some(((path, _), _)) => best = path,
            None => break,
        }
    }
    best
}
