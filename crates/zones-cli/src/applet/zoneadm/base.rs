//! `zoneadm base`: the systems that sparse zones share folders of. See brands(7), "SPARSE".

mod list;
mod make;
pub(super) mod same;

use zones_brand::sparse::{self, Bases, Look};
use zones_engine::chain;
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use super::run as verbs;
use crate::report::{OK, fail};

/// Why a command failed: the text, or that it was written wrongly.
enum Failure {
    Usage,
    Text(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

pub(super) fn run(layout: &Layout, store: &Store, zone: Option<&ZoneName>, args: &[String]) -> u8 {
    if !rustix::process::geteuid().is_root() {
        return fail("zoneadm", "only a privileged user may look after bases.");
    }
    let bases = Bases::open(layout.bases());
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match (words.as_slice(), zone) {
        (_, Some(_)) | ([], _) => Err(Failure::Usage),
        ([verb, rest @ ..], None) => {
            make::repair(layout, store, &bases);
            match (*verb, rest) {
                ("list", _) => list::run(layout, store, &bases, &args[1..]),
                ("verify", names) => verify(&bases, names),
                ("destroy", [name]) => destroy(layout, store, &bases, name),
                ("create", [name, "-s", source]) => {
                    make::of_zone(layout, store, (&bases, name), source)
                }
                ("create", [name, "-t", brand, ..]) => {
                    make::of_brand(layout, store, (&bases, name), (brand, &args[4..]))
                }
                _ => Err(Failure::Usage),
            }
        }
    };
    match done {
        Ok(()) => OK,
        Err(Failure::Text(text)) => fail("zoneadm", text),
        Err(Failure::Usage) => verbs::bad_usage("base"),
    }
}

/// The zones whose files are the rest of a base, also those that are detached.
fn users(layout: &Layout, store: &Store, name: &str) -> Result<Vec<String>, String> {
    let mut users = Vec::new();
    for entry in store.list().map_err(|error| chain(&error))? {
        let has_root = || entry.zonepath().is_some_and(|it| it.root().exists());
        let has_files = entry.state != ZoneState::Configured || has_root();
        if !has_files {
            continue;
        }
        let config = zones_engine::load(layout, &entry.name).map_err(|error| error.chain())?;
        if sparse::is_sparse(&config) && sparse::base_of(&config) == name {
            users.push(entry.name.to_string());
        }
    }
    Ok(users)
}

/// One after the other; all that are wrong are told.
fn verify(bases: &Bases, names: &[&str]) -> Result<(), Failure> {
    let names: Vec<String> = match names {
        [] => bases.names(),
        names => names.iter().map(|it| (*it).to_owned()).collect(),
    };
    let mut wrong = Vec::new();
    for name in names {
        match bases.check(&name, Look::Content) {
            Ok(base) => println!("base {name}: {} files as they were made", base.files),
            Err(error) => wrong.push(chain(&error)),
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

fn destroy(layout: &Layout, store: &Store, bases: &Bases, name: &str) -> Result<(), Failure> {
    bases.root(name).map_err(|error| chain(&error))?;
    let lock = bases.lock(name).map_err(|error| chain(&error))?;
    let users = users(layout, store, name)?;
    if !users.is_empty() {
        let users = users.join(", ");
        let text = format!(
            "base `{name}` is used by {users}; uninstall what uses it before, or have it use another \
             base: zonecfg, attr base"
        );
        return Err(text.into());
    }
    let gone = bases.destroy(name, &lock);
    gone.map_err(|error| chain(&error).into())
}
