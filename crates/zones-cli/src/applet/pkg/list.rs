//! `pkg list`.

use zones_image::Listed;
use zones_ips::Version;

use super::text::{Table, is_asked, patterns};
use super::{Call, Outcome, Stop, failed};
use crate::report::{FAILURE, OK};

pub(super) fn run(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let image = call.image()?;
    let is_remote = words.has("all") || words.has("newest");
    if is_remote && !words.has("no-refresh") {
        let quiet = super::tracker::Tracker::with(super::tracker::Style::Quiet);
        // What is known will do where a publisher cannot be reached.
        if let Err(error) = image.refresh_when_stale(&|event| quiet.tell(event)) {
            super::say(call.name, &error.to_string());
        }
    }
    let asked = patterns(words.operands.iter().map(String::as_str))?;
    let mut seen = None;
    let mut rows = Vec::new();
    for row in image.listed()? {
        let is_first = seen.as_ref() != Some(row.fmri.stem());
        let is_wanted = if words.has("all") && words.has("full") {
            true
        } else if is_remote {
            (is_first && (!row.is_obsolete || words.has("newest"))) || row.is_installed
        } else if words.has("upgradable") {
            row.is_installed && row.is_upgradable
        } else {
            row.is_installed
        };
        if is_first {
            seen = Some(row.fmri.stem().clone());
        }
        if is_wanted && is_asked(&asked, &row.fmri) {
            rows.push(row);
        }
    }
    let missing = words.operands.iter().zip(&asked).filter(|(_, pattern)| {
        !rows
            .iter()
            .any(|row| pattern.match_fmri(&row.fmri).is_some())
    });
    let missing: Vec<&str> = missing.map(|(word, _)| word.as_str()).collect();
    if rows.is_empty() && missing.is_empty() {
        return Err(empty(call, is_remote));
    }
    if !rows.is_empty() {
        print(call, &image, &rows)?;
    }
    if missing.is_empty() {
        return Ok(OK);
    }
    if !words.has("quiet") {
        let list: String = missing.iter().map(|it| format!("\n        {it}")).collect();
        let kind = if is_remote {
            "known or installed"
        } else {
            "installed"
        };
        super::say(
            call.name,
            &format!("Packages matching the following patterns are not {kind}:{list}"),
        );
    }
    Err(Stop::Said(if rows.is_empty() { FAILURE } else { 3 }))
}

fn empty(call: &Call<'_>, is_remote: bool) -> Stop {
    if call.words.has("quiet") {
        return Stop::Said(FAILURE);
    }
    failed(if is_remote {
        "no packages installed or available for installation"
    } else if call.words.has("upgradable") {
        "no packages have newer versions available"
    } else {
        "no packages installed"
    })
}

fn print(call: &Call<'_>, image: &zones_image::Image, rows: &[Listed]) -> Result<(), Stop> {
    let words = &call.words;
    if words.has("quiet") {
        return Ok(());
    }
    let preferred = image
        .settings
        .publishers
        .first()
        .map(|it| it.prefix.clone());
    let name = |row: &Listed| {
        let publisher = row.fmri.publisher();
        if publisher == preferred.as_ref() {
            return row.fmri.stem().to_string();
        }
        let publisher = publisher.map(ToString::to_string).unwrap_or_default();
        format!("{} ({publisher})", row.fmri.stem())
    };
    let flags = |row: &Listed| {
        let installed = if row.is_installed { 'i' } else { '-' };
        let frozen = if row.is_frozen { 'f' } else { '-' };
        let state = match (row.is_obsolete, row.is_renamed) {
            (true, _) => 'o',
            (_, true) => 'r',
            _ => '-',
        };
        format!("{installed}{frozen}{state}")
    };
    let mut table = if words.has("summary") {
        Table::new(&["NAME (PUBLISHER)", "SUMMARY"], &[49, 0])
    } else if words.has("verbose") {
        Table::new(&["FMRI", "IFO"], &[76, 3])
    } else {
        Table::new(&["NAME (PUBLISHER)", "VERSION", "IFO"], &[49, 26, 3])
    };
    for row in rows {
        if words.has("summary") {
            table.row([name(row), row.summary.clone()]);
        } else if words.has("verbose") {
            table.row([row.fmri.without_build(), flags(row)]);
        } else {
            let version = row.fmri.version().map(Version::short).unwrap_or_default();
            table.row([name(row), version, flags(row)]);
        }
    }
    table.print(call)
}
