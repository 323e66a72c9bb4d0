//! Which packages are meant.

use std::collections::{BTreeMap, BTreeSet};

use zones_ips::catalog::{BASE, Catalog, DEPENDENCY};
use zones_ips::{Action, ActionKind, Digest, Fmri, Pattern, Publisher};

use crate::error::{RepositoryError, Result};
use crate::source::Source;

/// Which versions of a package are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// The newest one.
    #[default]
    Latest,
    /// Of each version the newest timestamp.
    AllVersions,
    /// All.
    AllTimestamps,
}

/// What to receive.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names; none means all.
    pub patterns: Vec<Pattern>,
    /// Which versions.
    pub versions: Versions,
    /// With what they depend on, in the versions that the dependencies name or newer.
    pub is_recursive: bool,
}

/// A package to receive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The package.
    pub fmri: Fmri,
    /// The SHA-1 of its manifest, from the catalog.
    pub digest: Option<Digest>,
}

/// The packages of a source that a selection means, in their order.
///
/// # Errors
///
/// A catalog cannot be read, or a pattern matches nothing.
pub fn select(source: &dyn Source, selection: &Selection) -> Result<Vec<Wanted>> {
    let mut catalogs = Vec::new();
    for publisher in source.publishers()? {
        catalogs.push((publisher.clone(), source.catalog(&publisher)?));
    }
    let bases = catalogs
        .iter()
        .filter_map(|(_, catalog)| catalog.part(BASE));
    let all: BTreeMap<Fmri, Option<Digest>> = bases
        .flat_map(|base| base.iter())
        .map(|(fmri, entry)| (fmri, entry.manifest_digest()))
        .collect();
    let mut chosen = BTreeSet::new();
    for pattern in &selection.patterns {
        let matching = all.keys().filter(|fmri| pattern.match_fmri(fmri).is_some());
        let matching: Vec<_> = matching.cloned().collect();
        if matching.is_empty() {
            return Err(RepositoryError::Source {
                location: source.location(),
                why: format!("no package matches '{pattern}'"),
            });
        }
        chosen.extend(cut(matching, selection.versions));
    }
    if selection.patterns.is_empty() {
        chosen.extend(cut(all.keys().cloned().collect(), selection.versions));
    }
    if selection.is_recursive {
        follow(&all, &catalogs, selection.versions, &mut chosen);
    }
    let digest = |fmri: &Fmri| all.get(fmri).copied().flatten();
    let wanted = chosen.into_iter().map(|fmri| Wanted {
        digest: digest(&fmri),
        fmri,
    });
    Ok(wanted.collect())
}

/// Of packages in their order those that `versions` means.
fn cut(mut packages: Vec<Fmri>, versions: Versions) -> Vec<Fmri> {
    packages.sort();
    let is_same = |left: &Fmri, right: &Fmri| {
        let parts = |fmri: &Fmri| (fmri.publisher().cloned(), fmri.stem().clone());
        let timeless = |fmri: &Fmri| fmri.version().map(|version| version.timeless());
        parts(left) == parts(right)
            && (versions == Versions::Latest || timeless(left) == timeless(right))
    };
    if versions != Versions::AllTimestamps {
        packages.reverse();
        packages.dedup_by(|older, newer| is_same(older, newer));
        packages.reverse();
    }
    packages
}

/// Adds what the chosen packages depend on, and what that does.
fn follow(
    all: &BTreeMap<Fmri, Option<Digest>>,
    catalogs: &[(Publisher, Catalog)],
    versions: Versions,
    chosen: &mut BTreeSet<Fmri>,
) {
    let mut open: Vec<Fmri> = chosen.iter().cloned().collect();
    while let Some(fmri) = open.pop() {
        for wanted in depends(catalogs, &fmri) {
            let fits = |own: &&Fmri| {
                let is_version = match (wanted.version(), own.version()) {
                    (Some(least), Some(version)) => version.satisfies(least),
                    _ => true,
                };
                own.stem() == wanted.stem() && is_version
            };
            let found: Vec<_> = all.keys().filter(fits).cloned().collect();
            for own in cut(found, versions) {
                if chosen.insert(own.clone()) {
                    open.push(own);
                }
            }
        }
    }
}

/// The names in all dependencies of a package but exclusions.
fn depends(catalogs: &[(Publisher, Catalog)], fmri: &Fmri) -> Vec<Fmri> {
    let catalog = catalogs
        .iter()
        .find(|(publisher, _)| fmri.publisher() == Some(publisher));
    let entry = catalog.and_then(|(publisher, catalog)| {
        let part = catalog.part(DEPENDENCY)?;
        part.entry(publisher.as_str(), fmri.stem().as_str(), fmri.version()?)
    });
    let lines = entry.into_iter().flat_map(|entry| entry.actions());
    let actions = lines.filter_map(|line| line.parse::<Action>().ok());
    let depends = actions.filter(|action| {
        let kind = action.get("type").unwrap_or_default();
        action.kind() == ActionKind::Depend && kind != "exclude" && kind != "parent"
    });
    depends
        .flat_map(|action| action.values("fmri").map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|text| text.parse().ok())
        .collect()
}
