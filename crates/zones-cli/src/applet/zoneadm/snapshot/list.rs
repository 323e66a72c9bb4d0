//! `zoneadm list-snapshots`.

use zones_storage::Snapshot;

use super::super::{Target, run as verbs};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};
use crate::table::{Format, Table};

/// A field of a snapshot as text.
type Field = fn(&Snapshot) -> String;

/// What `-o` takes, in the order of `-p`.
const FIELDS: [(&str, Field); 5] = [
    ("name", |it| it.name.clone()),
    ("uuid", |it| it.uuid.clone()),
    ("created", |it| it.created.to_string()),
    ("be", |it| it.environment.clone()),
    ("origin", |it| it.origin.clone()),
];

pub(in super::super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    const KNOWN: [Known; 3] = [flag('p', ""), flag('H', ""), value('o', "")];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) if given.words.is_empty() => given,
        _ => return verbs::bad_usage("list-snapshots"),
    };
    let found = target.zonepath().and_then(|path| super::open(&path));
    let snapshots = match found {
        Ok(snapshots) => snapshots,
        Err(text) => return fail_zone(&target.zone, text),
    };
    let all = snapshots.all();
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
        None if given.has("p") => lines(all, &[0, 1, 2, 3, 4]),
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
fn lines(all: &[Snapshot], wanted: &[usize]) -> String {
    let line = |it: &Snapshot| {
        let fields = wanted
            .iter()
            .map(|at| FIELDS[*at].1(it).replace(':', "\\:"));
        fields.collect::<Vec<_>>().join(":") + "\n"
    };
    all.iter().map(line).collect()
}

fn table(all: &[Snapshot]) -> Table<4> {
    let row = |it: &Snapshot| {
        let origin = match it.origin.as_str() {
            "" => "-".to_owned(),
            origin => origin.to_owned(),
        };
        let created = crate::applet::beadm::date(it.created);
        [it.name.clone(), created, it.environment.clone(), origin]
    };
    Table {
        columns: [("NAME", 24), ("CREATED", 16), ("BE", 12), ("ORIGIN", 0)],
        rows: all.iter().map(row).collect(),
    }
}
