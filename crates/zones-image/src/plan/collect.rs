//! Everything that is delivered before and after, by what it is delivered to.

use std::collections::{BTreeMap, HashMap, HashSet};

use zones_ips::mediator::{Choice, Mediation};
use zones_ips::{Action, ActionError, ActionKind, Fmri};

use super::{Change, Item, Package, PlanError, Policy, Request, chosen};

/// A thing in the image that actions deliver to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key<'a> {
    Group(&'a str),
    User(&'a str),
    Path(&'a str),
    Driver(&'a str),
    /// Licences of several packages may have one name.
    License(&'a str, &'a str),
    Legacy(&'a str),
}

/// What is delivered to one thing.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) before: Vec<Item>,
    pub(super) after: Vec<Item>,
}

/// The packages and policy of one side.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) policy: &'a Policy,
    /// Whether the package with this number is there.
    pub(super) has: Vec<bool>,
    /// What its mediators choose.
    pub(super) choices: BTreeMap<String, Choice>,
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// All packages of both sides, each once.
    pub(super) packages: Vec<&'a Package>,
    pub(super) before: Side<'a>,
    pub(super) after: Side<'a>,
    pub(super) changes: Vec<Change>,
    /// Things to which a changed package delivers, with the folders above them.
    pub(super) entries: HashMap<Key<'a>, Entry>,
    pub(super) is_policy_changed: bool,
}

/// What a silent action delivers to: nothing.
pub(crate) fn key<'a>(fmri: &'a Fmri, action: &'a Action) -> Option<Key<'a>> {
    let name = action.key()?;
    Some(match action.kind() {
        ActionKind::Group => Key::Group(name),
        ActionKind::User => Key::User(name),
        ActionKind::Driver => Key::Driver(name),
        ActionKind::License => Key::License(fmri.stem().as_str(), name),
        ActionKind::Legacy => Key::Legacy(name),
        ActionKind::Dir | ActionKind::File | ActionKind::Hardlink | ActionKind::Link => {
            Key::Path(name)
        }
        ActionKind::Set | ActionKind::Depend | ActionKind::Unknown | ActionKind::Signature => {
            return None;
        }
    })
}

impl Policy {
    /// Whether the image takes the action, as far as mediators have no say.
    pub(crate) fn allow(&self, action: &Action) -> bool {
        self.variants.allow(action) && self.facets.allow(action) && !self.excludes(action)
    }

    fn excludes(&self, action: &Action) -> bool {
        if self.excluded.is_empty() || !action.kind().row().has_path {
            return false;
        }
        let path = action.key().unwrap_or_default();
        self.excluded.iter().any(|top| is_at_or_below(path, top))
    }
}

/// Whether `path` is `top` or lies below it.
pub(crate) fn is_at_or_below(path: &str, top: &str) -> bool {
    let rest = path.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folders above a path, the nearest first.
pub(crate) fn parents(path: &str) -> impl Iterator<Item = &str> {
    let above = |path: &&'_ str| path.rfind('/');
    let first = above(&path).map(|at| &path[..at]);
    std::iter::successors(first, move |path| above(path).map(|at| &path[..at]))
}

/// Numbers of packages on one side, and the packages that stand on both.
struct Numbering<'a> {
    packages: Vec<&'a Package>,
    before: Vec<bool>,
    after: Vec<bool>,
}

impl<'a> Numbering<'a> {
    fn of(request: &Request<'a>) -> Self {
        let mut packages: Vec<&Package> = request.installed.iter().collect();
        let mut after = vec![false; packages.len()];
        let known: HashMap<_, _> = packages
            .iter()
            .enumerate()
            .map(|(at, package)| (&package.fmri, at))
            .collect();
        let mut new = Vec::new();
        for package in request.wanted {
            match known.get(&package.fmri) {
                Some(at) => after[*at] = true,
                None => new.push(package),
            }
        }
        let mut before = vec![true; packages.len()];
        before.resize(packages.len() + new.len(), false);
        after.resize(packages.len() + new.len(), true);
        packages.extend(new);
        Self {
            packages,
            before,
            after,
        }
    }

    fn changes(&self) -> Vec<Change> {
        let mut by_stem: BTreeMap<_, Change> = BTreeMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            if self.before[at] == self.after[at] {
                continue;
            }
            let none = Change {
                from: None,
                to: None,
            };
            let change = by_stem.entry(package.fmri.stem()).or_insert(none);
            let side = if self.before[at] {
                &mut change.from
            } else {
                &mut change.to
            };
            *side = Some(package.fmri.clone());
        }
        by_stem.into_values().collect()
    }
}

impl<'a> Table<'a> {
    pub(super) fn of(request: &Request<'a>) -> Result<Self, PlanError> {
        let numbering = Numbering::of(request);
        let changes = numbering.changes();
        let packages = numbering.packages;
        let side = |policy: &'a Policy, has: Vec<bool>| -> Result<Side<'a>, PlanError> {
            let mut side = Side {
                policy,
                has,
                choices: BTreeMap::new(),
            };
            side.choices = choices(&packages, &side)?;
            Ok(side)
        };
        let before = side(request.before, numbering.before)?;
        let after = side(request.after, numbering.after)?;
        let (old, new) = (request.before, request.after);
        let is_policy_changed = old.variants != new.variants || old.facets != new.facets;
        let is_all = is_policy_changed || old.excluded != new.excluded;
        let mut table = Self {
            packages,
            before,
            after,
            changes,
            entries: HashMap::new(),
            is_policy_changed,
        };
        table.fill(is_all)?;
        Ok(table)
    }

    pub(super) fn action(&self, item: Item) -> &'a Action {
        &self.packages[item.package()].manifest.actions()[item.action()]
    }

    pub(super) fn fmri(&self, item: Item) -> &'a Fmri {
        &self.packages[item.package()].fmri
    }

    /// All things that one side takes, mediated links that are not chosen among them.
    pub(super) fn items<'s>(
        &'s self,
        side: &'s Side<'a>,
    ) -> impl Iterator<Item = (Item, &'a Action)> + 's {
        let present = (0..self.packages.len()).filter(|at| side.has[*at]);
        present.flat_map(move |at| taken(self.packages[at], at, side.policy))
    }

    fn fill(&mut self, is_all: bool) -> Result<(), PlanError> {
        let rechosen: HashSet<&str> = {
            let (old, new) = (&self.before.choices, &self.after.choices);
            let names = old.keys().chain(new.keys()).map(String::as_str);
            names
                .filter(|name| old.get(*name) != new.get(*name))
                .collect()
        };
        let is_changed = |at: usize| is_all || self.before.has[at] != self.after.has[at];
        let mut entries: HashMap<Key<'a>, Entry> = HashMap::new();
        for is_first in [true, false] {
            for (at, package) in self.packages.iter().enumerate() {
                for (number, action) in package.manifest.actions().iter().enumerate() {
                    let Some(key) = key(&package.fmri, action) else {
                        continue;
                    };
                    let is_moved = is_changed(at) || is_rechosen(action, &rechosen);
                    if is_moved != is_first {
                        continue;
                    }
                    let on = |side: &Side<'_>| side.has[at] && side.policy.allow(action);
                    let (before, after) = (on(&self.before), on(&self.after));
                    if !before && !after {
                        continue;
                    }
                    if is_first {
                        check(package, action, self.after.policy, after)?;
                        above(&mut entries, key);
                        entries.entry(key).or_default();
                    }
                    if let Some(entry) = entries.get_mut(&key) {
                        let item = Item::new(at, number);
                        entry.before.extend(before.then_some(item));
                        entry.after.extend(after.then_some(item));
                    }
                }
            }
        }
        self.entries = entries;
        Ok(())
    }
}

/// Makes entries for the folders above a path: what is delivered there may be no folder. Where one
/// is known, those above it are.
fn above<'a>(entries: &mut HashMap<Key<'a>, Entry>, key: Key<'a>) {
    let Key::Path(path) = key else {
        return;
    };
    if entries.contains_key(&key) {
        return;
    }
    for parent in parents(path) {
        let mut is_known = true;
        entries.entry(Key::Path(parent)).or_insert_with(|| {
            is_known = false;
            Entry::default()
        });
        if is_known {
            return;
        }
    }
}

fn is_rechosen(action: &Action, rechosen: &HashSet<&str>) -> bool {
    !rechosen.is_empty()
        && chosen::is_mediated(action)
        && action
            .get("mediator")
            .is_some_and(|name| rechosen.contains(name))
}

fn taken<'a>(
    package: &'a Package,
    at: usize,
    policy: &Policy,
) -> impl Iterator<Item = (Item, &'a Action)> {
    let actions = package.manifest.actions().iter().enumerate();
    let allowed = actions.filter(|(_, action)| policy.allow(action));
    allowed.map(move |(number, action)| (Item::new(at, number), action))
}

fn choices(packages: &[&Package], side: &Side<'_>) -> Result<BTreeMap<String, Choice>, PlanError> {
    let mut links: Vec<Mediation> = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        if !side.has[at] {
            continue;
        }
        for action in package.manifest.actions() {
            if chosen::is_mediated(action) && side.policy.allow(action) {
                let read = action.mediation();
                links.extend(read.map_err(|source| wrong(package, source))?);
            }
        }
    }
    Ok(chosen::choices(links.iter(), side.policy))
}

fn wrong(package: &Package, source: ActionError) -> PlanError {
    PlanError::Action {
        fmri: Box::new(package.fmri.clone()),
        source,
    }
}

/// What is to be laid down must be whole; what is there already must only name a path that cannot
/// leave the image.
fn check(
    package: &Package,
    action: &Action,
    policy: &Policy,
    is_coming: bool,
) -> Result<(), PlanError> {
    let wrong = |source| wrong(package, source);
    if is_coming {
        action.check().map_err(wrong)?;
    }
    if !action.kind().row().has_path {
        return Ok(());
    }
    let path = action.path().map_err(wrong)?;
    let is_reserved = |top: &str| path.as_str() != top && is_at_or_below(path.as_str(), top);
    if is_coming && policy.reserved.iter().any(|top| is_reserved(top)) {
        return Err(PlanError::Reserved {
            fmri: Box::new(package.fmri.clone()),
            path: path.to_owned(),
        });
    }
    Ok(())
}
