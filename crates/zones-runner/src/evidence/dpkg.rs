//! What dpkg knows. Source: dpkg(1), dpkg-query(1), update-alternatives(1), dpkg-divert(1).

use std::collections::{BTreeMap, BTreeSet};

use zones_debian::deb822::paragraphs;
use zones_matrix::leftovers::{Kind, Package, Path, Record, named};

use super::meaning::Page;

const STATUS: u64 = 256 << 20;
const LIST: u64 = 32 << 20;
const SMALL: u64 = 4 << 20;
const INFO: &str = "/var/lib/dpkg/info";

/// Alternatives and diversions.
pub(super) fn read(page: &mut Page<'_>) {
    let text = page
        .text("/var/lib/dpkg/diversions", SMALL)
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let diversions = lines.chunks_exact(3).map(|lines| {
        let (from, to, by) = (lines[0], lines[1], lines[2]);
        let by = if by == ":" { "the administrator" } else { by };
        (from.to_owned(), format!("to {to} by {by}"))
    });
    page.scene.inventory.diversions = diversions.collect();
    page.scene.inventory.alternatives = alternatives(page);
}

fn alternatives(page: &mut Page<'_>) -> BTreeMap<String, Record> {
    let mut found = BTreeMap::new();
    for folder in ["/var/lib/dpkg/alternatives", "/var/lib/alternatives"] {
        for (name, path) in page.names(folder) {
            let text = page
                .text(&format!("{folder}/{name}"), SMALL)
                .unwrap_or_default();
            found.insert(name.clone(), alternative(page, &name, path, &text));
        }
    }
    // Links that nothing is noted of.
    let known: BTreeSet<Path> = found
        .values()
        .flat_map(|it: &Record| it.paths.clone())
        .collect();
    for (name, path) in page.names("/etc/alternatives") {
        let Some(target) = page.target(&path).filter(|_| !known.contains(&path)) else {
            continue;
        };
        let text = format!("{}, noted nowhere", zones_matrix::leftovers::shown(target));
        let paths = BTreeSet::from([path.clone()]);
        found.insert(name, Record { text, paths });
    }
    found
}

/// Mode, the link, pairs of name and link of slaves, an empty line, then what can be chosen.
fn alternative(page: &Page<'_>, name: &str, own: Path, text: &str) -> Record {
    let mut lines = text.lines();
    let mode = lines.next().unwrap_or_default();
    let link = lines.next().unwrap_or_default();
    let chosen = |name: &str| format!("/etc/alternatives/{name}").into_bytes();
    let mut paths = BTreeSet::from([own, named(link), chosen(name)]);
    loop {
        let slave = lines.next().unwrap_or_default();
        if slave.is_empty() {
            break;
        }
        paths.insert(chosen(slave));
        paths.insert(named(lines.next().unwrap_or_default()));
    }
    let files = &page.scene.inventory.files;
    // Only what is of this alternative: a file that lies in the place of the link is its own.
    paths.retain(|path| match files.get(path) {
        Some(entry) if entry.kind == Kind::Link => {
            let target = entry.target.as_deref().unwrap_or_default();
            path.starts_with(b"/etc/alternatives/") || target.starts_with(b"/etc/alternatives/")
        }
        Some(_) => path.starts_with(b"/var/lib/"),
        None => true,
    });
    let choices = lines.filter(|line| line.starts_with('/')).count();
    let target = page
        .target(&chosen(name))
        .map(|it| zones_matrix::leftovers::shown(it));
    let target = target.unwrap_or_else(|| "nothing".to_owned());
    let text = format!("{mode}, {target}, {choices} to choose from");
    Record { text, paths }
}

/// Packages, who owns what, and which files are configuration.
pub(super) fn read_packages(page: &mut Page<'_>) {
    let status = page
        .text("/var/lib/dpkg/status", STATUS)
        .unwrap_or_default();
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    let mut config: BTreeSet<Path> = BTreeSet::new();
    // Files that their package has no more, though dpkg goes on to list them.
    let mut obsolete: BTreeSet<Path> = BTreeSet::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let all: Vec<_> = paragraphs(&status).collect();
    for name in all.iter().filter_map(|it| it.field("Package")) {
        *known.entry(name).or_default() += 1;
    }
    for paragraph in &all {
        let Some(name) = paragraph.field("Package") else {
            continue;
        };
        let state = paragraph.field("Status").unwrap_or_default();
        let words: Vec<&str> = state.split_whitespace().collect();
        let [wanted, flag, state] = words.as_slice() else {
            continue;
        };
        if *state == "not-installed" {
            continue;
        }
        let arch = paragraph.field("Architecture").unwrap_or_default();
        let is_several = known.get(name).is_some_and(|count| *count > 1);
        let key = match is_several {
            true => format!("{name}:{arch}"),
            false => name.to_owned(),
        };
        let mut text = (*state).to_owned();
        if *wanted == "hold" || *flag != "ok" {
            text += &format!(" ({wanted} {flag})");
        }
        for line in paragraph.field("Conffiles").unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let Some(path) = words.next().map(named) else {
                continue;
            };
            if words.any(|word| word == "obsolete") {
                obsolete.insert(path.clone());
            }
            config.insert(path);
        }
        let version = paragraph.field("Version").unwrap_or_default().to_owned();
        packages.insert(
            key,
            Package {
                version,
                state: text,
            },
        );
    }
    let mut owners = owners(page, &packages);
    owners.retain(|path, _| !obsolete.contains(path));
    let inventory = &mut page.scene.inventory;
    inventory.owners = owners;
    inventory.packages = packages;
    inventory.config = config;
}

fn owners(page: &mut Page<'_>, packages: &BTreeMap<String, Package>) -> BTreeMap<Path, String> {
    let mut found: BTreeMap<Path, String> = BTreeMap::new();
    let mut folders: BTreeMap<Path, Path> = BTreeMap::new();
    for (name, _) in page.names(INFO) {
        let Some(stem) = name.strip_suffix(".list") else {
            continue;
        };
        let plain = stem.split(':').next().unwrap_or(stem);
        let package = if packages.contains_key(stem) {
            stem
        } else {
            plain
        };
        let text = page
            .text(&format!("{INFO}/{name}"), LIST)
            .unwrap_or_default();
        for line in text.lines().filter(|line| line.len() > 1 && *line != "/.") {
            let path = real(page, &named(line), &mut folders);
            // A folder of many packages is owned by the first that says so.
            found.entry(path).or_insert_with(|| package.to_owned());
        }
    }
    found
}

/// The path with links among its folders followed: `/bin/sh` is `/usr/bin/sh` where `/bin` is a
/// link.
pub(super) fn real(page: &Page<'_>, path: &[u8], known: &mut BTreeMap<Path, Path>) -> Path {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (folder, name) = path.split_at(slash);
    if folder.is_empty() {
        return path.to_vec();
    }
    if let Some(real) = known.get(folder) {
        return [real, name].concat();
    }
    let mut place = real(page, folder, known);
    // Most often one link; more than a few are a circle.
    for _ in 0..8 {
        let Some(target) = page.target(&place) else {
            break;
        };
        let base = match target.starts_with(b"/") {
            true => Vec::new(),
            false => {
                let slash = place.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                place[..slash].to_vec()
            }
        };
        place = joined(base, target);
    }
    known.insert(folder.to_vec(), place.clone());
    [place.as_slice(), name].concat()
}

fn joined(mut base: Path, target: &[u8]) -> Path {
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let slash = base.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                base.truncate(slash);
            }
            part => {
                base.push(b'/');
                base.extend_from_slice(part);
            }
        }
    }
    base
}
