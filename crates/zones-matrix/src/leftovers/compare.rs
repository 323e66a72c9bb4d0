//! What differs between two inventories.
//!
//! Things that a file stands for - accounts, services, packages - are compared as such, and the
//! files they are kept in are then no findings of their own: a user that stayed is one finding, not
//! one for each line in four files.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Class, Finding, Subject, Weight};
use super::inventory::{Inventory, Job, Path};
use super::rules::{Rules, Verdicts};
use super::{files, name::shown};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Findings, sorted.
    pub findings: Vec<Finding>,
    /// Patterns of the policy that met nothing: they hide a mistake.
    pub idle: Vec<String>,
}

impl Leftovers {
    /// Whether nothing fails the check.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.weight == Weight::Note)
    }
}

/// Files whose content is compared as what it means.
const MEANT: &[&str] = &[
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/subuid",
    "/etc/subuid-",
    "/etc/subgid",
    "/etc/subgid-",
    "/etc/crontab",
    "/etc/inittab",
    "/etc/ld.so.cache",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
];

/// Whether the content of a file is compared as what it means.
pub(super) fn is_meant(path: &[u8]) -> bool {
    MEANT.iter().any(|known| known.as_bytes() == path)
}

/// Compares two inventories; the first is the earlier one.
#[must_use]
pub fn find(before: &Inventory, after: &Inventory, rules: &Rules<'_>) -> Leftovers {
    let mut found = Vec::new();
    let mut taken: BTreeSet<Path> = BTreeSet::new();
    accounts(before, after, &mut found);
    jobs(
        Subject::Service,
        &before.services,
        &after.services,
        &mut found,
        &mut taken,
    );
    jobs(
        Subject::Cron,
        &before.cron,
        &after.cron,
        &mut found,
        &mut taken,
    );
    packages(before, after, &mut found);
    alternatives(before, after, &mut found, &mut taken);
    diversions(before, after, &mut found);
    let packages = differing(&before.packages, &after.packages);
    let packages: BTreeSet<&str> = packages.map(|(name, ..)| name.as_str()).collect();
    running(before, after, &mut found);
    let is_taken = |path: &Path, class: Class| {
        taken.contains(path)
            || (matches!(class, Class::Content | Class::Doubled)
                && (is_meant(path) || is_list(path)))
            || is_record(path, &packages)
    };
    let mut verdicts = Verdicts::new(rules);
    let quiet = |path: &Path, class| is_taken(path, class);
    let mut files = files::changes(before, after, &quiet, &mut verdicts);
    found.append(&mut files);
    let mut findings: Vec<Finding> = found
        .into_iter()
        .filter_map(|one| verdicts.judge(one))
        .collect();
    findings.sort();
    let idle = verdicts.idle();
    Leftovers { findings, idle }
}

pub(crate) fn finding(subject: Subject, class: Class, name: String, detail: String) -> Finding {
    Finding {
        subject,
        class,
        name,
        detail,
        owner: None,
        count: 1,
        weight: Weight::Fault,
    }
}

/// Keys that only one of two maps has, or both with other values.
fn differing<'a, V: PartialEq>(
    before: &'a BTreeMap<String, V>,
    after: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a String, Option<&'a V>, Option<&'a V>)> {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let gone = gone.map(|(key, value)| (key, Some(value), None));
    let rest = after
        .iter()
        .map(|(key, value)| (key, before.get(key), Some(value)));
    gone.chain(rest)
        .filter(|(_, before, after)| before != after)
}

fn class<V>(before: Option<&V>, after: Option<&V>) -> Class {
    match (before, after) {
        (None, _) => Class::Added,
        (_, None) => Class::Removed,
        _ => Class::Meta,
    }
}

/// A group that comes with a user of the same name is part of that user.
fn accounts(before: &Inventory, after: &Inventory, found: &mut Vec<Finding>) {
    let mut users = BTreeSet::new();
    for (name, old, new) in differing(&before.users, &after.users) {
        let detail = match (old, new) {
            (Some(old), Some(new)) if old.id != new.id => {
                format!("uid {} became {}", old.id, new.id)
            }
            (Some(old), Some(new)) => format!("`{}` became `{}`", old.rest, new.rest),
            (old, new) => format!("uid {}", old.or(new).map_or(0, |account| account.id)),
        };
        if class(old, new) != Class::Meta {
            users.insert((name, class(old, new)));
        }
        found.push(finding(
            Subject::User,
            class(old, new),
            name.clone(),
            detail,
        ));
    }
    for (name, old, new) in differing(&before.groups, &after.groups) {
        if users.contains(&(name, class(old, new))) {
            continue;
        }
        let detail = match (old, new) {
            (Some(old), Some(new)) if old.id != new.id => {
                format!("gid {} became {}", old.id, new.id)
            }
            (Some(old), Some(new)) => format!("`{}` became `{}`", old.rest, new.rest),
            (old, new) => format!("gid {}", old.or(new).map_or(0, |account| account.id)),
        };
        found.push(finding(
            Subject::Group,
            class(old, new),
            name.clone(),
            detail,
        ));
    }
}

fn jobs(
    subject: Subject,
    before: &BTreeMap<String, Job>,
    after: &BTreeMap<String, Job>,
    found: &mut Vec<Finding>,
    taken: &mut BTreeSet<Path>,
) {
    for (name, old, new) in differing(before, after) {
        let paths = |job: Option<&Job>| job.map(|job| job.paths.clone()).unwrap_or_default();
        let (old_paths, new_paths) = (paths(old), paths(new));
        let moved: Vec<&Path> = old_paths.symmetric_difference(&new_paths).collect();
        let mut detail = match (old.map(|job| job.enabled), new.map(|job| job.enabled)) {
            (Some(false) | None, Some(true)) => "enabled".to_owned(),
            (Some(true), Some(false)) => "no longer enabled".to_owned(),
            _ => String::new(),
        };
        if let Some(first) = moved.first() {
            let end = if detail.is_empty() { "" } else { ", " };
            detail += &format!("{end}{}", shown(first));
        }
        if moved.len() > 1 {
            detail += &format!(" and {} more", moved.len() - 1);
        }
        taken.extend(moved.into_iter().cloned());
        found.push(finding(subject, class(old, new), name.clone(), detail));
    }
}

fn packages(before: &Inventory, after: &Inventory, found: &mut Vec<Finding>) {
    for (name, old, new) in differing(&before.packages, &after.packages) {
        let text =
            |package: &super::inventory::Package| format!("{} {}", package.version, package.state);
        let detail = match (old, new) {
            (Some(old), Some(new)) => format!("{} became {}", text(old), text(new)),
            (old, new) => old.or(new).map(text).unwrap_or_default(),
        };
        found.push(finding(
            Subject::Package,
            class(old, new),
            name.clone(),
            detail,
        ));
    }
}

/// Whether a file is dpkg's list of what a package has: a path more in it is a finding where that
/// file is. Source: dpkg(1).
fn is_list(path: &[u8]) -> bool {
    path.starts_with(b"/var/lib/dpkg/info/") && path.ends_with(b".list")
}

/// Whether a file is what dpkg notes of a package, which is a finding itself. Source: dpkg(1).
fn is_record(path: &[u8], packages: &BTreeSet<&str>) -> bool {
    let name = path.strip_prefix(b"/var/lib/dpkg/info/");
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let stem = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(stem, _)| stem);
    stem.is_some_and(|stem| {
        let plain = stem.split(':').next().unwrap_or(stem);
        packages.contains(stem) || packages.contains(plain)
    })
}

fn alternatives(
    before: &Inventory,
    after: &Inventory,
    found: &mut Vec<Finding>,
    taken: &mut BTreeSet<Path>,
) {
    for (name, old, new) in differing(&before.alternatives, &after.alternatives) {
        let detail = match (old, new) {
            (Some(old), Some(new)) if old.text != new.text => {
                format!("{} became {}", old.text, new.text)
            }
            (old, new) => old
                .or(new)
                .map(|record| record.text.clone())
                .unwrap_or_default(),
        };
        for record in [old, new].into_iter().flatten() {
            taken.extend(record.paths.iter().cloned());
        }
        let class = class(old, new);
        found.push(finding(Subject::Alternative, class, name.clone(), detail));
    }
}

fn diversions(before: &Inventory, after: &Inventory, found: &mut Vec<Finding>) {
    for (name, old, new) in differing(&before.diversions, &after.diversions) {
        let detail = match (old, new) {
            (Some(old), Some(new)) => format!("{old} became {new}"),
            (old, new) => old.or(new).cloned().unwrap_or_default(),
        };
        let class = class(old, new);
        found.push(finding(Subject::Diversion, class, name.clone(), detail));
    }
}

/// Only what came counts: that a process of the system ended is no leftover.
fn running(before: &Inventory, after: &Inventory, found: &mut Vec<Finding>) {
    for (command, count) in &after.processes {
        let more = count.saturating_sub(before.processes.get(command).copied().unwrap_or(0));
        if more > 0 {
            let mut one = finding(
                Subject::Process,
                Class::Added,
                command.clone(),
                String::new(),
            );
            one.count = more;
            found.push(one);
        }
    }
    let sets = [
        (Subject::Socket, &before.sockets, &after.sockets),
        (Subject::Ipc, &before.ipc, &after.ipc),
        (Subject::Mount, &before.mounts, &after.mounts),
        (Subject::Rule, &before.rules, &after.rules),
        (Subject::Key, &before.keys, &after.keys),
    ];
    for (subject, before, after) in sets {
        for name in after.difference(before) {
            found.push(finding(subject, Class::Added, name.clone(), String::new()));
        }
    }
}
