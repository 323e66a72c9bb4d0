//! An archive as origin: its members are found by their headers, once.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use zones_ips::catalog::{Catalog, CatalogTime, Log};
use zones_ips::manifest::MANIFEST_LEN_MAX;
use zones_ips::{Algorithm, Digest, Fmri, Publisher, quote};

use super::{BLOCK, padded};
use crate::error::{RepositoryError, Result};
use crate::source::{Packed, Source, bounded, payload_name};
use crate::store;

/// Members an archive may have.
const MEMBERS_MAX: usize = 10_000_000;

/// Where the content of a member lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    size: u64,
}

/// An archive, read only. Names of members are parsed, never used as paths.
#[derive(Debug, Clone)]
pub struct ArchiveSource {
    path: PathBuf,
    file: Arc<File>,
    manifests: Arc<BTreeMap<Fmri, Place>>,
    payloads: Arc<HashMap<(Publisher, Digest), Place>>,
}

impl ArchiveSource {
    /// Opens an archive and reads the headers of its members.
    ///
    /// # Errors
    ///
    /// It is no tar archive, cut short, or none of packages.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(RepositoryError::io("open", path))?;
        let refused = |why: String| RepositoryError::Source {
            location: path.display().to_string(),
            why,
        };
        let size = file
            .metadata()
            .map_err(RepositoryError::io("read", path))?
            .len();
        let (mut manifests, mut payloads) = (BTreeMap::new(), HashMap::new());
        let damaged = |error: io::Error| refused(format!("no whole package archive: {error}"));
        let mut archive = tar::Archive::new(&file);
        let entries = archive.entries_with_seek().map_err(damaged)?;
        let mut end = 0;
        for (number, entry) in entries.enumerate() {
            let entry = entry.map_err(damaged)?;
            let place = Place {
                at: entry.raw_file_position(),
                size: entry.size(),
            };
            if place
                .at
                .checked_add(place.size)
                .is_none_or(|end| end > size)
            {
                return Err(refused("it is cut short; fetch it again".to_owned()));
            }
            end = place.at + padded(place.size);
            if number > MEMBERS_MAX {
                return Err(refused(format!("more than {MEMBERS_MAX} members")));
            }
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path_bytes();
            match std::str::from_utf8(&name).ok().and_then(member) {
                Some(Member::Manifest(fmri)) => {
                    manifests.insert(fmri, place);
                }
                Some(Member::Payload(publisher, name)) => {
                    payloads.insert((publisher, name), place);
                }
                None => {}
            }
        }
        // An empty block says that nothing was lost behind the last member.
        if size < end + BLOCK {
            return Err(refused("it is cut short; fetch it again".to_owned()));
        }
        if manifests.is_empty() && payloads.is_empty() {
            return Err(refused("the archive has no packages".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            manifests: Arc::new(manifests),
            payloads: Arc::new(payloads),
        })
    }

    /// All packages, in their order.
    pub fn packages(&self) -> impl Iterator<Item = &Fmri> {
        self.manifests.keys()
    }

    fn section(&self, place: Place) -> Section {
        Section {
            file: self.file.clone(),
            at: place.at,
            left: place.size,
        }
    }
}

enum Member {
    Manifest(Fmri),
    Payload(Publisher, Digest),
}

/// What a name below `publisher/` stands for.
fn member(name: &str) -> Option<Member> {
    let name = name.strip_prefix("./").unwrap_or(name);
    let mut words = name.strip_prefix("publisher/")?.split('/');
    let publisher: Publisher = words.next()?.parse().ok()?;
    match (words.next()?, words.next()?, words.next(), words.next()) {
        ("pkg", stem, Some(version), None) => {
            let stem = quote::unquote(stem).ok()?.parse().ok()?;
            let version = quote::unquote(version).ok()?.parse().ok()?;
            Some(Member::Manifest(Fmri::new(
                Some(publisher),
                stem,
                Some(version),
            )))
        }
        ("file", _, Some(hash), None) | ("file", hash, None, None) => {
            let name = Digest::parse(Algorithm::Sha1, hash).ok()?;
            Some(Member::Payload(publisher, name))
        }
        _ => None,
    }
}

/// Part of a file, read without moving the place of other readers.
struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        let read = self.file.read_at(&mut chunk[..room], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Source for ArchiveSource {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn publishers(&self) -> Result<Vec<Publisher>> {
        let named = self.manifests.keys().filter_map(Fmri::publisher);
        let mut found: Vec<_> = named.cloned().collect();
        found.dedup();
        Ok(found)
    }

    fn catalog_file(&self, _publisher: &Publisher, _name: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>> {
        let place = self.manifests.get(fmri);
        let place = place.ok_or_else(|| RepositoryError::NoPackage(fmri.clone()))?;
        bounded(self.section(*place), MANIFEST_LEN_MAX, &self.location())
    }

    fn payload(&self, publisher: &Publisher, name: &Digest) -> Result<Packed> {
        payload_name(name)?;
        let place = self.payloads.get(&(publisher.clone(), *name));
        let place = place.ok_or(RepositoryError::NoPayload(*name))?;
        Ok(Box::new(self.section(*place)))
    }

    /// Made when the archive was changed last, so that a copy of it is known again.
    fn catalog_of_manifests(&self, publisher: &Publisher) -> Result<Catalog> {
        let modified = self.file.metadata().and_then(|it| it.modified());
        let modified = modified.map_err(RepositoryError::io("read", &self.path))?;
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or_default();
        let time = CatalogTime::from_unix_micros(micros);
        let time = time.ok_or_else(|| RepositoryError::Source {
            location: self.location(),
            why: "its time is outside of the calendar; set it with touch".to_owned(),
        })?;
        let mut catalog = Catalog::new(time);
        let mut log = Log::default();
        for fmri in self
            .packages()
            .filter(|it| it.publisher() == Some(publisher))
        {
            let (manifest, bytes) = self.manifest(fmri, None)?;
            let change = store::addition(fmri, &manifest, &store::digest(&bytes))?;
            catalog.apply(change, time, &mut log);
        }
        let _bytes = catalog.write(None);
        Ok(catalog)
    }
}
