//! `pkg contents` and `pkg search`.

use std::io::IsTerminal as _;

use zones_image::Image;
use zones_image::plan::Package;
use zones_ips::{Action, Fmri, Version};

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

/// What `pkg search` shows of a hit.
struct Hit {
    index: String,
    action: String,
    value: String,
}

pub(super) fn search(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let [query] = words.operands.as_slice() else {
        return Err(usage("at least one search term must be provided"));
    };
    let image = call.image()?;
    let is_local = words.has("local");
    let mut seen = None;
    let mut found = Vec::new();
    for row in image.listed()? {
        let is_first = seen.as_ref() != Some(row.fmri.stem());
        seen = Some(row.fmri.stem().clone());
        if row.is_installed || (!is_local && (is_first || words.has("full"))) {
            found.push(row.fmri);
        }
    }
    let wanted = Wanted::of(query, words.has("case-sensitive"));
    let is_packages = words.has("packages");
    let mut table = match is_packages {
        true => Table::new(&["PACKAGE", "PUBLISHER"], &[]),
        false => Table::new(&["INDEX", "ACTION", "VALUE", "PACKAGE"], &[]),
    };
    for package in image.manifests(&found, &|_| {})? {
        let hits: Vec<Hit> = package
            .manifest
            .actions()
            .iter()
            .flat_map(|it| wanted.hits(it))
            .collect();
        if is_packages && !hits.is_empty() {
            let publisher = package.fmri.publisher().map(ToString::to_string);
            table.row([short(&package.fmri), publisher.unwrap_or_default()]);
        } else if !is_packages {
            for hit in hits {
                table.row([hit.index, hit.action, hit.value, short(&package.fmri)]);
            }
        }
    }
    if table.is_empty() {
        return Err(Stop::Said(FAILURE));
    }
    table.print(call)?;
    Ok(OK)
}

/// `[PKG:][ACTION:][INDEX:]TOKEN`, as far as one term goes.
struct Wanted {
    action: Option<String>,
    index: Option<String>,
    token: String,
    is_exact: bool,
}

impl Wanted {
    fn of(query: &str, is_exact: bool) -> Self {
        let fields: Vec<&str> = query.split(':').collect();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (action, index, token) = match fields.as_slice() {
            [.., action, index, token] => (some(action), some(index), *token),
            [index, token] => (None, some(index), *token),
            _ => (None, None, query),
        };
        let token = if is_exact {
            token.to_owned()
        } else {
            token.to_lowercase()
        };
        Self {
            action,
            index,
            token,
            is_exact,
        }
    }

    fn is_hit(&self, text: &str) -> bool {
        let text = if self.is_exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        };
        zones_ips::pattern::glob_matches(&self.token, &text)
    }

    fn hits(&self, action: &Action) -> Vec<Hit> {
        if self.action.as_deref().is_some_and(|it| it != action.word()) {
            return Vec::new();
        }
        let mut rows: Vec<(String, String, String)> = Vec::new();
        let mut add = |index: &str, token: &str, value: &str| {
            rows.push((index.to_owned(), token.to_owned(), value.to_owned()));
        };
        if let Some(path) = action.get("path") {
            let name = path.rsplit('/').next().unwrap_or(path);
            add("basename", name, path);
            add("path", &format!("/{path}"), path);
            if let Some(hash) = action.payload() {
                add("content", hash, path);
            }
        }
        match action.word() {
            "set" => {
                let name = action.get("name").unwrap_or_default().to_owned();
                for value in action.values("value") {
                    add(&name, value, value);
                    if matches!(&*name, "pkg.summary" | "pkg.description" | "description") {
                        value
                            .split_whitespace()
                            .for_each(|word| add(&name, word, value));
                    }
                    if name == "pkg.fmri"
                        && let Ok(fmri) = value.parse::<Fmri>()
                    {
                        let stem = fmri.stem().to_string();
                        add(&name, &stem, value);
                        let last = stem.rsplit('/').next().unwrap_or(&stem);
                        add(&name, last, value);
                    }
                }
            }
            "depend" => {
                let kind = action.get("type").unwrap_or_default().to_owned();
                for value in action.values("fmri") {
                    let stem = value.parse::<Fmri>().map(|it| it.stem().to_string());
                    add(&kind, &stem.unwrap_or_else(|_| value.to_owned()), value);
                }
            }
            "driver" | "user" | "group" | "license" | "legacy" => {
                let key = action.key().unwrap_or_default().to_owned();
                add("name", &key, &key);
            }
            _ => {}
        }
        let is_index = |index: &str| self.index.as_deref().is_none_or(|it| it == index);
        let rows = rows
            .into_iter()
            .filter(|(index, token, _)| is_index(index) && self.is_hit(token));
        let mut hits: Vec<Hit> = Vec::new();
        for (index, _, value) in rows {
            let action = action.word().to_owned();
            if !hits.iter().any(|it| it.index == index && it.value == value) {
                hits.push(Hit {
                    index,
                    action,
                    value,
                });
            }
        }
        hits
    }
}
