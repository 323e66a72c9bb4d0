//! What we promised: ratios to a peer of the same run, or absolute figures.

use super::Measured;
use super::plan::Group;

/// The 150 KiB for the helpers of one zone are split between the two of them.
/// Group, our row, the row it is compared with (none: absolute), the most it may be.
const BUDGETS: [(&str, &str, Option<&str>, f64); 17] = [
    ("life", "zones", Some("crun"), 0.5),
    (
        "floor",
        "zones, boot and halt in a resident daemon",
        Some("clone3, exit, wait"),
        1.3,
    ),
    ("exec", "zlogin", Some("nsenter"), 1.5),
    ("exec", "zlogin", Some("crun"), 0.25),
    ("memory", "zoneadmd, PSS", None, 100.0),
    ("memory", "zsched, PSS", None, 50.0),
    ("ready", "zones", Some("crun"), 0.6),
    ("net", "guarded port, both, uplinks", None, 1.5),
    ("list", "500 zones", None, 10.0),
    // 50 for each phase: read, print; read, verify; parse, run, verify, write.
    ("config", "fs 2^18, export", None, 100.0),
    ("config", "fs 2^18, verify", None, 100.0),
    ("config", "fs 2^18, -f", None, 200.0),
    // Linear is 4; below it, the start of the program counts.
    ("config", "fs 2^18, -f", Some("fs 2^16, -f"), 4.8),
    ("config", "attr 2^18, -f", Some("attr 2^16, -f"), 4.8),
    (
        "config",
        "attr 2^18, export",
        Some("attr 2^16, export"),
        4.8,
    ),
    ("debian", "zones, empty cache", Some("mmdebstrap"), 0.35),
    ("debian", "zones, empty cache", None, 4000.0),
];

/// A table: budget, measured, verdict.
pub(super) fn table(all: &[(Group, Vec<Measured>)]) -> String {
    let mut text = String::from("| what | beside | budget | measured | |\n|---|---|--:|--:|---|\n");
    for (group, ours, peer, most) in BUDGETS {
        let own = median(all, group, ours);
        let (beside, value) = match peer {
            None => ("-", own),
            Some(peer) => {
                let other = median(all, group, peer);
                (peer, own.zip(other).map(|(own, other)| own / other))
            }
        };
        let (shown, verdict) = match value {
            Some(value) if value <= most => (format!("{value:.2}"), "OK"),
            Some(value) => (format!("{value:.2}"), "MISSED"),
            None => ("-".to_owned(), "not measured"),
        };
        text += &format!("| {group}: {ours} | {beside} | {most:.2} | {shown} | {verdict} |\n");
    }
    text
}

fn median(all: &[(Group, Vec<Measured>)], group: &str, row: &str) -> Option<f64> {
    let (_, rows) = all.iter().find(|(known, _)| known.name == group)?;
    rows.iter()
        .find(|known| known.row.name == row)?
        .sample
        .median()
}
