//! `pkg info`.

use serde_json::json;
use zones_image::Image;
use zones_image::plan::Package;
use zones_ips::catalog::CatalogTime;
use zones_ips::{ActionKind, Fmri, Version};

use super::text::{date, is_asked, patterns, size};
use super::{Call, Outcome, Stop, failed, usage};
use crate::report::{FAILURE, OK};

pub(super) fn run(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    if words.has("remote") && words.operands.is_empty() {
        return Err(usage("must request remote info for specific packages"));
    }
    let image = call.image()?;
    let asked = patterns(words.operands.iter().map(String::as_str))?;
    let rows = image.listed()?;
    let mut seen = None;
    let mut found: Vec<Fmri> = Vec::new();
    for row in &rows {
        let is_first = seen != Some(row.fmri.stem());
        seen = Some(row.fmri.stem());
        let is_wanted = if words.has("remote") {
            is_first
        } else {
            row.is_installed
        };
        if is_wanted && is_asked(&asked, &row.fmri) {
            found.push(row.fmri.clone());
        }
    }
    let missing = words
        .operands
        .iter()
        .zip(&asked)
        .filter(|(_, pattern)| !found.iter().any(|fmri| pattern.match_fmri(fmri).is_some()));
    let missing: Vec<&str> = missing.map(|(word, _)| word.as_str()).collect();
    let packages = image.manifests(&found, &|_| {})?;
    let installed = image.installed()?;
    if words.value("format").is_some() {
        let all: Vec<_> = packages
            .iter()
            .map(|it| as_json(it, installed.has(&it.fmri)))
            .collect();
        println!("{}", json!(all));
    } else if !words.has("quiet") {
        for (at, package) in packages.iter().enumerate() {
            if at > 0 {
                println!();
            }
            if words.has("license") {
                licenses(&image, package)?;
            } else {
                let row = rows.iter().find(|row| row.fmri == package.fmri);
                one(package, row, &installed);
            }
        }
    }
    if missing.is_empty() {
        return match packages.is_empty() {
            true => Err(failed("no packages installed")),
            false => Ok(OK),
        };
    }
    if !words.has("quiet") {
        let list: String = missing.iter().map(|it| format!("\n        {it}")).collect();
        let text = match words.has("remote") {
            true => format!(
                "no packages matching the following patterns you specified were\nfound in the catalog.  Try relaxing the patterns, refreshing, and/or\nexamining the catalogs:\n{list}"
            ),
            false => format!(
                "no packages matching the following patterns you specified are\ninstalled on the system.  Try querying remotely instead:\n{list}"
            ),
        };
        eprintln!("pkg: info: {text}");
    }
    Err(Stop::Said(if packages.is_empty() { FAILURE } else { 3 }))
}

fn row(label: &str, text: &str) {
    println!("{label:>17}: {text}");
}

fn one(
    package: &Package,
    listed: Option<&zones_image::Listed>,
    installed: &zones_image::Installed,
) {
    let (fmri, manifest) = (&package.fmri, &package.manifest);
    let text = |name: &'static str| manifest.set_value(name);
    row("Name", fmri.stem().as_str());
    row(
        "Summary",
        text("pkg.summary")
            .or_else(|| text("description"))
            .unwrap_or_default(),
    );
    if let Some(description) = text("pkg.description") {
        row("Description", description);
    }
    for (at, value) in manifest.set_values("info.classification").enumerate() {
        let category = value
            .split_once(':')
            .map_or(value, |(_, category)| category);
        row(if at == 0 { "Category" } else { "" }, category);
    }
    let mut state = if installed.has(fmri) {
        "Installed"
    } else {
        "Not installed"
    }
    .to_owned();
    for (is, note) in [
        (listed.is_some_and(|it| it.is_frozen), " (Frozen)"),
        (manifest.is("pkg.obsolete"), " (Obsolete)"),
        (manifest.is("pkg.renamed"), " (Renamed)"),
    ] {
        if is {
            state += note;
        }
    }
    row("State", &state);
    if manifest.is("pkg.renamed") {
        for depend in manifest.of_kind(ActionKind::Depend) {
            row("Renamed to", depend.get("fmri").unwrap_or_default());
        }
    }
    row(
        "Publisher",
        fmri.publisher().map(|it| it.as_str()).unwrap_or_default(),
    );
    let version = fmri.version();
    let human = text("pkg.human-version")
        .map(|it| format!(" ({it})"))
        .unwrap_or_default();
    let component = version
        .map(|it| it.component().to_string())
        .unwrap_or_default();
    row("Version", &format!("{component}{human}"));
    if let Some(branch) = version.and_then(Version::branch) {
        row("Branch", &branch.to_string());
    }
    if let Some(time) = version.and_then(Version::timestamp) {
        row("Packaging Date", &date(time));
    }
    let (first, last) = installed.times(fmri);
    for (label, time) in [("Last Install Time", first), ("Last Update Time", last)] {
        if let Some(time) = time.and_then(|it| it.parse::<CatalogTime>().ok()) {
            row(label, &date(time.second()));
        }
    }
    row("Size", &size(bytes(package)));
    row("FMRI", &fmri.without_build());
}

/// Bytes of the content, unpacked.
fn bytes(package: &Package) -> u64 {
    let files = package.manifest.actions().iter();
    files.filter_map(zones_ips::Action::size).sum()
}

fn licenses(image: &Image, package: &Package) -> Result<(), Stop> {
    for license in package.manifest.of_kind(ActionKind::License) {
        if let Some(text) = image.license(&package.fmri, license)? {
            println!("{text}");
        }
    }
    Ok(())
}

fn as_json(package: &Package, is_installed: bool) -> serde_json::Value {
    let text = |name: &'static str| package.manifest.set_value(name);
    json!({
        "name": package.fmri.stem().as_str(),
        "publisher": package.fmri.publisher().map(|it| it.as_str()),
        "version": package.fmri.version().map(ToString::to_string),
        "fmri": package.fmri.to_string(),
        "summary": text("pkg.summary"),
        "description": text("pkg.description"),
        "human-version": text("pkg.human-version"),
        "installed": is_installed,
        "obsolete": package.manifest.is("pkg.obsolete"),
        "renamed": package.manifest.is("pkg.renamed"),
        "size": bytes(package),
    })
}
