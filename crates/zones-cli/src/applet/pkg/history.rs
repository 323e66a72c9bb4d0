//! `pkg history`.

use zones_image::history::Entry;

use super::text::Table;
use super::{Call, Outcome, usage};
use crate::report::OK;

/// A column: name, head, value.
type Column = (&'static str, &'static str, fn(&Entry) -> String);

const COLUMNS: [Column; 9] = [
    ("start", "START", |it| time(it.start)),
    ("operation", "OPERATION", |it| it.operation.clone()),
    ("client", "CLIENT", |it| it.client.clone()),
    ("outcome", "OUTCOME", Entry::outcome),
    ("finish", "FINISH", |it| time(it.end)),
    ("user", "USER", |it| it.user.clone()),
    ("id", "ID", |it| it.uid.to_string()),
    ("client_ver", "VERSION", |it| it.version.clone()),
    ("command", "COMMAND", |it| it.args.join(" ")),
];

fn time(at: zones_ips::Timestamp) -> String {
    at.civil().to_string()
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let mut entries = call.image()?.history()?;
    if let Some(text) = words.value("number") {
        let wanted: usize = text
            .parse()
            .map_err(|_| usage(format!("'{text}' is not a number of entries")))?;
        entries.drain(..entries.len().saturating_sub(wanted));
    }
    if words.has("long") {
        for entry in &entries {
            for (_, head, value) in COLUMNS {
                println!("{head:>17}: {}", value(entry));
            }
            for error in &entry.errors {
                println!("{:>17}: {error}", "ERRORS");
            }
            println!();
        }
        return Ok(OK);
    }
    let names: Vec<&str> = match words.value("output") {
        Some(list) => list.split(',').collect(),
        None => vec!["start", "operation", "client", "outcome"],
    };
    let columns = names.iter().map(|name| {
        let known = COLUMNS.iter().find(|(known, ..)| known == name);
        known.ok_or_else(|| usage(format!("unknown output column '{name}'")))
    });
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let heads: Vec<&str> = columns.iter().map(|(_, head, _)| *head).collect();
    let mut table = Table::new(&heads, &[]);
    for entry in &entries {
        table.row(columns.iter().map(|(.., value)| value(entry)));
    }
    table.print(call)?;
    Ok(OK)
}

pub(super) fn purge(call: &Call<'_>) -> Outcome {
    let (image, _lock) = call.locked()?;
    image.purge_history()?;
    call.note(&image, &Ok(OK));
    println!("History purged.");
    Ok(OK)
}
