//! Copies of the catalogs of publishers.

use std::collections::BTreeMap;
use std::sync::Arc;

use zones_ips::catalog::{
    ATTRS, Attrs, BASE, Catalog, DEPENDENCY, Log, Part, Refresh, Signed, plan,
};
use zones_ips::facet::Facets;
use zones_ips::variant::Variants;
use zones_ips::{Algorithm, Digest, Fmri, Publisher, Stem};
use zones_repository::Source;
use zones_solver::Release;

use crate::error::{ImageError, Result};
use crate::folder::Folder;
use crate::state::actions;

/// Seconds that a copy is taken to be fresh. Source: pkg(7).
pub(crate) const FRESH_SECONDS: i64 = 14_400;

/// How a copy was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It was.
    Nothing,
    /// By update logs.
    Logs,
    /// Changed parts or everything came anew.
    Whole,
}

/// Folder of the merged catalog of a publisher.
fn merged(publisher: &Publisher) -> String {
    format!("publisher/{publisher}/catalog")
}

/// Folder of the copy of one origin's catalog.
fn copy_of(publisher: &Publisher, uri: &str) -> String {
    let digest = Digest::of(Algorithm::Sha1, uri.as_bytes());
    format!("publisher/{publisher}/origins/{digest}")
}

/// File whose time says when the last refresh was.
fn stamp(publisher: &Publisher) -> String {
    format!("publisher/{publisher}/last_refreshed")
}

pub(crate) fn is_fresh(folder: &Folder, publisher: &Publisher, now: i64) -> Result<bool> {
    let last = folder.modified(stamp(publisher))?;
    Ok(last.is_some_and(|last| last <= now && now - last < FRESH_SECONDS))
}

/// Brings the copy of one origin's catalog up to date. With `is_full`, everything is fetched.
pub(crate) fn refresh_origin(
    folder: &Folder,
    publisher: &Publisher,
    uri: &str,
    source: &dyn Source,
    is_full: bool,
) -> Result<Fetched> {
    let below = copy_of(publisher, uri);
    let Some(attrs) = source.attrs(publisher)? else {
        // Packages without a catalog: made of the manifests.
        let mut catalog = source.catalog_of_manifests(publisher)?;
        folder.remove(stamp(publisher))?;
        write(folder, &below, &mut catalog)?;
        return Ok(Fetched::Whole);
    };
    let copy = if is_full {
        None
    } else {
        read(folder, &below).unwrap_or_default()
    };
    if let Some(copy) = &copy
        && attrs.modified < copy.attrs.modified
    {
        // A server that was restored, or somebody who wants old packages back with their holes.
        return Err(ImageError::Refused(format!(
            "its catalog of publisher '{publisher}' is of {}, older than the one of {} that was \
             seen before; if that is right: pkg refresh --full",
            attrs.modified, copy.attrs.modified
        )));
    }
    let what = plan(copy.as_ref().map(|it| &it.attrs), &attrs);
    let (catalog, fetched) = match (what, copy) {
        (Refresh::Current, Some(_)) => return Ok(Fetched::Nothing),
        (Refresh::Logs { logs, parts }, Some(copy)) => {
            match by_logs(copy, &attrs, &logs, &parts, publisher, source) {
                Some(catalog) => (catalog, Fetched::Logs),
                None => (source.catalog(publisher)?, Fetched::Whole),
            }
        }
        _ => (source.catalog(publisher)?, Fetched::Whole),
    };
    // Signed files as they came would do as well; these are the same bytes, proved by content.
    let mut catalog = catalog;
    // Killed from here on, the next command does it again, and finds no half of a new one.
    folder.remove(stamp(publisher))?;
    write(folder, &below, &mut catalog)?;
    Ok(fetched)
}

/// Applies logs to a copy; None when the result is not what the server has.
fn by_logs(
    mut copy: Catalog,
    attrs: &Attrs,
    logs: &[String],
    parts: &[String],
    publisher: &Publisher,
    source: &dyn Source,
) -> Option<Catalog> {
    for name in logs {
        let bytes = source.catalog_file(publisher, name).ok()??;
        let (log, _) = Log::parse(&bytes, Signed::Required).ok()?;
        for part in parts {
            let after = copy.attrs.parts.get(part)?.modified;
            log.apply(part, copy.parts.get_mut(part)?, after);
        }
    }
    for (name, state) in &attrs.parts {
        let (_, signature) = copy.parts.get(name)?.to_bytes();
        let is_equal = state.signature.is_none_or(|wanted| wanted == signature);
        let is_own = copy
            .parts
            .get(name)?
            .publishers()
            .keys()
            .all(|it| it == publisher);
        if !is_equal || !is_own {
            return None;
        }
    }
    copy.attrs = attrs.clone();
    Some(copy)
}

/// Makes the merged catalog of a publisher from the copies of its origins, and notes the time.
pub(crate) fn merge(
    folder: &Folder,
    publisher: &Publisher,
    uris: &[&str],
    is_changed: bool,
) -> Result<()> {
    let keep: Vec<String> = uris
        .iter()
        .map(|uri| Digest::of(Algorithm::Sha1, uri.as_bytes()).to_string())
        .collect();
    let origins = format!("publisher/{publisher}/origins");
    let mut gone = folder.names(&origins)?;
    gone.retain(|name| !keep.contains(name));
    let is_there = folder.has(format!("{}/{ATTRS}", merged(publisher)));
    if !is_changed && gone.is_empty() && is_there {
        return folder.write_soon(stamp(publisher), b"");
    }
    let mut whole: Option<Catalog> = None;
    for uri in uris {
        let Some(copy) = read(folder, &copy_of(publisher, uri))? else {
            continue;
        };
        whole = Some(match whole {
            None => copy,
            Some(mut whole) => {
                for (name, part) in &copy.parts {
                    whole.parts.entry(name.clone()).or_default().merge(part);
                }
                whole.attrs.modified = whole.attrs.modified.max(copy.attrs.modified);
                whole
            }
        });
    }
    if let Some(mut whole) = whole {
        write(folder, &merged(publisher), &mut whole)?;
    }
    for name in gone {
        folder.remove(format!("{origins}/{name}"))?;
    }
    folder.write_soon(stamp(publisher), b"")
}

/// Copies what one image knows of a publisher to the folder of another.
pub(crate) fn copy(from: &Folder, to: &Folder, publisher: &Publisher) -> Result<()> {
    let origins = format!("publisher/{publisher}/origins");
    let names = from.names(&origins)?.into_iter();
    let mut all: Vec<String> = names.map(|name| format!("{origins}/{name}")).collect();
    all.push(merged(publisher));
    for below in all {
        if let Some(mut catalog) = read(from, &below)? {
            write(to, &below, &mut catalog)?;
        }
    }
    match from.has(stamp(publisher)) {
        true => to.write(stamp(publisher), b""),
        false => Ok(()),
    }
}

/// The merged catalog of a publisher; None before the first refresh.
pub(crate) fn of(folder: &Folder, publisher: &Publisher) -> Result<Option<Catalog>> {
    read(folder, &merged(publisher))
}

pub(crate) fn forget(folder: &Folder, publisher: &Publisher) -> Result<()> {
    folder.remove(merged(publisher))?;
    folder.remove(format!("publisher/{publisher}/origins"))?;
    folder.remove(stamp(publisher))
}

fn read(folder: &Folder, below: &str) -> Result<Option<Catalog>> {
    let file = |name: &str| format!("{below}/{name}");
    let Some(bytes) = folder.read(file(ATTRS))? else {
        return Ok(None);
    };
    let damaged = |name: &str, why: String| ImageError::damaged(&folder.full(file(name)), why);
    let attrs = Attrs::parse(&bytes, Signed::Required)
        .map_err(|error| damaged(ATTRS, error.to_string()))?;
    let mut catalog = Catalog::new(attrs.created);
    for (name, state) in &attrs.parts {
        let bytes = folder.read(file(name))?;
        let bytes = bytes.ok_or_else(|| damaged(name, "the file is missing".to_owned()))?;
        let (part, signature) = Part::parse(&bytes, Signed::Required)
            .map_err(|error| damaged(name, error.to_string()))?;
        if state.signature.is_some() && state.signature != signature {
            return Err(damaged(name, "it belongs to another catalog".to_owned()));
        }
        catalog.parts.insert(name.clone(), part);
    }
    catalog.attrs = attrs;
    Ok(Some(catalog))
}

fn write(folder: &Folder, below: &str, catalog: &mut Catalog) -> Result<()> {
    let written = catalog.write(None);
    for (name, bytes) in written.files {
        folder.write_soon(format!("{below}/{name}"), &bytes)?;
    }
    folder.write(format!("{below}/{ATTRS}"), &written.attrs)
}

/// What all enabled publishers offer, read for the solver when it asks.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) catalogs: BTreeMap<Publisher, Catalog>,
    pub(crate) variants: Variants,
    pub(crate) facets: Facets,
}

impl Offered {
    /// The digest of a manifest, as the catalog has it.
    pub(crate) fn manifest_digest(&self, fmri: &Fmri) -> Option<Digest> {
        let catalog = self.catalogs.get(fmri.publisher()?.as_str())?;
        catalog.find(fmri)?.manifest_digest()
    }

    /// All versions that publishers list.
    pub(crate) fn all(&self) -> impl Iterator<Item = Fmri> {
        let bases = self.catalogs.values().filter_map(|it| it.part(BASE));
        bases.flat_map(Part::iter).map(|(fmri, _)| fmri)
    }
}

impl zones_solver::Offers for Offered {
    fn stems(&self) -> Vec<Stem> {
        let bases = self.catalogs.values().filter_map(|it| it.part(BASE));
        let stems = bases.flat_map(|base| base.publishers().values().flat_map(BTreeMap::keys));
        let mut stems: Vec<Stem> = stems.cloned().collect();
        stems.sort();
        stems.dedup();
        stems
    }

    fn releases(&self, stem: &Stem) -> Vec<Arc<Release>> {
        let mut found = Vec::new();
        for (publisher, catalog) in &self.catalogs {
            let Some(base) = catalog.part(BASE) else {
                continue;
            };
            for entry in base.entries(publisher.as_str(), stem.as_str()) {
                let version = entry.version();
                let fmri = Fmri::new(Some(publisher.clone()), stem.clone(), Some(version.clone()));
                let actions = actions(catalog, &fmri, DEPENDENCY);
                let policy = (&self.variants, &self.facets);
                found.push(Arc::new(Release::read(
                    publisher, &fmri, version, &actions, policy,
                )));
            }
        }
        found
    }
}
