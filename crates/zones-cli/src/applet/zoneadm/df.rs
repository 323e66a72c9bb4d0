//! `zoneadm df`: what zones, their boot environments and their snapshots take on the disk.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use zones_engine::chain;
use zones_storage::{Environments, Snapshots, Usage};
use zones_store::{IndexEntry, Layout, Store};
use zones_types::{Bytes, ZoneName, ZoneState};

use super::run as verbs;
use super::sizes::Sizes;
use crate::getopt::{Given, Known, flag, value};
use crate::report::{FAILURE, OK, fail, fail_zone};
use crate::table::{Format, Table};

/// One root, or a whole zone.
#[derive(Debug, Serialize)]
struct Row {
    zone: String,
    /// Boot environment, or `BE@SNAPSHOT`; empty for the whole zone.
    name: String,
    own: u64,
    refers: u64,
    limit: Option<u64>,
    reserved: Option<u64>,
    driver: &'static str,
    exact: bool,
}

pub(super) fn run(layout: &Layout, store: &Store, zone: Option<&ZoneName>, args: &[String]) -> u8 {
    const KNOWN: [Known; 3] = [flag('p', ""), flag('s', ""), value('o', "")];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) if given.words.is_empty() => given,
        _ => return verbs::bad_usage("df"),
    };
    let is_json = match given.get("o") {
        None => false,
        Some("json") if !given.has("p") => true,
        Some(_) => return verbs::bad_usage("df"),
    };
    if !rustix::process::geteuid().is_root() {
        return fail("zoneadm", "only a privileged user may measure zones.");
    }
    let entries = match store.list() {
        Ok(entries) => entries,
        Err(error) => return fail("zoneadm", chain(&error)),
    };
    let has_files = |it: &&IndexEntry| {
        zone.is_none_or(|zone| *zone == it.name) && it.state == ZoneState::Installed
    };
    let (mut rows, mut status) = (Vec::new(), OK);
    for entry in entries.iter().filter(has_files) {
        match measure(layout, entry, given.has("s")) {
            Ok(more) => rows.extend(more),
            Err(text) => status = fail_zone(&entry.name, text),
        }
    }
    if let (Some(zone), true, OK) = (zone, rows.is_empty(), status) {
        let is_there = zones_engine::load(layout, zone).is_ok();
        return match is_there {
            true => fail_zone(zone, "has no files: it is not installed."),
            false => fail("zoneadm", format!("{zone}: No such zone configured")),
        };
    }
    let text = match (is_json, given.has("p")) {
        (true, _) => match serde_json::to_string_pretty(&rows) {
            Ok(text) => text + "\n",
            Err(error) => return fail("zoneadm", error),
        },
        (false, true) => rows.iter().map(fields).collect(),
        (false, false) => table(&rows).text(Format::Default, true),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => status,
        Err(_) => FAILURE,
    }
}

/// The zone, then, unless only that is asked for, its environments and snapshots.
fn measure(layout: &Layout, entry: &IndexEntry, sum: bool) -> Result<Vec<Row>, String> {
    let sizes = Sizes::open(layout, entry)?;
    let zonepath = sizes.zonepath.as_path();
    let row = |name: String, usage: Usage| Row {
        zone: entry.name.to_string(),
        name,
        own: usage.own,
        refers: usage.refers,
        limit: usage.limit,
        reserved: usage.reserved,
        driver: sizes.driver.kind().as_str(),
        exact: usage.is_exact,
    };
    let mut rows = vec![row(String::new(), sizes.zone()?)];
    if sum {
        return Ok(rows);
    }
    let mut add = |name: String, root: &Path| -> Result<(), String> {
        rows.push(row(name, sizes.root(root)?));
        Ok(())
    };
    let environments = Environments::open(zonepath).map_err(|error| chain(&error))?;
    for it in environments.all() {
        add(it.name.clone(), &environments.path(&it.name))?;
    }
    let snapshots = Snapshots::open(zonepath).map_err(|error| chain(&error))?;
    for it in snapshots.all() {
        let name = format!("{}@{}", it.environment, it.name);
        add(name, &snapshots.path(&it.name))?;
    }
    Ok(rows)
}

/// `zone:name:own:refers:limit:reserved:driver:exact`, bytes.
fn fields(row: &Row) -> String {
    let size = |it: Option<u64>| it.map_or_else(String::new, |it| it.to_string());
    format!(
        "{}:{}:{}:{}:{}:{}:{}:{}\n",
        row.zone,
        row.name.replace(':', "\\:"),
        row.own,
        row.refers,
        size(row.limit),
        size(row.reserved),
        row.driver,
        row.exact
    )
}

fn table(rows: &[Row]) -> Table<6> {
    let row = |row: &Row| {
        let size = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| Bytes(it).to_string());
        let about = if row.exact { "" } else { "~" };
        let name = if row.name.is_empty() { "-" } else { &row.name };
        [
            row.zone.clone(),
            name.to_owned(),
            format!("{about}{}", Bytes(row.own)),
            Bytes(row.refers).to_string(),
            size(row.limit),
            row.driver.to_owned(),
        ]
    };
    Table {
        columns: [
            ("ZONE", 12),
            ("NAME", 16),
            ("OWN", 7),
            ("REFERS", 7),
            ("LIMIT", 7),
            ("DRIVER", 0),
        ],
        rows: rows.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_to_people_and_programs() {
        let row = |name: &str, limit, exact| Row {
            zone: "web".to_owned(),
            name: name.to_owned(),
            own: 3 << 20,
            refers: 1 << 30,
            limit,
            reserved: None,
            driver: "overlay",
            exact,
        };
        let rows = [row("", Some(5 << 30), true), row("zbe@a:b", None, false)];
        let text = table(&rows).text(Format::Default, false);
        let words: Vec<_> = text.split_whitespace().collect();
        let first = ["web", "-", "3M", "1G", "5G", "overlay"];
        let second = ["web", "zbe@a:b", "~3M", "1G", "-", "overlay"];
        assert_eq!(words, [first, second].concat());
        let fields: String = rows.iter().map(fields).collect();
        assert_eq!(
            fields,
            "web::3145728:1073741824:5368709120::overlay:true\n\
             web:zbe@a\\:b:3145728:1073741824:::overlay:false\n"
        );
    }
}
