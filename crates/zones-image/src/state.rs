//! What is installed, as files below `state/`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zones_ips::catalog::{
    ATTRS, Attrs, BASE, Catalog, CatalogTime, DEPENDENCY, Entry, Part, SUMMARY, Signed,
};
use zones_ips::{Action, Fmri, Stem, Version};

use crate::error::{ImageError, Result};
use crate::folder::{Batch, Folder};

const INSTALLED: &str = "state/installed";
const KNOWN: &str = "state/known";
const AVOID: &str = "state/avoid_set";
const FROZEN: &str = "state/frozen_dict";
/// Version of the two files above.
const LIST_VERSION: u64 = 1;

/// What an entry of a state catalog says of a package. Source: pkg(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Mark {
    Known = 0,
    Installed = 2,
    Upgradable = 4,
    Catalog1 = 7,
}

/// The packages that are installed.
#[derive(Debug, Clone)]
pub struct Installed {
    catalog: Catalog,
    by_stem: BTreeMap<Stem, Fmri>,
}

/// A package that may not move: its version, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// What its version must be or refine.
    pub version: Version,
    /// What the administrator noted.
    pub comment: Option<String>,
    /// When it was frozen, seconds since 1970.
    pub since: i64,
}

impl Installed {
    /// Nothing is installed.
    pub(crate) fn none(now: CatalogTime) -> Self {
        Self {
            catalog: Catalog::new(now),
            by_stem: BTreeMap::new(),
        }
    }

    pub(crate) fn read(folder: &Folder, now: CatalogTime) -> Result<Self> {
        let Some(catalog) = read_catalog(folder, INSTALLED)? else {
            return Ok(Self::none(now));
        };
        let base = catalog.part(BASE);
        let fmris = base.into_iter().flat_map(Part::iter).map(|(fmri, _)| fmri);
        let by_stem = fmris.map(|fmri| (fmri.stem().clone(), fmri)).collect();
        Ok(Self { catalog, by_stem })
    }

    pub(crate) fn write(&mut self, to: &mut Batch<'_>, now: CatalogTime) -> Result<()> {
        write_catalog(to, INSTALLED, &mut self.catalog, now)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Fmri> {
        self.by_stem.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_stem.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_stem.is_empty()
    }

    /// The installed version of a package.
    #[must_use]
    pub fn get(&self, stem: &Stem) -> Option<&Fmri> {
        self.by_stem.get(stem)
    }

    /// Whether just this version is installed.
    #[must_use]
    pub fn has(&self, fmri: &Fmri) -> bool {
        self.get(fmri.stem()) == Some(fmri)
    }

    /// When a package was installed first and updated last, as texts of catalog times.
    #[must_use]
    pub fn times(&self, fmri: &Fmri) -> (Option<String>, Option<String>) {
        let metadata = self
            .catalog
            .find(fmri)
            .and_then(|entry| entry.field("metadata"));
        let text = |name: &str| {
            let value = metadata.and_then(|it| it.get(name));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        (text("last-install"), text("last-update"))
    }

    /// What a solver needs of it: its dependency actions.
    pub(crate) fn actions(&self, fmri: &Fmri, part: &str) -> Vec<Action> {
        actions(&self.catalog, fmri, part)
    }

    /// The SHA-1 of its manifest.
    pub(crate) fn entry(&self, fmri: &Fmri) -> Option<&Entry> {
        self.catalog.find(fmri)
    }

    /// Makes `to` the installed version in place of `from`.
    pub(crate) fn change(
        &mut self,
        from: Option<&Fmri>,
        to: Option<(&Fmri, zones_ips::catalog::EntrySet)>,
        now: CatalogTime,
    ) {
        let first = from.and_then(|from| self.times(from).0);
        if let Some(from) = from {
            for part in self.catalog.parts.values_mut() {
                if let (Some(publisher), Some(version)) = (from.publisher(), from.version()) {
                    part.remove(publisher.as_str(), from.stem().as_str(), version);
                }
            }
            self.by_stem.remove(from.stem());
        }
        let Some((to, set)) = to else {
            return;
        };
        let Some(publisher) = to.publisher() else {
            return;
        };
        let mut base = set.base;
        let now = now.to_string();
        let mut metadata = json!({ "states": [Mark::Known as u64, Mark::Installed as u64, Mark::Catalog1 as u64] });
        metadata["last-install"] = json!(first.clone().unwrap_or_else(|| now.clone()));
        if first.is_some() {
            metadata["last-update"] = json!(now);
        }
        base.set("metadata", metadata);
        let rows = [
            (BASE, Some(base)),
            (DEPENDENCY, set.dependency),
            (SUMMARY, set.summary),
        ];
        for (name, entry) in rows {
            if let Some(entry) = entry {
                let part = self.catalog.parts.entry(name.to_owned()).or_default();
                part.insert(publisher, to.stem(), entry);
            }
        }
        self.by_stem.insert(to.stem().clone(), to.clone());
    }
}

/// The actions that a part of a catalog repeats for a package; what cannot be read is left out.
pub(crate) fn actions(catalog: &Catalog, fmri: &Fmri, part: &str) -> Vec<Action> {
    let (Some(publisher), Some(version)) = (fmri.publisher(), fmri.version()) else {
        return Vec::new();
    };
    let entry = catalog
        .part(part)
        .and_then(|it| it.entry(publisher.as_str(), fmri.stem().as_str(), version));
    let lines = entry.into_iter().flat_map(Entry::actions);
    lines
        .filter_map(|line| Action::parse_keeping(line).ok())
        .collect()
}

fn read_catalog(folder: &Folder, below: &str) -> Result<Option<Catalog>> {
    let file = |name: &str| format!("{below}/{name}");
    let Some(bytes) = folder.read(file(ATTRS))? else {
        return Ok(None);
    };
    let damaged = |name: &str, why: &dyn ToString| {
        ImageError::damaged(&folder.full(file(name)), why.to_string())
    };
    let attrs = Attrs::parse(&bytes, Signed::Optional).map_err(|error| damaged(ATTRS, &error))?;
    let mut catalog = Catalog::new(attrs.created);
    for name in attrs.parts.keys() {
        let bytes = folder.read(file(name))?;
        let bytes = bytes.ok_or_else(|| damaged(name, &"the file is missing"))?;
        let (part, _) =
            Part::parse(&bytes, Signed::Optional).map_err(|error| damaged(name, &error))?;
        catalog.parts.insert(name.clone(), part);
    }
    catalog.attrs = attrs;
    Ok(Some(catalog))
}

/// Parts first, `catalog.attrs` last; each file is the old or the new one.
fn write_catalog(
    to: &mut Batch<'_>,
    below: &str,
    catalog: &mut Catalog,
    now: CatalogTime,
) -> Result<()> {
    catalog.attrs.modified = now;
    for state in catalog.attrs.parts.values_mut() {
        state.modified = now;
        state.signature = None;
    }
    let written = catalog.write(None);
    for (name, bytes) in written.files {
        to.add(format!("{below}/{name}"), &bytes)?;
    }
    to.add(format!("{below}/{ATTRS}"), &written.attrs)
}

/// Writes the catalog of all packages that are known, installed ones marked.
pub(crate) fn write_known(
    to: &mut Batch<'_>,
    catalogs: &[&Catalog],
    installed: &Installed,
    now: CatalogTime,
) -> Result<()> {
    let mut known = Catalog::new(now);
    for catalog in catalogs.iter().copied().chain([&installed.catalog]) {
        for (name, part) in &catalog.parts {
            let own = known.parts.entry(name.clone()).or_default();
            own.merge(part);
        }
    }
    let base = known.parts.entry(BASE.to_owned()).or_default();
    let mut marked = Part::default();
    for (fmri, entry) in base.iter() {
        let (Some(publisher), stem) = (fmri.publisher(), fmri.stem()) else {
            continue;
        };
        let mut states = vec![Mark::Known as u64, Mark::Catalog1 as u64];
        if installed.has(&fmri) {
            states.push(Mark::Installed as u64);
        }
        let own = installed.get(stem).and_then(Fmri::version);
        if own.is_some_and(|own| fmri.version().is_some_and(|it| it > own)) {
            states.push(Mark::Upgradable as u64);
        }
        let mut entry = entry.clone();
        entry.set("metadata", json!({ "states": states }));
        marked.insert(publisher, stem, entry);
    }
    known.parts.insert(BASE.to_owned(), marked);
    write_catalog(to, KNOWN, &mut known, now)
}

/// The packages that groups do not pull in.
pub(crate) fn read_avoided(folder: &Folder) -> Result<BTreeSet<Stem>> {
    let list = read_list(folder, AVOID)?;
    let stems = list
        .iter()
        .filter(|(_, value)| **value == Value::Bool(true));
    Ok(stems.filter_map(|(stem, _)| stem.parse().ok()).collect())
}

pub(crate) fn write_avoided(to: &mut Batch<'_>, avoided: &BTreeSet<Stem>) -> Result<()> {
    let rows = avoided
        .iter()
        .map(|stem| (stem.to_string(), Value::Bool(true)));
    write_list(to, AVOID, rows.collect())
}

/// The packages that may not move.
pub(crate) fn read_frozen(folder: &Folder) -> Result<BTreeMap<Stem, Frozen>> {
    let list = read_list(folder, FROZEN)?;
    let mut frozen = BTreeMap::new();
    for (stem, value) in list {
        let version = value.get(0).and_then(Value::as_str);
        let version = version.and_then(|text| text.parse().ok());
        let (Ok(stem), Some(version)) = (stem.parse::<Stem>(), version) else {
            let why = format!("the entry of `{stem}` cannot be understood");
            return Err(ImageError::damaged(&folder.full(FROZEN), why));
        };
        let comment = value.get(1).and_then(Value::as_str).map(str::to_owned);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of our time")]
        let since = value.get(2).and_then(Value::as_f64).unwrap_or_default() as i64;
        frozen.insert(
            stem,
            Frozen {
                version,
                comment,
                since,
            },
        );
    }
    Ok(frozen)
}

pub(crate) fn write_frozen(to: &mut Batch<'_>, frozen: &BTreeMap<Stem, Frozen>) -> Result<()> {
    let row = |(stem, it): (&Stem, &Frozen)| {
        let version = it.version.to_string();
        (stem.to_string(), json!([version, it.comment, it.since]))
    };
    write_list(to, FROZEN, frozen.iter().map(row).collect())
}

type Rows = serde_json::Map<String, Value>;

fn read_list(folder: &Folder, name: &str) -> Result<Rows> {
    let Some(text) = folder.text(name)? else {
        return Ok(Rows::new());
    };
    let value: Option<Value> = serde_json::from_str(&text).ok();
    match value {
        Some(Value::Array(mut pair))
            if pair.len() == 2 && pair[0].as_u64() == Some(LIST_VERSION) =>
        {
            match pair.pop() {
                Some(Value::Object(rows)) => Ok(rows),
                _ => Err(ImageError::damaged(
                    &folder.full(name),
                    "no list of packages",
                )),
            }
        }
        _ => Err(ImageError::damaged(
            &folder.full(name),
            "not of a version that is known here",
        )),
    }
}

fn write_list(to: &mut Batch<'_>, name: &str, rows: Rows) -> Result<()> {
    let text = json!([LIST_VERSION, Value::Object(rows)]).to_string();
    to.add(name, text.as_bytes())
}
