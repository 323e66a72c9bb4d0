//! `zoneadm list`: one read of the index, the kernel asked per active zone, no lock, no process.

use std::io::IsTerminal as _;

use serde::Serialize;
use zones_config::IpType;
use zones_storage::Usage;
use zones_store::{IndexEntry, Layout, Store};
use zones_types::{Bytes, ZoneId, ZoneName, ZoneState};

use super::sizes::Sizes;
use crate::inside::Inside;
use crate::report::{FAILURE, OK, USAGE, fail};

#[derive(Default, Clone, PartialEq)]
enum Form {
    #[default]
    Names,
    Table,
    Parseable,
    /// `-o json,FIELD,...`: objects, with these of [`MORE`].
    Json(Vec<usize>),
    /// `-o FIELD,...`: these, colon-separated.
    Fields(Vec<usize>),
}

/// The fields of `-p` in their order, by the names that `-o` takes.
const FIELDS: [&str; 7] = [
    "zoneid", "zonename", "state", "zonepath", "uuid", "brand", "ip-type",
];
/// Those that `-o` takes besides, because they cost more than a look: whether the packages of the
/// zone are in step with those of the global zone; its boot environment; how many snapshots it has;
/// its storage driver; what it takes on the disk, shows and may take.
const MORE: [(&str, More); 7] = [
    ("sync", |it| Some(Shown::text(sync(it.layout, it.entry)))),
    ("be", |it| {
        let all = zones_storage::Environments::open(it.entry.zonepath()?.as_path());
        Some(Shown::text(all.ok()?.active()))
    }),
    ("snapshots", |it| {
        let all = zones_storage::Snapshots::open(it.entry.zonepath()?.as_path());
        Some(Shown::Count(all.ok()?.all().len()))
    }),
    ("driver", |it| {
        let driver = zones_storage::choose(it.entry.zonepath()?.as_path());
        Some(Shown::text(driver.ok()?.kind().as_str()))
    }),
    ("used", |it| Some(Shown::Size(it.usage()?.own))),
    ("refers", |it| Some(Shown::Size(it.usage()?.refers))),
    ("limit", |it| it.usage()?.limit.map(Shown::Size)),
];

/// A value of such a field; a number in JSON where it is one.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Text(String),
    Count(usize),
    /// Bytes.
    Size(u64),
}

impl Shown {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// In a line of fields: sizes with a unit for people, in bytes for programs.
    fn line(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Size(bytes) => match std::io::stdout().is_terminal() {
                true => Bytes(*bytes).to_string(),
                false => bytes.to_string(),
            },
        }
    }
}

/// What a zone that has files says in such a field; nothing is `-`.
type More = fn(&Asked<'_>) -> Option<Shown>;

/// A zone that has files.
struct Asked<'a> {
    layout: &'a Layout,
    entry: &'a IndexEntry,
    usage: std::cell::OnceCell<Option<Usage>>,
}

impl Asked<'_> {
    /// Looks at all files, once.
    fn usage(&self) -> Option<Usage> {
        let measure = || Sizes::open(self.layout, self.entry).ok()?.zone().ok();
        *self.usage.get_or_init(measure)
    }
}

impl Form {
    /// The places in [`MORE`] of what is asked for.
    fn more(&self) -> Vec<usize> {
        let fields = match self {
            Self::Fields(fields) | Self::Json(fields) => fields.as_slice(),
            _ => &[],
        };
        let more = fields.iter().filter_map(|at| at.checked_sub(FIELDS.len()));
        more.collect()
    }
}

#[derive(Default)]
struct Options {
    installed: bool,
    configured: bool,
    no_global: bool,
    /// `-s`: only zones in one of these states; empty: all that the other options ask for.
    states: Vec<ZoneState>,
    form: Form,
}

/// One zone as it is shown.
#[derive(Serialize)]
struct Row {
    id: Option<u16>,
    name: String,
    state: ZoneState,
    zonepath: String,
    uuid: String,
    brand: String,
    ip_type: &'static str,
    /// In the order of [`MORE`], as far as they were asked for.
    #[serde(skip)]
    more: [Option<Shown>; MORE.len()],
}

pub(super) fn run(layout: &Layout, store: &Store, zone: Option<&ZoneName>, args: &[String]) -> u8 {
    let options = match parse(args, zone.is_some()) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let entries = match store.list() {
        Ok(entries) => entries,
        Err(error) => return fail("zoneadm", zones_engine::chain(&error)),
    };
    let mut rows = Vec::with_capacity(entries.len() + 1);
    let wanted = |state| options.states.is_empty() || options.states.contains(&state);
    if zone.map_or(!options.no_global, ZoneName::is_global) && wanted(ZoneState::Running) {
        rows.push(global_row());
    }
    for entry in entries {
        if zone.is_some_and(|zone| *zone != entry.name) {
            continue;
        }
        let mut row = row(layout, store, &entry, options.form != Form::Names);
        let shown = match row.state {
            ZoneState::Configured | ZoneState::Incomplete => options.configured,
            ZoneState::Installed | ZoneState::Ready => options.configured || options.installed,
            _ => true,
        };
        if (shown || zone.is_some() || !options.states.is_empty()) && wanted(row.state) {
            let wanted = options.form.more();
            if !wanted.is_empty() && entry.state == ZoneState::Installed {
                let asked = Asked {
                    layout,
                    entry: &entry,
                    usage: std::cell::OnceCell::new(),
                };
                for at in wanted {
                    row.more[at] = MORE[at].1(&asked);
                }
            }
            rows.push(row);
        }
    }
    if let (Some(zone), true, true) = (zone, rows.is_empty(), options.states.is_empty()) {
        return fail("zoneadm", format!("{zone}: No such zone configured"));
    }
    let status = print(&rows, &options.form);
    if options.form == Form::Table {
        rows.iter().for_each(note_environment);
    }
    status
}

/// Boot environments that somebody has to know of: on trial, or left because they did not come up.
fn note_environment(row: &Row) {
    let zonepath = std::path::Path::new(&row.zonepath);
    // Most zones have no other environment and no record.
    if row.state < ZoneState::Installed || !zonepath.join("be/.record").exists() {
        return;
    }
    let Ok(all) = zones_storage::Environments::open(zonepath) else {
        return;
    };
    let name = &row.name;
    if let Some(trial) = all.trial() {
        let (on_trial, previous) = (&trial.name, &trial.previous);
        eprintln!(
            "zone '{name}': boot environment {on_trial} is on trial; {previous} is gone back to"
        );
    }
    for failed in all.all().iter().filter(|it| !it.failed.is_empty()) {
        let (be, why) = (&failed.name, &failed.failed);
        eprintln!("zone '{name}': boot environment {be} did not come up ({why})");
    }
}

/// The list inside of a zone: itself.
pub(super) fn only(zone: &Inside, args: &[String]) -> u8 {
    let options = match parse(args, false) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let row = Row {
        id: zone.id.parse().ok(),
        name: zone.name.clone(),
        ip_type: if zone.ip_type == "exclusive" {
            "excl"
        } else {
            "shared"
        },
        ..global_row()
    };
    print(&[row], &options.form)
}

fn parse(args: &[String], one_zone: bool) -> Result<Options, u8> {
    let mut options = Options::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "-o" {
            options.form = output(words.next())?;
            continue;
        }
        if word == "-s" {
            options.states = states(words.next())?;
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Err(super::usage(USAGE));
        };
        for letter in letters.chars() {
            match letter {
                'i' | 'c' | 'n' if one_zone => return Err(super::usage(USAGE)),
                'i' => options.installed = true,
                'c' => options.configured = true,
                'n' => options.no_global = true,
                'v' | 'p' => {
                    let form = if letter == 'v' {
                        Form::Table
                    } else {
                        Form::Parseable
                    };
                    if options.form != Form::Names && options.form != form {
                        eprintln!("zoneadm: list -p and -v are mutually exclusive.");
                        return Err(FAILURE);
                    }
                    options.form = form;
                }
                _ => return Err(super::usage(USAGE)),
            }
        }
    }
    Ok(options)
}

/// `-o json`, names of fields, or both: every object has the fields of `-p`, so only the others
/// add to it.
fn output(value: Option<&String>) -> Result<Form, u8> {
    let names = value.map(String::as_str).unwrap_or_default();
    let (is_json, names) = match names.split_once(',') {
        Some(("json", names)) => (true, names),
        _ if names == "json" => return Ok(Form::Json(Vec::new())),
        _ => (false, names),
    };
    let known = || FIELDS.into_iter().chain(MORE.map(|(name, _)| name));
    let place = |name: &str| known().position(|field| field == name);
    let fields = names.split(',').map(|name| place(name).ok_or(name));
    match fields.collect() {
        Ok(fields) if is_json => Ok(Form::Json(fields)),
        Ok(fields) => Ok(Form::Fields(fields)),
        Err(name) => {
            let all = known().collect::<Vec<_>>().join(", ");
            eprintln!("zoneadm: list -o takes `json`, some of {all}, or both; not `{name}`");
            Err(USAGE)
        }
    }
}

/// `-s`: names of states.
fn states(value: Option<&String>) -> Result<Vec<ZoneState>, u8> {
    let names = value.map(String::as_str).unwrap_or_default();
    let state = |name: &str| name.parse().map_err(|_| name.to_owned());
    names
        .split(',')
        .map(state)
        .collect::<Result<_, String>>()
        .map_err(|name| {
            let all = ZoneState::ALL.map(ZoneState::as_str).join(", ");
            eprintln!("zoneadm: list -s takes some of {all}; not `{name}`");
            USAGE
        })
}

fn global_row() -> Row {
    Row {
        id: Some(ZoneId::GLOBAL.0),
        name: "global".to_owned(),
        state: ZoneState::Running,
        zonepath: "/".to_owned(),
        uuid: String::new(),
        brand: "native".to_owned(),
        ip_type: "shared",
        more: Default::default(),
    }
}

/// `yes`, `no`, or `-` for a zone that is not linked.
fn sync(layout: &Layout, entry: &IndexEntry) -> &'static str {
    let is_there = entry.state == ZoneState::Installed;
    let root = entry.zonepath().filter(|_| is_there).map(|it| it.root());
    match root.and_then(|root| crate::applet::pkg::linked::in_step(layout, &entry.name, &root)) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    }
}

/// The document is read only when its fields are shown.
fn row(layout: &Layout, store: &Store, entry: &IndexEntry, details: bool) -> Row {
    let active = zones_engine::active(layout, &entry.name);
    let state = match (entry.state, active) {
        (ZoneState::Incomplete, _) => ZoneState::Incomplete,
        (_, Some((state, _))) => state,
        (state, None) => state,
    };
    let id = active
        .filter(|_| state > ZoneState::Installed && state != ZoneState::Down)
        .map(|(_, id)| id.0);
    let config = details.then(|| store.head(&entry.name)).flatten();
    let brand = config
        .as_ref()
        .and_then(|config| config.brand.as_ref())
        .map(ToString::to_string);
    let exclusive = config
        .as_ref()
        .is_some_and(|config| config.ip_type == IpType::Exclusive);
    Row {
        id,
        name: entry.name.to_string(),
        state,
        zonepath: entry.path.clone(),
        uuid: entry.uuid.clone(),
        brand: brand.unwrap_or_else(|| "-".to_owned()),
        ip_type: if exclusive { "excl" } else { "shared" },
        more: Default::default(),
    }
}

fn print(rows: &[Row], form: &Form) -> u8 {
    use std::io::Write;
    let mut text = String::new();
    let id = |row: &Row| row.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    match form {
        Form::Names => rows
            .iter()
            .for_each(|row| text += &format!("{}\n", row.name)),
        Form::Table => {
            if !rows.is_empty() {
                text += &line("ID", "NAME", "STATUS", "PATH", "BRAND", "IP");
            }
            for row in rows {
                text += &line(
                    &id(row),
                    &row.name,
                    row.state.as_str(),
                    &row.zonepath,
                    &row.brand,
                    row.ip_type,
                );
            }
        }
        Form::Parseable => {
            for row in rows {
                text += &format!("{}\n", fields(row).join(":"));
            }
        }
        Form::Fields(wanted) => {
            for row in rows {
                let all = fields(row);
                let more = row.more.iter();
                let more = more.map(|it| it.as_ref().map_or_else(|| "-".to_owned(), Shown::line));
                let all: Vec<String> = all.into_iter().chain(more).collect();
                let some = wanted
                    .iter()
                    .filter_map(|at| all.get(*at).map(String::as_str));
                let some: Vec<&str> = some.collect();
                text += &format!("{}\n", some.join(":"));
            }
        }
        Form::Json(_) => match json(rows, &form.more()) {
            Ok(json) => text = json + "\n",
            Err(error) => return fail("zoneadm", error),
        },
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => OK,
        Err(_) => FAILURE,
    }
}

/// What is asked for besides stands at the end of each object; `null` where nobody knows.
fn json(rows: &[Row], more: &[usize]) -> serde_json::Result<String> {
    let mut objects = Vec::with_capacity(rows.len());
    for row in rows {
        let mut object = serde_json::to_value(row)?;
        for at in more {
            object[MORE[*at].0] = serde_json::to_value(&row.more[*at])?;
        }
        objects.push(object);
    }
    serde_json::to_string_pretty(&objects)
}

/// The parseable fields; colons in a path are escaped, as `IFS=: read` of a shell wants it.
fn fields(row: &Row) -> [String; FIELDS.len()] {
    [
        row.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        row.name.clone(),
        row.state.to_string(),
        row.zonepath.replace(':', "\\:"),
        row.uuid.clone(),
        row.brand.clone(),
        row.ip_type.to_owned(),
    ]
}

fn line(id: &str, name: &str, state: &str, path: &str, brand: &str, ip: &str) -> String {
    format!("{id:>4} {name:<16} {state:<10} {path:<30} {brand:<8} {ip:<6}\n")
}
