//! Dependencies of Debian packages in the words of pkg(7).
//!
//! Only what stands in the root is named, since nothing else is imported: a choice between packages
//! is one between those that are there, and a name that several provide is all of them.

use std::collections::{BTreeMap, BTreeSet};

use zones_debian::Relation;
use zones_debian::depends::{Target, alternatives, groups};
use zones_ips::Action;

use crate::database::Installed;
use crate::error::Result;
use crate::say::depend;
use crate::version::{component, just_after};

/// All packages of a root by name, and who provides what.
#[derive(Debug, Default)]
pub(crate) struct World<'a> {
    versions: BTreeMap<&'a str, &'a str>,
    provided: BTreeMap<&'a str, Vec<(&'a str, Option<&'a str>)>>,
}

impl<'a> World<'a> {
    pub(crate) fn new(packages: &'a [Installed]) -> Self {
        let mut world = Self::default();
        for package in packages {
            world.versions.insert(&package.name, &package.version);
            for target in groups(package.field("provides")).filter_map(Target::parse) {
                let provider = (package.name.as_str(), target.version.map(|it| it.1));
                world
                    .provided
                    .entry(target.name)
                    .or_default()
                    .push(provider);
            }
        }
        world
    }

    /// All dependencies of a package.
    pub(crate) fn depends(&self, package: &Installed) -> Result<Vec<Action>> {
        // Kind and targets; sorted, and none twice.
        let mut found: BTreeSet<(&str, Vec<String>)> = BTreeSet::new();
        for field in ["pre-depends", "depends"] {
            for group in groups(package.field(field)) {
                self.require(package, group, &mut found);
            }
        }
        for group in groups(package.field("recommends")) {
            let targets = self.satisfiers(package, group);
            match targets.as_slice() {
                [] => {}
                [one] => _ = found.insert(("group", vec![one.0.to_owned()])),
                all => {
                    let names = all.iter().map(|it| it.0.to_owned());
                    found.insert(("group-any", names.collect()));
                }
            }
        }
        for field in ["breaks", "conflicts"] {
            for target in groups(package.field(field)).filter_map(Target::parse) {
                found.extend(against(package, &target));
            }
        }
        found
            .iter()
            .map(|(kind, targets)| depend(kind, targets))
            .collect()
    }

    fn require(
        &self,
        package: &Installed,
        group: &str,
        found: &mut BTreeSet<(&'static str, Vec<String>)>,
    ) {
        let targets = self.satisfiers(package, group);
        let [(name, relation)] = targets.as_slice() else {
            if !targets.is_empty() {
                let least = targets
                    .iter()
                    .map(|(name, relation)| at_least(name, *relation));
                found.insert(("require-any", least.collect()));
            }
            return;
        };
        found.insert(("require", vec![at_least(name, *relation)]));
        match relation {
            Some((Relation::Earlier, version)) => {
                found.insert(("exclude", vec![format!("{name}@{}", component(version))]));
            }
            Some((Relation::AtMost, version)) => {
                found.insert(("exclude", vec![format!("{name}@{}", just_after(version))]));
            }
            Some((Relation::Exactly, version)) => {
                found.insert((
                    "incorporate",
                    vec![format!("{name}@{}", component(version))],
                ));
            }
            _ => {}
        }
    }

    /// The packages of the root that satisfy a group, each with what is asked of its version.
    fn satisfiers<'g>(
        &'g self,
        package: &Installed,
        group: &'g str,
    ) -> Vec<(&'g str, Option<(Relation, &'g str)>)> {
        let mut found: Vec<(&str, Option<(Relation, &str)>)> = Vec::new();
        for target in alternatives(group) {
            let real = self
                .versions
                .get(target.name)
                .filter(|it| target.accepts(it));
            if real.is_some() {
                found.push((target.name, target.version));
            }
            let providers = self.provided.get(target.name).into_iter().flatten();
            let fit = providers.filter(|(_, version)| target.accepts_provided(*version));
            found.extend(fit.map(|(name, _)| (*name, None)));
        }
        // What a package provides itself it need not ask for.
        if found.iter().any(|(name, _)| *name == package.name) {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        found.retain(|(name, _)| seen.insert(*name));
        found
    }
}

fn at_least(name: &str, relation: Option<(Relation, &str)>) -> String {
    match relation {
        Some((Relation::AtLeast | Relation::Exactly, version)) => {
            format!("{name}@{}", component(version))
        }
        Some((Relation::Later, version)) => format!("{name}@{}", just_after(version)),
        _ => name.to_owned(),
    }
}

/// What a package does not stand beside. An exact version cannot be excluded alone, and is not.
fn against(package: &Installed, target: &Target<'_>) -> Option<(&'static str, Vec<String>)> {
    if target.name == package.name {
        return None;
    }
    let (kind, version) = match target.version {
        None => return Some(("exclude", vec![target.name.to_owned()])),
        Some((Relation::Earlier, version)) => ("optional", component(version)),
        Some((Relation::AtMost, version)) => ("optional", just_after(version)),
        Some((Relation::AtLeast, version)) => ("exclude", component(version)),
        Some((Relation::Later, version)) => ("exclude", just_after(version)),
        Some((Relation::Exactly, _)) => return None,
    };
    Some((kind, vec![format!("{}@{version}", target.name)]))
}
