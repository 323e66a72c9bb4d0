//! Manifests and payloads from the origins of a publisher, several at once, each proved.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use zones_ips::{Action, Digest, Fmri, Manifest, Publisher};
use zones_repository::payload::{Expected, unpack};
use zones_repository::search::{Hit, Query};
use zones_repository::signature::certificate;
use zones_repository::{RepositoryError, Source};

use crate::apply::{self, Content};
use crate::cache::Cache;
use crate::error::{ImageError, Result};
use crate::plan::Plan;
use crate::progress::{Download, Event, Tell};

/// The origins of publishers, best first.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    by_publisher: BTreeMap<Publisher, Vec<Box<dyn Source>>>,
}

impl Origins {
    pub(crate) fn add(&mut self, publisher: &Publisher, source: Box<dyn Source>) {
        let own = self.by_publisher.entry(publisher.clone()).or_default();
        own.push(source);
    }

    fn of(&self, fmri: &Fmri) -> &[Box<dyn Source>] {
        let publisher = fmri.publisher().map(Publisher::as_str).unwrap_or_default();
        self.by_publisher.get(publisher).map_or(&[], Vec::as_slice)
    }

    /// A manifest with its bytes, from the first origin that gives the one of the catalog.
    pub(crate) fn manifest(
        &self,
        fmri: &Fmri,
        digest: Option<&Digest>,
    ) -> Result<(Manifest, Vec<u8>)> {
        self.first(fmri, &format!("the manifest of {fmri}"), |source| {
            source.manifest(fmri, digest)
        })
    }

    /// A small payload, unpacked.
    pub(crate) fn payload(&self, fmri: &Fmri, name: &Digest, action: &Action) -> Result<Vec<u8>> {
        self.first(fmri, &format!("the file {name} of {fmri}"), |source| {
            let publisher = fmri.publisher().ok_or(RepositoryError::NoPublisher)?;
            let packed = source.payload(publisher, name)?;
            let mut bytes = Vec::new();
            let done = unpack(packed, &Expected::of(action), &mut bytes);
            done.map_err(|source| RepositoryError::Payload {
                what: fmri.to_string(),
                source,
            })?;
            Ok(bytes)
        })
    }

    /// The bytes of a certificate, by its name and not proved.
    pub(crate) fn certificate(&self, fmri: &Fmri, name: &Digest) -> Result<Vec<u8>> {
        self.first(
            fmri,
            &format!("the certificate {name} of {fmri}"),
            |source| {
                let publisher = fmri.publisher().ok_or(RepositoryError::NoPublisher)?;
                let packed = source.payload(publisher, name)?;
                certificate(name, packed).map_err(|source| RepositoryError::Payload {
                    what: fmri.to_string(),
                    source,
                })
            },
        )
    }

    /// What the origins of a publisher find together; None when one of them cannot search. The
    /// first `mirrors` sources have payloads only.
    pub(crate) fn search(
        &self,
        publisher: &Publisher,
        mirrors: usize,
        query: &Query,
    ) -> Option<Vec<Hit>> {
        let mut all: Vec<Hit> = Vec::new();
        for source in self.by_publisher.get(publisher)?.get(mirrors..)? {
            let hits = source.search(publisher, query).ok()??;
            // What two origins have is the same package.
            let known: BTreeSet<Fmri> = all.iter().map(|it| it.fmri.clone()).collect();
            all.extend(hits.into_iter().filter(|it| !known.contains(&it.fmri)));
        }
        Some(all)
    }

    fn first<T>(
        &self,
        fmri: &Fmri,
        what: &str,
        get: impl Fn(&dyn Source) -> zones_repository::Result<T>,
    ) -> Result<T> {
        let mut tries = Vec::new();
        for source in self.of(fmri) {
            match get(source.as_ref()) {
                Ok(got) => return Ok(got),
                Err(error) => tries.push((source.location(), error.to_string())),
            }
        }
        Err(ImageError::Unreachable {
            what: what.to_owned(),
            tries,
        })
    }
}

/// Does `work` for each item in several threads; the first error ends it.
pub(crate) fn each<T: Sync>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    if let Err(error) = work(item) {
                        is_over.store(true, Ordering::Relaxed);
                        let mut first = failure.lock().unwrap_or_else(|it| it.into_inner());
                        first.get_or_insert(error);
                    }
                }
            });
        }
    });
    let failure = failure.into_inner().unwrap_or_else(|it| it.into_inner());
    failure.map_or(Ok(()), Err)
}

/// What must be fetched for a plan.
struct Wanted<'a> {
    fmri: &'a Fmri,
    name: Digest,
    expected: Expected,
    package: usize,
}

/// Brings everything that a plan lays down into the cache.
pub(crate) fn fetch(
    plan: &Plan,
    origins: &Origins,
    cache: &Cache,
    threads: usize,
    tell: Tell<'_>,
) -> Result<Fetched> {
    let mut wanted = Vec::new();
    let mut packages: Vec<(&Fmri, AtomicUsize)> = Vec::new();
    let mut places = HashMap::new();
    let mut seen = HashSet::new();
    for item in plan.content() {
        let (fmri, action) = (plan.fmri(item), plan.action(item));
        if apply::node(action).is_some() {
            continue;
        }
        let name = action.payload_digest().ok_or_else(|| {
            let label = Plan::label(action);
            ImageError::Refused(format!(
                "the package {fmri} names no content of '{label}'; it must be corrected"
            ))
        })?;
        if !seen.insert(name) {
            continue;
        }
        let package = *places.entry(item.package()).or_insert_with(|| {
            packages.push((fmri, AtomicUsize::new(0)));
            packages.len() - 1
        });
        *packages[package].1.get_mut() += 1;
        wanted.push(Wanted {
            fmri,
            name,
            expected: Expected::of(action),
            package,
        });
    }
    let size = |it: &Wanted<'_>| it.expected.packed_size.unwrap_or_default();
    let total: u64 = wanted.iter().map(size).sum();
    // Large ones first, so that no thread is left alone with one at the end.
    wanted.sort_by_key(|it| std::cmp::Reverse(size(it)));
    let (files, bytes, fetched) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let complete = AtomicUsize::new(0);
    let say = |package| {
        tell(Event::Download(Download {
            package,
            files: (files.load(Ordering::Relaxed), wanted.len()),
            bytes: (bytes.load(Ordering::Relaxed), total),
            packages: (complete.load(Ordering::Relaxed), packages.len()),
        }));
    };
    each(&wanted, threads, |it| {
        if !cache.has(&it.name, &it.expected) {
            say(Some(it.fmri));
            get(origins, cache, it)?;
            fetched.fetch_add(size(it), Ordering::Relaxed);
        }
        files.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(size(it), Ordering::Relaxed);
        if packages[it.package].1.fetch_sub(1, Ordering::Relaxed) == 1 {
            complete.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })?;
    say(None);
    Ok(Fetched {
        files: wanted.len(),
        bytes: total,
        new_bytes: fetched.into_inner(),
    })
}

/// What was fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Payloads.
    pub files: usize,
    /// Their packed bytes.
    pub bytes: u64,
    /// Packed bytes that were not in the cache.
    pub new_bytes: u64,
}

fn get(origins: &Origins, cache: &Cache, it: &Wanted<'_>) -> Result<()> {
    let what = format!("the file {} of {}", it.name, it.fmri);
    let publisher = it
        .fmri
        .publisher()
        .ok_or_else(|| ImageError::Refused(format!("the package {} has no publisher", it.fmri)))?;
    origins.first(it.fmri, &what, |source| {
        let packed = source.payload(publisher, &it.name)?;
        let stored = cache.store(&it.name, &it.expected, packed);
        stored.map_err(|error| RepositoryError::Source {
            location: source.location(),
            why: error.to_string(),
        })
    })
}

/// Content from the cache, and from the origins what is not right there.
#[derive(Debug)]
pub(crate) struct Cached<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) origins: &'a Origins,
}

impl Content for Cached<'_> {
    fn open(&self, _: &Fmri, action: &Action) -> io::Result<apply::Source> {
        let name = action.payload_digest();
        let name = name.ok_or_else(|| io::Error::other("the action has no payload"))?;
        self.cache.get(&name, &Expected::of(action))
    }

    fn replace(&self, fmri: &Fmri, action: &Action) -> bool {
        let Some(name) = action.payload_digest() else {
            return false;
        };
        self.cache.forget(&name);
        let wanted = Wanted {
            fmri,
            name,
            expected: Expected::of(action),
            package: 0,
        };
        get(self.origins, self.cache, &wanted).is_ok()
    }
}
