//! Copies packages between repositories, depots, archives and folders. Source: pkgrecv(1).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use zones_ips::catalog::{BASE, Catalog, DEPENDENCY};
use zones_ips::{Action, ActionKind, Digest, Fmri, Manifest, Pattern, Publisher};

use crate::archive::ArchiveWriter;
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Expected};
use crate::remote::Target;
use crate::source::Source;
use crate::store::payloads_of;
use crate::transaction::{Listing, parallel};

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

/// What came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Packages that came now.
    pub packages: Vec<Fmri>,
    /// Packages that were there already.
    pub known: Vec<Fmri>,
    /// Payloads that came now.
    pub payloads: usize,
    /// Their bytes, as stored.
    pub bytes: u64,
}

/// Told of each package before it comes: the package, its number from one, and how many there are.
pub type Report<'a> = dyn Fn(&Fmri, usize, usize) + 'a;

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

/// Copies packages into a repository or depot, names and signatures as they are. What is there
/// already is left alone, so that a copy that was stopped goes on. Every manifest and payload is
/// proved. `listing` is for the target; pass `Later` and refresh once for many packages.
///
/// # Errors
///
/// A package cannot be read, is not what it should be, or cannot be published; those before it
/// stay.
pub fn to_target(
    source: &dyn Source,
    wanted: &[Wanted],
    target: &Target,
    listing: Listing,
    report: &Report<'_>,
) -> Result<Received> {
    let mut done = Received::default();
    for (number, package) in wanted.iter().enumerate() {
        report(&package.fmri, number + 1, wanted.len());
        if is_known(target, &package.fmri)? {
            done.known.push(package.fmri.clone());
            continue;
        }
        let (manifest, bytes) = source.manifest(&package.fmri, package.digest.as_ref())?;
        let needed = Needed::of(&package.fmri, &manifest)?;
        let missing = needed.missing(target);
        let fetch = |name: &Digest| needed.fetch(source, name);
        let sizes: u64 = missing.iter().map(|name| needed.packed_size(name)).sum();
        let (count, fmri) = (missing.len(), &package.fmri);
        let copied = target.copy(fmri, &bytes, missing, &fetch, listing);
        match copied {
            // Another copy was faster.
            Err(RepositoryError::Exists(fmri)) => done.known.push(fmri),
            Err(error) => return Err(error),
            Ok(fmri) => {
                done.packages.push(fmri);
                done.payloads += count;
                done.bytes += sizes;
            }
        }
    }
    Ok(done)
}

fn is_known(target: &Target, fmri: &Fmri) -> Result<bool> {
    match (target, fmri.publisher()) {
        (Target::Folder(repository), Some(publisher)) => {
            let store = repository.publisher(publisher);
            Ok(store.is_ok_and(|store| store.manifest_file(fmri).is_ok()))
        }
        (Target::Depot(depot), _) => match depot.manifest_bytes(fmri) {
            Ok(_) => Ok(true),
            Err(RepositoryError::NoPackage(_)) => Ok(false),
            Err(error) => Err(error),
        },
        _ => Ok(false),
    }
}

/// Copies packages into a new archive.
///
/// # Errors
///
/// A package cannot be read or is not what it should be; no archive is left then.
pub fn to_archive(
    source: &dyn Source,
    wanted: &[Wanted],
    path: &Path,
    report: &Report<'_>,
) -> Result<Received> {
    let mut writer = ArchiveWriter::create(path)?;
    let mut done = Received::default();
    for (number, package) in wanted.iter().enumerate() {
        report(&package.fmri, number + 1, wanted.len());
        let (manifest, bytes) = source.manifest(&package.fmri, package.digest.as_ref())?;
        let needed = Needed::of(&package.fmri, &manifest)?;
        let is_new = |name: &&Digest| !writer.has_payload(&needed.publisher, name);
        let new: Vec<_> = needed.payloads.keys().filter(is_new).copied().collect();
        let fetch = |name: Digest| Ok((name, needed.fetch(source, &name)?));
        for (name, packed) in parallel(new, &fetch)? {
            writer.add_payload(&needed.publisher, &name, &packed)?;
            done.payloads += 1;
            done.bytes += packed.len() as u64;
        }
        writer.add_manifest(&package.fmri, &bytes)?;
        done.packages.push(package.fmri.clone());
    }
    writer.finish()?;
    Ok(done)
}

/// Copies packages into folders `STEM/VERSION/` with `manifest` and packed payloads, as
/// `pkgrecv --raw` does; each folder comes whole or not at all.
///
/// # Errors
///
/// A package cannot be read or is not what it should be; those before it stay.
pub fn to_folder(
    source: &dyn Source,
    wanted: &[Wanted],
    path: &Path,
    report: &Report<'_>,
) -> Result<Received> {
    let mut done = Received::default();
    std::fs::create_dir_all(path).map_err(RepositoryError::io("create", path))?;
    let disk = crate::disk::Disk::open(path)?;
    for (number, package) in wanted.iter().enumerate() {
        report(&package.fmri, number + 1, wanted.len());
        let incomplete = || RepositoryError::NoPackage(package.fmri.clone());
        let (stem, version) = package.fmri.quoted().ok_or_else(incomplete)?;
        let place = Path::new(&stem).join(&version);
        if disk.has(&place) {
            done.known.push(package.fmri.clone());
            continue;
        }
        let (manifest, bytes) = source.manifest(&package.fmri, package.digest.as_ref())?;
        let needed = Needed::of(&package.fmri, &manifest)?;
        let temp = Path::new(&stem).join(format!(".{version}"));
        disk.remove_all(&temp)?;
        disk.make(&temp)?;
        let fetch = |name: Digest| {
            let packed = needed.fetch(source, &name)?;
            disk.write_quickly(&temp.join(name.to_string()), &packed)?;
            Ok(packed.len() as u64)
        };
        let sizes = parallel(needed.payloads.keys().copied().collect(), &fetch)?;
        disk.write(&temp.join("manifest"), &bytes)?;
        disk.rename(&temp, &place)?;
        done.payloads += sizes.len();
        done.bytes += sizes.iter().sum::<u64>();
        done.packages.push(package.fmri.clone());
    }
    Ok(done)
}

/// Makes a repository hold what the source does, and nothing else: packages that the source has not
/// are removed. Source: pkgrecv(1), `--clone`.
///
/// # Errors
///
/// As [`to_target`]; nothing is removed then.
pub fn clone(
    source: &dyn Source,
    target: &Target,
    publishers: &[Publisher],
    report: &Report<'_>,
) -> Result<(Received, Vec<Fmri>)> {
    let Target::Folder(repository) = target else {
        return Err(RepositoryError::Refused(
            "only a repository in a folder can become a clone".to_owned(),
        ));
    };
    let all = Selection {
        versions: Versions::AllTimestamps,
        ..Selection::default()
    };
    let mut wanted = select(source, &all)?;
    let known = source.publishers()?;
    let meant: Vec<_> = match publishers {
        [] => known,
        some => some.to_vec(),
    };
    wanted.retain(|it| it.fmri.publisher().is_some_and(|own| meant.contains(own)));
    let received = to_target(source, &wanted, target, Listing::Later, report)?;
    let mut removed = Vec::new();
    for publisher in &meant {
        let store = repository.add_publisher(publisher)?;
        store.refresh()?;
        let is_foreign = |fmri: &Fmri| !wanted.iter().any(|it| it.fmri == *fmri);
        let packages = store.packages()?.into_iter();
        let foreign: Vec<_> = packages.filter(is_foreign).collect();
        if !foreign.is_empty() {
            removed.extend(store.remove(&foreign)?.packages);
        }
    }
    Ok((received, removed))
}

/// The payloads of a package, and what is expected of each.
struct Needed {
    publisher: Publisher,
    payloads: BTreeMap<Digest, Expected>,
}

impl Needed {
    fn of(fmri: &Fmri, manifest: &Manifest) -> Result<Self> {
        let publisher = fmri.publisher().cloned();
        let publisher = publisher.ok_or_else(|| RepositoryError::NoPackage(fmri.clone()))?;
        let names = payloads_of(manifest).into_iter();
        let mut payloads: BTreeMap<_, _> =
            names.map(|name| (name, Expected::named(name))).collect();
        for action in manifest.actions() {
            if let Some(expected) = action.payload_digest().and_then(|it| payloads.get_mut(&it)) {
                *expected = Expected::of(action);
            }
        }
        Ok(Self {
            publisher,
            payloads,
        })
    }

    fn packed_size(&self, name: &Digest) -> u64 {
        let expected = self.payloads.get(name);
        expected.and_then(|it| it.packed_size).unwrap_or_default()
    }

    /// What a folder lacks; a depot is sent everything.
    fn missing(&self, target: &Target) -> Vec<Digest> {
        let store = match target {
            Target::Folder(repository) => repository.publisher(&self.publisher).ok(),
            Target::Depot(_) => None,
        };
        let is_missing = |name: &&Digest| match &store {
            Some(store) => store.payload(name).is_err(),
            None => true,
        };
        self.payloads.keys().filter(is_missing).copied().collect()
    }

    /// A payload as it is stored, proved.
    fn fetch(&self, source: &dyn Source, name: &Digest) -> Result<Vec<u8>> {
        let named = Expected::named(*name);
        let expected = self.payloads.get(name).unwrap_or(&named);
        let failed = |source| RepositoryError::Payload {
            what: name.to_string(),
            source,
        };
        let mut left = FETCHES;
        loop {
            left -= 1;
            let from = source.payload(&self.publisher, name)?;
            let mut packed = Vec::new();
            match payload::copy(from, expected, &mut packed) {
                Ok(_) => return Ok(packed),
                // A transfer may be cut; what is wrong on disk stays wrong.
                Err(error) if left == 0 => return Err(failed(error)),
                Err(_) => {}
            }
        }
    }
}

/// How often a payload is fetched until it is whole.
const FETCHES: usize = 3;
