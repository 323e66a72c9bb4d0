//! The packages of a root from their parts.

use std::collections::{BTreeMap, BTreeSet};

use zones_ips::{Action, ActionKind, DotSequence};

use super::owners::{Parts, UNOWNED, companion};
use super::{Package, Whole, arch_variant, stem};
use crate::accounts::Accounts;
use crate::database::Installed;
use crate::depends::World;
use crate::error::Result;
use crate::say::{self, depend, set};
use crate::version::component;

/// The package with the users and groups.
const ACCOUNTS: &str = "system/accounts";

/// The group of what every system has.
const CORE: &str = "system/core";

pub(super) fn make(
    installed: &[Installed],
    world: &World<'_>,
    accounts: &Accounts,
    parts: &mut Parts,
    whole: &Whole,
) -> Result<Vec<Package>> {
    let system = whole.release.clone();
    let variant = match arch_variant(&whole.architecture) {
        Some((name, value)) => vec![set(name, &value)?],
        None => Vec::new(),
    };
    let mut packages = Vec::new();
    let mut done = BTreeSet::new();
    for package in installed {
        // Of two architectures the first has the files; the names are the same.
        if !done.insert(&package.name) {
            continue;
        }
        let component = component(&package.version);
        let name = companion(&package.name);
        let changed = parts.actions.remove(&name);
        let more = match package.architecture.as_str() {
            "all" => &[][..],
            _ => &variant,
        };
        packages.push(debian(package, world, parts, changed.is_some(), more)?);
        if let Some(mut actions) = changed {
            let summary = format!("files that the scripts of {} changed", package.name);
            actions.push(set("pkg.summary", &summary)?);
            actions.extend(variant.clone());
            packages.push(finish(&name, component, actions, BTreeMap::new())?);
        }
    }
    let mut unowned = parts.actions.remove(UNOWNED).unwrap_or_default();
    unowned.push(set(
        "pkg.summary",
        "files that no package lists: scripts made them",
    )?);
    unowned.extend(variant.clone());
    packages.push(finish(UNOWNED, system.clone(), unowned, BTreeMap::new())?);
    let mut users = accounts.actions.clone();
    users.push(set("pkg.summary", "users and groups")?);
    packages.push(finish(ACCOUNTS, system.clone(), users, BTreeMap::new())?);
    packages.push(finish(CORE, system, core(installed)?, BTreeMap::new())?);
    packages.sort_by(|a, b| a.stem.cmp(&b.stem));
    Ok(packages)
}

/// The number of a release of the distribution. Source: os-release(5).
pub(super) fn release_of(text: &str) -> DotSequence {
    let line = text.lines().find_map(|it| it.strip_prefix("VERSION_ID="));
    let number = line
        .map(|it| it.trim_matches('"'))
        .and_then(|it| it.parse().ok());
    number.unwrap_or_else(|| component("0"))
}

fn debian(
    package: &Installed,
    world: &World<'_>,
    parts: &mut Parts,
    has_companion: bool,
    more: &[Action],
) -> Result<Package> {
    let mut actions = parts.actions.remove(&package.name).unwrap_or_default();
    actions.extend(more.iter().cloned());
    actions.extend(world.depends(package)?);
    actions.extend(sets(package)?);
    if has_companion {
        actions.push(depend("require", &[companion(&package.name)])?);
    }
    let mut licenses = BTreeMap::new();
    if let Some((path, hash)) = parts.licenses.get(&package.name) {
        let pairs = [("license", package.name.as_str())];
        actions.push(say::action(ActionKind::License, Some(hash), pairs)?);
        licenses.insert(package.name.clone(), path.clone());
    }
    finish(
        &package.name,
        component(&package.version),
        actions,
        licenses,
    )
}

/// What a package says of itself.
fn sets(package: &Installed) -> Result<Vec<Action>> {
    let description = package.field("description");
    let (summary, rest) = description.split_once('\n').unwrap_or((description, ""));
    let text: Vec<&str> = rest.lines().map(str::trim).collect();
    let text = text.iter().map(|it| if *it == "." { "" } else { it });
    let text = text.collect::<Vec<_>>().join(" ").trim().to_owned();
    let source = package.field("source");
    let (source, source_version) = match source.split_once(" (") {
        Some((name, version)) => (name, version.trim_end_matches(')')),
        None if source.is_empty() => (package.name.as_str(), package.version.as_str()),
        None => (source, package.version.as_str()),
    };
    let rows = [
        ("pkg.summary", summary),
        ("pkg.description", &text),
        ("pkg.human-version", &package.version),
        ("info.upstream-url", package.field("homepage")),
        ("info.maintainer", package.field("maintainer")),
        ("debian.package", &package.name),
        ("debian.version", &package.version),
        ("debian.architecture", &package.architecture),
        ("debian.section", package.field("section")),
        ("debian.source", source),
        ("debian.source-version", source_version),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(name, value)| set(name, value)).collect()
}

/// What every system has: the essential packages, and others that may be left out.
fn core(installed: &[Installed]) -> Result<Vec<Action>> {
    let mut actions = vec![set("pkg.summary", "what every system has")?];
    for name in [ACCOUNTS, UNOWNED] {
        actions.push(depend("require", &[name.to_owned()])?);
    }
    let mut done = BTreeSet::new();
    for package in installed.iter().filter(|it| done.insert(&it.name)) {
        let is_essential = package.field("essential") == "yes";
        let kind = match package.field("priority") {
            _ if is_essential => "require",
            "required" => "require",
            "important" | "standard" => "group",
            _ => continue,
        };
        actions.push(depend(kind, std::slice::from_ref(&package.name))?);
    }
    Ok(actions)
}

/// Sorts the actions, and asks for the users that files belong to.
fn finish(
    name: &str,
    component: DotSequence,
    mut actions: Vec<Action>,
    licenses: BTreeMap<String, String>,
) -> Result<Package> {
    let is_root = |key: &str, it: &Action| it.get(key).is_none_or(|name| name == "root");
    let is_foreign = |it: &Action| !is_root("owner", it) || !is_root("group", it);
    let lays = |it: &Action| matches!(it.kind(), ActionKind::File | ActionKind::Dir);
    if actions.iter().any(|it| lays(it) && is_foreign(it)) {
        actions.push(depend("require", &[ACCOUNTS.to_owned()])?);
    }
    let mut lines: Vec<(String, Action)> =
        actions.into_iter().map(|it| (it.to_string(), it)).collect();
    lines.sort_by(|(a, left), (b, right)| (left.kind(), a).cmp(&(right.kind(), b)));
    lines.dedup_by(|a, b| a.0 == b.0);
    Ok(Package {
        stem: stem(name)?,
        component,
        actions: lines.into_iter().map(|(_, action)| action).collect(),
        licenses,
    })
}
