//! Copies packages between repositories, depots, archives and folders. Source: pkgrecv(1).

mod needed;
mod select;
#[cfg(test)]
mod tests;

use std::path::Path;

use zones_ips::{Digest, Fmri, Publisher};

use crate::archive::ArchiveWriter;
use crate::error::{RepositoryError, Result};
use crate::remote::Target;
use crate::source::Source;
use crate::transaction::{Listing, parallel};

use needed::Needed;
pub use select::{Selection, Versions, Wanted, select};

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
        (Target::Depot(depot), publisher) => match depot.manifest_bytes(fmri) {
            Ok(_) => Ok(true),
            Err(RepositoryError::NoPackage(_)) => Ok(false),
            // A depot that has nothing of the publisher calls that an error; it will have.
            Err(error) => match publisher {
                Some(it) if !depot.publishers()?.contains(it) => Ok(false),
                _ => Err(error),
            },
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
