//! The steps between both sides.

use std::collections::{HashMap, HashSet};

use zones_ips::preserve::Direction;
use zones_ips::{Action, ActionKind, ImagePath};

use super::collect::{Entry, Key, Side, Table};
use super::{Item, MediatorChange, Plan, Step, Way, chosen};

/// Attributes of a file that say nothing of how it is laid down.
const SILENT: [&str; 8] = [
    "chash",
    "pkg.csize",
    "pkg.size",
    "pkg.content-hash",
    "pkg.hash.sha256",
    "pkg.chash.sha256",
    "elfhash",
    "original_name",
];

/// Compares both sides. Outcomes and folders come later.
pub(super) fn compare(table: &Table<'_>) -> Plan {
    let mut pairs = pairs(table);
    join_renamed(table, &mut pairs);
    let mut plan = Plan {
        packages: table.packages.iter().map(|it| (*it).clone()).collect(),
        changes: table.changes.clone(),
        mediators: mediators(table),
        is_policy_changed: table.is_policy_changed,
        ..Plan::default()
    };
    for pair in pairs.into_values() {
        let step = |way| Step {
            from: pair.from,
            to: pair.to,
            way: Way::Change(way),
            outcome: None,
            removal: None,
        };
        match (pair.from, pair.to) {
            (None, None) => {}
            (Some(_), None) => plan.removals.push(step(Direction::Upgrade)),
            (None, Some(_)) => plan.installs.push(step(Direction::Initial)),
            (Some(from), Some(to)) => {
                if !is_alike(table.action(from), table.action(to)) {
                    plan.updates.push(step(direction(table, from, to)));
                }
            }
        }
    }
    split_folders(table, &mut plan);
    let links = table.items(&table.after);
    relink(
        &mut plan,
        links.filter(|(_, action)| chosen::is_chosen(action, &table.after.choices).unwrap_or(true)),
    );
    sort(&mut plan);
    plan.silent = silent(table);
    plan
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    from: Option<Item>,
    to: Option<Item>,
}

fn pairs<'a>(table: &Table<'a>) -> HashMap<Key<'a>, Pair> {
    let pair = |(key, entry): (&Key<'a>, &Entry)| {
        let pair = Pair {
            from: effective(table, &table.before, &entry.before),
            to: effective(table, &table.after, &entry.after),
        };
        (*key, pair)
    };
    table.entries.iter().map(pair).collect()
}

/// Which of several deliverers the image has: the chosen link, the overlaying file, or the first.
pub(super) fn effective(table: &Table<'_>, side: &Side<'_>, items: &[Item]) -> Option<Item> {
    let chosen =
        |item: &&Item| chosen::is_chosen(table.action(**item), &side.choices).unwrap_or(true);
    let overlays = |item: &Item| table.action(*item).get("overlay") == Some("true");
    let mut chosen: Vec<_> = items.iter().filter(chosen).copied().collect();
    chosen.sort_by_key(|item| (!overlays(item), *item));
    chosen.first().copied()
}

/// A file that comes and says that it was another one's, which goes, follows it.
fn join_renamed<'a>(table: &Table<'a>, pairs: &mut HashMap<Key<'a>, Pair>) {
    let mut joined = Vec::new();
    for (key, pair) in &*pairs {
        let (None, Some(to)) = (pair.from, pair.to) else {
            continue;
        };
        let name = table.action(to).get("original_name");
        let Some((stem, path)) = name.and_then(|name| name.rsplit_once(':')) else {
            continue;
        };
        let old = pairs.get_key_value(&Key::Path(path.trim_start_matches('/')));
        if let Some((
            old,
            Pair {
                from: Some(from),
                to: None,
            },
        )) = old
            && table.fmri(*from).stem().as_str() == stem
            && table.action(*from).kind() == ActionKind::File
        {
            joined.push((*key, *old, *from));
        }
    }
    joined.sort();
    for (key, old, from) in joined {
        // The first of several that claim one file has it.
        if pairs.remove(&old).is_some()
            && let Some(pair) = pairs.get_mut(&key)
        {
            pair.from = Some(from);
        }
    }
}

/// A folder that becomes something else, or something that becomes a folder, goes before it comes.
fn split_folders(table: &Table<'_>, plan: &mut Plan) {
    let is_folder =
        |item: Option<Item>| item.is_some_and(|item| table.action(item).kind() == ActionKind::Dir);
    let (split, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.updates)
        .into_iter()
        .partition(|step: &Step| is_folder(step.from) != is_folder(step.to));
    plan.updates = kept;
    for step in split {
        plan.removals.push(Step { to: None, ..step });
        plan.installs.push(Step {
            from: None,
            way: Way::Change(Direction::Initial),
            ..step
        });
    }
}

fn direction(table: &Table<'_>, from: Item, to: Item) -> Direction {
    let (from, to) = (table.fmri(from), table.fmri(to));
    if from.stem() == to.stem() && to.version() < from.version() {
        Direction::Downgrade
    } else {
        Direction::Upgrade
    }
}

/// Whether both leave the same on disk.
fn is_alike(from: &Action, to: &Action) -> bool {
    let same = |keys: &[&str]| keys.iter().all(|key| from.get(key) == to.get(key));
    if from.kind() != to.kind() || from.key() != to.key() {
        return false;
    }
    match to.kind() {
        ActionKind::Dir => same(&["mode", "owner", "group"]) && extras(from) == extras(to),
        ActionKind::Link | ActionKind::Hardlink => same(&["target"]),
        ActionKind::File => is_alike_file(from, to),
        ActionKind::License => from.payload() == to.payload(),
        ActionKind::Legacy => true,
        _ => from.is_same(to),
    }
}

fn extras(action: &Action) -> Vec<(&str, &str)> {
    action.attributes().beginning("linux.").collect()
}

fn is_alike_file(from: &Action, to: &Action) -> bool {
    if from == to {
        return true;
    }
    let telling = |action: &Action| -> Vec<(String, String)> {
        let pairs = action.attributes().iter();
        let tags = |key: &str| key.starts_with("variant.") || key.starts_with("facet.");
        let told = pairs.filter(|(key, _)| !SILENT.contains(key) && !tags(key));
        let mut told: Vec<_> = told.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        told.sort();
        told
    };
    from.payload() == to.payload() && telling(from) == telling(to)
}

/// A file that is written anew is another inode: hard links to it are made anew too, and not
/// before it.
pub(crate) fn relink<'a>(plan: &mut Plan, things: impl Iterator<Item = (Item, &'a Action)>) {
    wait_for_files(plan);
    let steps = plan.installs.iter().chain(&plan.updates);
    let coming: Vec<Item> = steps.filter_map(|step| step.to).collect();
    let mut written = HashSet::new();
    let mut linked = HashSet::new();
    for item in coming {
        let action = plan.action(item);
        match action.kind() {
            ActionKind::File => drop(written.insert(action.key().unwrap_or_default().to_owned())),
            ActionKind::Hardlink => drop(linked.insert(item)),
            _ => {}
        }
    }
    if written.is_empty() {
        return;
    }
    for (item, action) in things {
        if action.kind() != ActionKind::Hardlink || linked.contains(&item) {
            continue;
        }
        let target = hardlink_target(action);
        if target.is_some_and(|target| written.contains(&*target)) {
            plan.updates.push(Step {
                from: Some(item),
                to: Some(item),
                way: Way::Change(Direction::Repair),
                outcome: None,
                removal: None,
            });
        }
    }
}

/// New hard links to files that are updated come with the updates.
fn wait_for_files(plan: &mut Plan) {
    let updated = plan.updates.iter().filter_map(|step| step.to);
    let updated: HashSet<String> = updated
        .map(|item| plan.action(item))
        .filter(|action| action.kind() == ActionKind::File)
        .map(|action| action.key().unwrap_or_default().to_owned())
        .collect();
    let waits = |step: &Step| {
        let action = step.to.map(|item| plan.action(item));
        let link = action.filter(|action| action.kind() == ActionKind::Hardlink);
        let target = link.and_then(hardlink_target);
        target.is_some_and(|target| updated.contains(&*target))
    };
    let installs = plan.installs.iter().copied();
    let (late, early): (Vec<_>, Vec<_>) = installs.partition(waits);
    plan.installs = early;
    plan.updates.extend(late);
}

/// Where a hard link leads, within the image: relative to the folder of the link, or absolute.
pub(crate) fn hardlink_target(action: &Action) -> Option<ImagePath> {
    let (path, target) = (action.key()?, action.target()?);
    let mut parts: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        parts.extend(path.split('/'));
        parts.pop();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    parts.join("/").parse().ok()
}

/// Ordinality: by kind; files by folder, other things by path, users and groups by number;
/// removals reversed.
pub(crate) fn sort(plan: &mut Plan) {
    let mut lists = [
        std::mem::take(&mut plan.removals),
        std::mem::take(&mut plan.installs),
        std::mem::take(&mut plan.updates),
    ];
    let rank = |step: &Step| {
        let item = step.to.or(step.from);
        let action = item.map(|item| plan.action(item));
        let id = action.and_then(|action| action.get("gid").or_else(|| action.get("uid")));
        let number: u32 = id.and_then(|id| id.parse().ok()).unwrap_or(1024);
        let path = action.and_then(Action::key).unwrap_or_default();
        let is_file = action.is_some_and(|action| action.kind() == ActionKind::File);
        let folder = path
            .rfind('/')
            .filter(|_| is_file)
            .map_or("", |at| &path[..at]);
        (action.map(Action::kind), number, folder, path, item)
    };
    for steps in &mut lists {
        steps.sort_by_cached_key(rank);
    }
    let [mut removals, installs, updates] = lists;
    removals.reverse();
    plan.removals = removals;
    plan.installs = installs;
    plan.updates = updates;
}

fn mediators(table: &Table<'_>) -> Vec<MediatorChange> {
    let (old, new) = (&table.before.choices, &table.after.choices);
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| MediatorChange {
        mediator: name.clone(),
        from: old.get(name).cloned(),
        to: new.get(name).cloned(),
    };
    let changes = names.into_iter().map(change);
    changes.filter(|change| change.from != change.to).collect()
}

/// Actions that change no file but are counted: all of packages that come or go, the new ones of
/// those that change.
fn silent(table: &Table<'_>) -> [usize; 3] {
    let words = |at: usize| -> HashSet<String> {
        let actions = table.packages[at].manifest.actions().iter();
        let silent = actions.filter(|action| {
            let kind = action.kind();
            super::collect::key(&table.packages[at].fmri, action).is_none()
                && kind != ActionKind::Signature
        });
        silent.map(ToString::to_string).collect()
    };
    let number: HashMap<_, _> = table
        .packages
        .iter()
        .enumerate()
        .map(|(at, package)| (&package.fmri, at))
        .collect();
    let of = |fmri: &Option<_>| fmri.as_ref().map(|fmri| words(number[fmri]));
    let mut counts = [0; 3];
    for change in &table.changes {
        match (of(&change.from), of(&change.to)) {
            (Some(old), None) => counts[0] += old.len(),
            (None, Some(new)) => counts[1] += new.len(),
            (Some(old), Some(new)) => counts[2] += new.difference(&old).count(),
            (None, None) => {}
        }
    }
    counts
}
