//! `zones matrix image list`.

use serde_json::json;
use zones_runner::images::{Images, Manifest};

use super::Trouble;
use super::options::Options;
use crate::table::{Format, Table};

/// Columns of the table; `-p` prints the same fields with colons between.
const COLUMNS: [(&str, usize); 7] = [
    ("PLATFORM", 16),
    ("IMAGE", 23),
    ("BRAND", 6),
    ("MIB", 5),
    ("PACKAGES", 8),
    ("SECONDS", 7),
    ("PINNED", 6),
];

pub(super) fn run(images: &Images, options: &Options) -> Result<(), Trouble> {
    let pins = images.place().pins()?;
    let pinned = |manifest: &Manifest| {
        let names = pins.iter().filter(|(_, key)| *key == manifest.key);
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        names.join(",")
    };
    let all = images.list()?;
    if options.json {
        let all: Vec<_> = all.iter().map(|it| as_json(it, &pinned(it))).collect();
        println!("{}", json!(all));
        return Ok(());
    }
    let row = |manifest: &Manifest| {
        [
            manifest.platform.clone(),
            manifest.zone.to_string(),
            manifest.brand.clone(),
            (manifest.bytes >> 20).to_string(),
            manifest.packages.len().to_string(),
            format!("{:.1}", manifest.millis as f64 / 1000.0),
            pinned(manifest),
        ]
    };
    if options.parsable {
        all.iter().for_each(|it| println!("{}", row(it).join(":")));
        return Ok(());
    }
    let table = Table {
        columns: COLUMNS,
        rows: all.iter().map(row).collect(),
    };
    print!("{}", table.text(Format::Default, true));
    Ok(())
}

fn as_json(manifest: &Manifest, pinned: &str) -> serde_json::Value {
    json!({
        "platform": manifest.platform,
        "zone": manifest.zone.as_str(),
        "key": manifest.key.to_string(),
        "weak": manifest.weak.to_string(),
        "brand": manifest.brand,
        "bytes": manifest.bytes,
        "files": manifest.files,
        "packages": manifest.packages,
        "millis": manifest.millis,
        "created": manifest.created,
        "pinned": pinned,
        "inputs": manifest.inputs,
    })
}
