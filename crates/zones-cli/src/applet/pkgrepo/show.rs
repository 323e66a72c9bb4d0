//! What a repository has.

use std::collections::BTreeSet;

use zones_ips::catalog::{BASE, DEPENDENCY};
use zones_ips::{Action, ActionKind, Fmri};
use zones_repository::Source;
use zones_repository::receive::{Selection, Versions, Wanted, select};
use zones_repository::search::{Query, Returns};

use super::{
    Outcome, Trouble, format, location, misused, origin, patterns, publishers, repository, stores,
};
use crate::getopt::Given;
use crate::plain::plain;
use crate::report::{FAILURE, OK};
use crate::table::Table;

pub(super) fn info(given: &Given) -> Outcome {
    let format = format(given)?;
    let source = origin(&location(given)?)?;
    let mut rows = Vec::new();
    for publisher in publishers(given, source.publishers()?)? {
        let attrs = match source.attrs(&publisher)? {
            Some(attrs) => attrs,
            None => source.catalog(&publisher)?.attrs,
        };
        let count = attrs.package_count.to_string();
        let updated = attrs.modified.to_string();
        rows.push([publisher.to_string(), count, "online".to_owned(), updated]);
    }
    let table = Table {
        columns: [
            ("PUBLISHER", 0),
            ("PACKAGES", 0),
            ("STATUS", 16),
            ("UPDATED", 0),
        ],
        rows,
    };
    print!("{}", plain(&table.text(format, !given.has("H"))));
    Ok(OK)
}

/// The packages that patterns mean, of the publishers of -p; every version of each.
fn chosen(given: &Given, source: &dyn Source) -> Result<Vec<Wanted>, Trouble> {
    let selection = Selection {
        patterns: patterns(&given.words)?,
        versions: Versions::AllTimestamps,
        is_recursive: false,
    };
    let meant = publishers(given, source.publishers()?)?;
    let mut found = select(source, &selection)?;
    found.retain(|it| it.fmri.publisher().is_some_and(|own| meant.contains(own)));
    Ok(found)
}

/// `o` for obsolete, `r` for renamed packages.
fn state(actions: impl Iterator<Item = Action>) -> &'static str {
    let mut state = "";
    for action in actions.filter(|action| action.get("value") == Some("true")) {
        match action.get("name") {
            Some("pkg.obsolete") => return "o",
            Some("pkg.renamed") => state = "r",
            _ => {}
        }
    }
    state
}

pub(super) fn list(given: &Given) -> Outcome {
    let format = format(given)?;
    let source = origin(&location(given)?)?;
    let mut found = chosen(given, source.as_ref())?;
    if found.is_empty() {
        return Err(Trouble::Failed("no matching packages found".to_owned()));
    }
    // By publisher and name, the newest version first.
    found.sort_by(|left, right| {
        let key = |it: &Wanted| (it.fmri.publisher().cloned(), it.fmri.stem().clone());
        key(left)
            .cmp(&key(right))
            .then_with(|| right.fmri.version().cmp(&left.fmri.version()))
    });
    let mut catalogs = std::collections::BTreeMap::new();
    for publisher in source.publishers()? {
        catalogs.insert(publisher.clone(), source.catalog(&publisher)?);
    }
    let state_of = |fmri: &Fmri| {
        let publisher = fmri.publisher()?;
        let part = catalogs.get(publisher)?.part(DEPENDENCY)?;
        let entry = part.entry(publisher.as_str(), fmri.stem().as_str(), fmri.version()?)?;
        Some(state(entry.actions().filter_map(|line| line.parse().ok())))
    };
    let row = |it: &Wanted| {
        let publisher = it.fmri.publisher().map(ToString::to_string);
        [
            publisher.unwrap_or_default(),
            it.fmri.stem().to_string(),
            state_of(&it.fmri).unwrap_or_default().to_owned(),
            it.fmri
                .version()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    };
    let table = Table {
        columns: [("PUBLISHER", 0), ("NAME", 45), ("O", 0), ("VERSION", 0)],
        rows: found.iter().map(row).collect(),
    };
    print!("{}", plain(&table.text(format, !given.has("H"))));
    Ok(OK)
}

pub(super) fn contents(given: &Given) -> Outcome {
    let mut kinds = Vec::new();
    for name in given.all("t").flat_map(|names| names.split(',')) {
        match ActionKind::named(name) {
            Some(kind) => kinds.push(kind),
            None => return misused(format!("no action type '{name}'")),
        }
    }
    let source = origin(&location(given)?)?;
    for it in chosen(given, source.as_ref())? {
        let (manifest, bytes) = source.manifest(&it.fmri, it.digest.as_ref())?;
        if kinds.is_empty() {
            print!("{}", String::from_utf8_lossy(&bytes));
            continue;
        }
        let actions = manifest.actions().iter();
        for action in actions.filter(|action| kinds.contains(&action.kind())) {
            println!("{action}");
        }
    }
    Ok(OK)
}

pub(super) fn diff(given: &Given) -> Outcome {
    let names: Vec<_> = given.all("s").collect();
    let [one, two] = names.as_slice() else {
        return misused("exactly two repositories must be specified using -s");
    };
    let packages = |name: &str| -> Result<BTreeSet<Fmri>, Trouble> {
        let source = origin(name)?;
        let mut found = BTreeSet::new();
        for publisher in publishers(given, source.publishers()?)? {
            let catalog = source.catalog(&publisher)?;
            let base = catalog.part(BASE).into_iter().flat_map(|part| part.iter());
            found.extend(base.map(|(fmri, _)| fmri));
        }
        Ok(found)
    };
    // Times of publication differ between equal repositories that were made apart.
    let is_strict = given.has("strict");
    let key = |fmri: &Fmri| match fmri.version() {
        Some(version) if !is_strict => fmri.clone().at(version.timeless()),
        _ => fmri.clone(),
    };
    let (left, right) = (packages(one)?, packages(two)?);
    let keys = |set: &BTreeSet<Fmri>| -> BTreeSet<Fmri> { set.iter().map(key).collect() };
    let (in_left, in_right) = (keys(&left), keys(&right));
    let only = |set: &BTreeSet<Fmri>, other: &BTreeSet<Fmri>| -> Vec<String> {
        let only = set.iter().filter(|fmri| !other.contains(&key(fmri)));
        only.map(ToString::to_string).collect()
    };
    let (gone, new) = (only(&left, &in_right), only(&right, &in_left));
    if gone.is_empty() && new.is_empty() {
        return Ok(OK);
    }
    if !given.has("q") {
        gone.iter().for_each(|fmri| println!("- {fmri}"));
        new.iter().for_each(|fmri| println!("+ {fmri}"));
    }
    Ok(FAILURE)
}

pub(super) fn search(given: &Given) -> Outcome {
    let [text] = given.words.as_slice() else {
        return misused("one query is needed; quote it for the shell");
    };
    let format = format(given)?;
    let query = Query::new(text, Returns::Actions, false)?;
    let repository = repository(given)?;
    let mut rows = Vec::new();
    for store in stores(given, &repository)? {
        for hit in store.search(&query)? {
            let kind = hit.action.as_ref().map(|action| action.word().to_owned());
            rows.push([
                hit.index,
                kind.unwrap_or_default(),
                hit.value,
                hit.fmri.short(),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(FAILURE);
    }
    let table = Table {
        columns: [("INDEX", 0), ("ACTION", 0), ("VALUE", 0), ("PACKAGE", 0)],
        rows,
    };
    print!("{}", plain(&table.text(format, !given.has("H"))));
    Ok(OK)
}

/// For removals: the packages that patterns mean, of a repository in a folder.
pub(super) fn listed(given: &Given) -> Result<Vec<Fmri>, Trouble> {
    let source = origin(&location(given)?)?;
    let found = chosen(given, source.as_ref())?;
    Ok(found.into_iter().map(|it| it.fmri).collect())
}
