//! `info`: a package in words.

use std::fmt::Write as _;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use zones_ips::{ActionKind, Manifest};
use zones_repository::Store;

use super::manifest::{complete, unfound};
use super::{FOREVER, file};
use crate::http::date;
use crate::http::reply::Reply;
use crate::site::{Answered, Call, Site};

/// `info/0/NAME@VERSION`.
pub(super) fn info(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let fmri = complete(call)?;
    let store = site.store(fmri.publisher().or_else(|| call.publisher()))?;
    let fmri = fmri.of(store.publisher().clone());
    let manifest = store.manifest(&fmri);
    let manifest = manifest.map_err(|error| unfound(site, &fmri, &error))?;
    let (size, packed) = sizes(&manifest);
    let summary = manifest
        .set_value("pkg.summary")
        .or_else(|| manifest.set_value("description"));
    let version = fmri.version();
    let part = |part: Option<String>| part.unwrap_or_default();
    let time = version.and_then(|version| version.timestamp());
    let seconds = time.and_then(|time| u64::try_from(time.unix_seconds()).ok());
    let rows = [
        ("Name", fmri.stem().to_string()),
        ("Summary", summary.unwrap_or_default().to_owned()),
        ("Publisher", store.publisher().to_string()),
        (
            "Version",
            part(version.map(|version| version.component().to_string())),
        ),
        (
            "Build Release",
            part(version.map(zones_ips::Version::build)),
        ),
        (
            "Branch",
            part(
                version
                    .and_then(|version| version.branch())
                    .map(ToString::to_string),
            ),
        ),
        ("Packaging Date", part(seconds.map(date::ctime))),
        ("Size", size_text(size)),
        ("Compressed Size", size_text(packed)),
        ("FMRI", fmri.to_string()),
    ];
    let mut text = String::new();
    for (label, value) in rows {
        let _ = writeln!(text, "{label:>16}: {value}");
    }
    text += "\nLicense:\n";
    text += &licences(&store, &manifest);
    Ok(Reply::text("text/plain;charset=utf-8", text).cached(FOREVER))
}

/// Bytes of all payloads, unpacked and packed.
pub(crate) fn sizes(manifest: &Manifest) -> (u64, u64) {
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut sum = (0u64, 0u64);
    for action in manifest.actions() {
        sum.0 = sum.0.saturating_add(number(action.get("pkg.size")));
        sum.1 = sum.1.saturating_add(number(action.get("pkg.csize")));
    }
    sum
}

/// `0 B`, `34.83 kB`.
pub(crate) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut hundredths = u128::from(bytes) * 100;
    let mut unit = "";
    for next in UNITS {
        hundredths = (hundredths + 512) / 1024;
        unit = next;
        if hundredths < 102_400 {
            break;
        }
    }
    format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
}

/// The texts of all licences; one that is missing or no text is passed over.
pub(crate) fn licences(store: &Store, manifest: &Manifest) -> String {
    /// A licence is a text of some pages.
    const LONGEST: u64 = 1 << 20;
    let mut out = String::new();
    for action in manifest.of_kind(ActionKind::License) {
        let digest = action.payload().and_then(file::digest);
        let packed = digest.and_then(|digest| store.payload(&digest).ok());
        let mut text = Vec::new();
        let read = packed.map(|file| {
            let unpacked = MultiGzDecoder::new(file);
            unpacked.take(LONGEST).read_to_end(&mut text)
        });
        if matches!(read, Some(Ok(_))) {
            out += &String::from_utf8_lossy(&text);
            out += "\n\n";
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::size_text;

    #[test]
    fn sizes_in_words() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 kB"),
            (35_666, "34.83 kB"),
            (216_898_207, "206.85 MB"),
            (u64::MAX, "16384.00 PB"),
        ];
        for (bytes, text) in rows {
            assert_eq!(size_text(bytes), text);
        }
    }
}
