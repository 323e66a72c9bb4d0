//! `zoneadm list-snapshots`.

use serde::Serialize;
use zones_storage::Snapshot;
use zones_types::Bytes;

use super::super::{Target, run as verbs};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};
use crate::table::{Format, Table};

/// A snapshot, and what would be free if it went, in bytes, where the driver knows.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    used: Option<u64>,
}

/// A field of a snapshot as text.
type Field = fn(&Row<'_>) -> String;

/// What `-o` takes, in the order of `-p`.
const FIELDS: [(&str, Field); 6] = [
    ("name", |it| it.snapshot.name.clone()),
    ("uuid", |it| it.snapshot.uuid.clone()),
    ("created", |it| it.snapshot.created.to_string()),
    ("be", |it| it.snapshot.environment.clone()),
    ("origin", |it| it.snapshot.origin.clone()),
    ("used", |it| it.used.map_or_else(none, |it| it.to_string())),
];

pub(in super::super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    const KNOWN: [Known; 3] = [flag('p', ""), flag('H', ""), value('o', "")];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) if given.words.is_empty() => given,
        _ => return verbs::bad_usage("list-snapshots"),
    };
    let found = target
        .zonepath()
        .and_then(|path| Ok((super::open(&path)?, path)));
    let (snapshots, zonepath) = match found {
        Ok(found) => found,
        Err(text) => return fail_zone(&target.zone, text),
    };
    // Looking costs time: only what is shown is asked for.
    let names = given.get("o").unwrap_or("used");
    let is_sized = names.split(',').any(|it| matches!(it, "used" | "json"));
    let driver = zones_storage::choose(zonepath.as_path()).ok();
    let driver = driver.filter(|_| is_sized);
    let row = |snapshot| Row {
        snapshot,
        used: driver.as_ref().and_then(|driver| {
            let root = snapshots.path(&snapshot.name);
            driver.own(&root).ok().flatten()
        }),
    };
    let all: Vec<Row<'_>> = snapshots.all().iter().map(row).collect();
    let all = all.as_slice();
    let text = match given.get("o") {
        Some("json") => match serde_json::to_string_pretty(all) {
            Ok(json) => json + "\n",
            Err(error) => return fail("zoneadm", error),
        },
        Some(names) => match fields(names) {
            Ok(fields) => lines(all, &fields),
            Err(name) => {
                let known = FIELDS.map(|(name, _)| name).join(", ");
                eprintln!(
                    "zoneadm: list-snapshots -o takes `json` or some of {known}; not `{name}`"
                );
                return USAGE;
            }
        },
        None if given.has("p") => lines(all, &[0, 1, 2, 3, 4, 5]),
        None => table(all).text(Format::Default, !given.has("H")),
    };
    match std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()) {
        Ok(()) => OK,
        Err(_) => FAILURE,
    }
}

fn fields(names: &str) -> Result<Vec<usize>, &str> {
    let place = |name| FIELDS.iter().position(|(known, _)| *known == name);
    names
        .split(',')
        .map(|name| place(name).ok_or(name))
        .collect()
}

/// Colons within a field are written `\:`.
fn lines(all: &[Row<'_>], wanted: &[usize]) -> String {
    let line = |it: &Row<'_>| {
        let fields = wanted
            .iter()
            .map(|at| FIELDS[*at].1(it).replace(':', "\\:"));
        fields.collect::<Vec<_>>().join(":") + "\n"
    };
    all.iter().map(line).collect()
}

fn none() -> String {
    "-".to_owned()
}

fn table(all: &[Row<'_>]) -> Table<5> {
    let row = |row: &Row<'_>| {
        let it = row.snapshot;
        let origin = match it.origin.as_str() {
            "" => none(),
            origin => origin.to_owned(),
        };
        let created = crate::applet::beadm::date(it.created);
        let used = row.used.map_or_else(none, |it| Bytes(it).to_string());
        [
            it.name.clone(),
            created,
            it.environment.clone(),
            used,
            origin,
        ]
    };
    Table {
        columns: [
            ("NAME", 24),
            ("CREATED", 16),
            ("BE", 12),
            ("USED", 7),
            ("ORIGIN", 0),
        ],
        rows: all.iter().map(row).collect(),
    }
}
