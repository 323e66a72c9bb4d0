//! `pkg contents` and `pkg search`.

use std::io::IsTerminal as _;

use zones_image::plan::Package;
use zones_image::{Image, Scope};
use zones_ips::{Action, Fmri, Version};
use zones_repository::search::{Query, Returns};

use super::text::{Table, is_asked, patterns};
use super::{Call, Outcome, Stop, failed, usage};
use crate::plain::plain;
use crate::report::{FAILURE, OK};

pub(super) fn run(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let image = call.image()?;
    let packages = asked(call, &image)?;
    if words.has("manifest") {
        // Byte by byte as it is, but for the eyes.
        let is_seen = std::io::stdout().is_terminal();
        for package in &packages {
            let text = package.manifest.to_string();
            print!("{}", if is_seen { plain(&text) } else { text.into() });
        }
        return Ok(OK);
    }
    let columns: Vec<&str> = match words.value("output") {
        Some(list) => list.split(',').collect(),
        None => vec!["path"],
    };
    let kinds: Option<Vec<&str>> = words.value("type").map(|list| list.split(',').collect());
    let filters = words.values("attribute").map(|text| {
        let pair = text.split_once('=');
        pair.ok_or_else(|| usage(format!("-a takes ATTRIBUTE=GLOB, not '{text}'")))
    });
    let filters: Vec<(&str, &str)> = filters.collect::<Result<_, _>>()?;
    let policy = image.policy();
    let mut rows = Vec::new();
    for package in &packages {
        for action in package.manifest.actions() {
            let is_kind = kinds.as_ref().is_none_or(|it| it.contains(&action.word()));
            let is_hit = |(name, glob): &(&str, &str)| {
                let mut values = values(package, action, name).into_iter();
                values.any(|it| zones_ips::pattern::glob_matches(glob, &it))
            };
            let is_ours = policy.variants.allow(action) && policy.facets.allow(action);
            if !is_kind || !is_ours || !filters.iter().all(is_hit) {
                continue;
            }
            let cells = columns
                .iter()
                .map(|name| values(package, action, name).join(" "));
            let cells: Vec<String> = cells.collect();
            if cells.iter().any(|it| !it.is_empty()) {
                rows.push(cells);
            }
        }
    }
    let sort = words
        .value("sort")
        .and_then(|name| columns.iter().position(|it| *it == name));
    rows.sort_by(|left, right| left[sort.unwrap_or(0)].cmp(&right[sort.unwrap_or(0)]));
    if rows.is_empty() {
        return Err(failed(
            "this package contains no actions with the fields specified using the -o option",
        ));
    }
    let heads: Vec<String> = columns.iter().map(|it| it.to_uppercase()).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(&heads, &[]);
    rows.into_iter().for_each(|row| table.row(row));
    table.print(call)?;
    Ok(OK)
}

fn asked(call: &Call<'_>, image: &Image) -> Result<Vec<Package>, Stop> {
    let asked = patterns(call.words.operands.iter().map(String::as_str))?;
    let is_remote = call.words.has("remote");
    if is_remote && asked.is_empty() {
        return Err(usage(
            "contents: must request remote contents for specific packages",
        ));
    }
    let mut seen = None;
    let mut found = Vec::new();
    for row in image.listed()? {
        let is_first = seen.as_ref() != Some(row.fmri.stem());
        seen = Some(row.fmri.stem().clone());
        let is_wanted = if is_remote {
            is_first
        } else {
            row.is_installed
        };
        if is_wanted && is_asked(&asked, &row.fmri) {
            found.push(row.fmri);
        }
    }
    if found.is_empty() {
        let text = match call.words.operands.as_slice() {
            [] => "no packages installed".to_owned(),
            names => format!(
                "no packages matching the following patterns you specified are\ninstalled on the system.  Try specifying -r to query remotely:\n\n        {}",
                names.join("\n        ")
            ),
        };
        return Err(failed(text));
    }
    Ok(image.manifests(&found, &|_| {})?)
}

/// The values of an attribute or pseudo attribute.
fn values(package: &Package, action: &Action, name: &str) -> Vec<String> {
    let fmri = &package.fmri;
    let one = |text: Option<String>| text.into_iter().collect();
    match name {
        "action.name" => vec![action.word().to_owned()],
        "action.key" => one(action.key().map(str::to_owned)),
        "action.hash" => one(action.payload().map(str::to_owned)),
        "action.raw" => vec![action.to_string()],
        "pkg.fmri" => vec![fmri.to_string()],
        "pkg.name" => vec![fmri.stem().to_string()],
        "pkg.publisher" => one(fmri.publisher().map(ToString::to_string)),
        "pkg.shortfmri" => vec![short(fmri)],
        name => action.values(name).map(str::to_owned).collect(),
    }
}

fn short(fmri: &Fmri) -> String {
    let version = fmri.version().map(Version::short).unwrap_or_default();
    format!("pkg:/{}@{version}", fmri.stem())
}

pub(super) fn search(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let [text] = words.operands.as_slice() else {
        return Err(usage("at least one search term must be provided"));
    };
    let returns = match words.has("packages") {
        true => Returns::Packages,
        false => Returns::Actions,
    };
    let query = Query::new(text, returns, words.has("case-sensitive"));
    let query = query.map_err(failed)?;
    let scope = match (words.has("local"), words.has("full")) {
        (true, _) => Scope::Installed,
        (false, false) => Scope::Offered,
        (false, true) => Scope::Versions,
    };
    let mut table = match query.returns() {
        Returns::Packages => Table::new(&["PACKAGE", "PUBLISHER"], &[]),
        Returns::Actions => Table::new(&["INDEX", "ACTION", "VALUE", "PACKAGE"], &[]),
    };
    for hit in call.image()?.search(&query, scope)? {
        let package = short(&hit.fmri);
        match hit.action {
            None => {
                let publisher = hit.fmri.publisher().map(ToString::to_string);
                table.row([package, publisher.unwrap_or_default()]);
            }
            Some(action) => {
                table.row([hit.index, action.word().to_owned(), hit.value, package]);
            }
        }
    }
    if table.is_empty() {
        return Err(Stop::Said(FAILURE));
    }
    table.print(call)?;
    Ok(OK)
}
