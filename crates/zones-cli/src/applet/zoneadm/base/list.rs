//! `zoneadm base list`.

use std::io::Write as _;

use zones_brand::sparse::{Base, Bases};
use zones_engine::chain;
use zones_store::{Layout, Store};
use zones_types::Bytes;

use super::{Failure, users};
use crate::getopt::{Given, Known, flag, value};
use crate::table::{Format, Table};

/// A base with the zones that use it.
type Row = (Base, Vec<String>);

pub(super) fn run(
    layout: &Layout,
    store: &Store,
    bases: &Bases,
    args: &[String],
) -> Result<(), Failure> {
    const KNOWN: [Known; 3] = [flag('p', ""), flag('H', ""), value('o', "")];
    let given = Given::parse(args, &KNOWN).map_err(|_| Failure::Usage)?;
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    for name in bases.names() {
        match bases.find(&name) {
            Ok(base) => rows.push((base, users(layout, store, &name)?)),
            Err(error) => broken.push(chain(&error)),
        }
    }
    let text = match (given.get("o"), given.words.as_slice()) {
        (Some("json"), []) => json(&rows)?,
        (None, []) if given.has("p") => rows.iter().map(line).collect(),
        (None, []) => table(&rows).text(Format::Default, !given.has("H")),
        _ => return Err(Failure::Usage),
    };
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("cannot write: {error}"))?;
    match broken.is_empty() {
        true => Ok(()),
        false => Err(broken.join("\n").into()),
    }
}

fn json(rows: &[Row]) -> Result<String, String> {
    let object = |(base, users): &Row| {
        serde_json::json!({
            "name": base.name, "created": base.created, "files": base.files, "bytes": base.bytes,
            "users": users, "source": base.source, "sha256": base.sha256,
        })
    };
    let all: Vec<_> = rows.iter().map(object).collect();
    let text = serde_json::to_string_pretty(&all);
    text.map(|text| text + "\n")
        .map_err(|error| error.to_string())
}

/// Colons within a field are written `\:`.
fn line((base, users): &Row) -> String {
    let fields = [
        base.name.clone(),
        base.created.to_string(),
        base.files.to_string(),
        base.bytes.to_string(),
        users.join(","),
        base.source.clone(),
        base.sha256.clone(),
    ];
    fields.map(|it| it.replace(':', "\\:")).join(":") + "\n"
}

fn table(rows: &[Row]) -> Table<6> {
    let row = |(base, users): &Row| {
        let users = match users.as_slice() {
            [] => "-".to_owned(),
            users => users.join(","),
        };
        [
            base.name.clone(),
            crate::applet::beadm::date(base.created),
            base.files.to_string(),
            Bytes(base.bytes).to_string(),
            users,
            base.source.clone(),
        ]
    };
    Table {
        columns: [
            ("NAME", 12),
            ("CREATED", 16),
            ("FILES", 6),
            ("SIZE", 7),
            ("USED BY", 16),
            ("SOURCE", 0),
        ],
        rows: rows.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_to_people_and_programs() {
        let base = Base {
            name: "small".to_owned(),
            source: "web@a:b".to_owned(),
            created: 7,
            files: 3,
            bytes: 2 << 20,
            sha256: "ab".to_owned(),
            stamps: String::new(),
        };
        let rows = [
            (base.clone(), vec!["one".to_owned(), "two".to_owned()]),
            (base, Vec::new()),
        ];
        let text: String = rows.iter().map(line).collect();
        assert_eq!(
            text,
            "small:7:3:2097152:one,two:web@a\\:b:ab\nsmall:7:3:2097152::web@a\\:b:ab\n"
        );
        let text = table(&rows).text(Format::Default, false);
        assert!(text.contains("2M") && text.contains("one,two"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json(&rows).unwrap()).unwrap();
        assert_eq!(json[0]["users"][1], "two");
        assert_eq!(json[1]["bytes"], 2 << 20);
    }
}
