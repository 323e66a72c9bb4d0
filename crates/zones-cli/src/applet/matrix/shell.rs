//! `zones matrix shell`: into the zone of a cell.

use std::process::Command;

use zones_runner::{Bed as _, ByVerbs, Site};
use zones_store::{Layout, Store};

use super::desk::{self, Desk, FILE_OPTION};
use super::{NAME, bad};
use crate::getopt::Known;
use crate::report::{FAILURE, fail};

const KNOWN: [Known; 1] = [FILE_OPTION];

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let (own, command) = match args.iter().position(|word| word == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let done = desk::parse(own, &KNOWN).map_err(bad).and_then(|given| {
        let [id] = given.words.as_slice() else {
            return Err(bad("shell CELL"));
        };
        let desk = Desk::open(layout, &given)?;
        let zone = kept(&desk.site, id).ok_or_else(|| {
            bad(format!(
                "no zone of `{id}` was kept; `zones matrix run --keep all {id}` keeps one"
            ))
        })?;
        let binary = std::env::current_exe().map_err(|error| fail(NAME, error))?;
        let bed = ByVerbs::new(&binary, &desk.site, &desk.folder, None);
        enter(&bed, &binary, &desk.site, &zone, command)
    });
    done.unwrap_or_else(|status| status)
}

/// The newest zone of a cell that is there and that no run uses.
fn kept(site: &Site, cell: &str) -> Option<String> {
    let store = Store::open(site.layout());
    let mut found: Vec<String> = Vec::new();
    for entry in store.list().ok()? {
        let Ok(config) = store.load(&entry.name) else {
            continue;
        };
        let has = |name: &str, value: &str| {
            let mut attrs = config.attrs.iter();
            attrs.any(|attr| attr.name == name && attr.value == value)
        };
        if has("matrix-cell", cell) && has("matrix-kept", "true") {
            found.push(entry.name.to_string());
        }
    }
    found.pop()
}

/// Boots it, enters it, and halts it again.
fn enter(
    bed: &ByVerbs,
    binary: &std::path::Path,
    site: &Site,
    zone: &str,
    words: &[String],
) -> Result<u8, u8> {
    bed.boot(zone).map_err(|error| fail(NAME, error))?;
    let mut command = Command::new(binary);
    command
        .arg("zlogin")
        .arg("-R")
        .arg(site.host())
        .arg(zone)
        .args(words);
    let status = command.status();
    let halted = bed.halt(zone);
    let status = status.map_err(|error| fail(NAME, error))?;
    halted.map_err(|error| fail(NAME, error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(FAILURE))
}
