//! Services, and what starts them. Source: systemd.unit(5), inittab(5), insserv(8), rc-update(8).

use std::collections::BTreeMap;

use zones_matrix::leftovers::{Job, Kind, Path};

use super::meaning::Page;

/// Folders of units. Source: systemd.unit(5).
pub(super) const UNITS: [&str; 7] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/etc/systemd/user",
    "/usr/lib/systemd/user",
    "/usr/local/lib/systemd/user",
];
const ENDINGS: [&str; 10] = [
    ".service",
    ".socket",
    ".target",
    ".mount",
    ".automount",
    ".path",
    ".slice",
    ".swap",
    ".scope",
    ".timer",
];
/// A unit that is run at times.
pub(super) const TIMER: &str = ".timer";
const INITTAB: u64 = 1 << 20;

pub(super) fn read(page: &mut Page<'_>) {
    let mut found = units(page);
    found.retain(|name, _| !name.ends_with(TIMER));
    scripts(page, &mut found);
    inittab(page, &mut found);
    page.scene.inventory.services = found;
}

/// Units by name, with their drop-ins and all links that stand for them.
pub(super) fn units(page: &Page<'_>) -> BTreeMap<String, Job> {
    let mut found: BTreeMap<String, Job> = BTreeMap::new();
    for folder in UNITS {
        for (name, path) in page.names(folder) {
            let entry = page.scene.inventory.files.get(&path);
            let is_folder = entry.is_some_and(|entry| entry.kind == Kind::Folder);
            if !is_folder {
                if is_unit(&name) {
                    note(&mut found, &name, path, false);
                }
                continue;
            }
            let of = |end: &str| name.strip_suffix(end).filter(|name| is_unit(name));
            if let Some(unit) = of(".d") {
                note(&mut found, unit, path.clone(), false);
                for (_, drop_in) in page.names(&format!("{folder}/{name}")) {
                    note(&mut found, unit, drop_in, false);
                }
            } else if of(".wants").or_else(|| of(".requires")).is_some() {
                for (unit, link) in page.names(&format!("{folder}/{name}")) {
                    if is_unit(&unit) {
                        note(&mut found, &unit, link, true);
                    }
                }
            }
        }
    }
    found
}

fn is_unit(name: &str) -> bool {
    ENDINGS.iter().any(|end| name.ends_with(end))
}

fn note(found: &mut BTreeMap<String, Job>, name: &str, path: Path, enables: bool) {
    let job = found.entry(name.to_owned()).or_default();
    job.paths.insert(path);
    job.enabled |= enables;
}

/// Folders of links that start a script, or of scripts.
fn scripts(page: &Page<'_>, found: &mut BTreeMap<String, Job>) {
    let mut add = |name: &str, path: Path, enables: bool| {
        // A script and a unit of the same name are one service.
        let unit = format!("{name}.service");
        let name = if found.contains_key(&unit) {
            &unit
        } else {
            name
        };
        note(found, name, path, enables);
    };
    for folder in ["/etc/init.d", "/etc/rc.d/init.d"] {
        for (name, path) in page.names(folder) {
            let is_file = |kind| matches!(kind, Kind::File | Kind::Link);
            let entry = page.scene.inventory.files.get(&path);
            let is_script = entry.is_some_and(|entry| is_file(entry.kind));
            if is_script
                && !name.starts_with('.')
                && !matches!(name.as_str(), "README" | "skeleton")
            {
                add(&name, path, false);
            }
        }
    }
    for level in "0123456S".chars() {
        for folder in [
            format!("/etc/rc{level}.d"),
            format!("/etc/rc.d/rc{level}.d"),
        ] {
            for (link, path) in page.names(&folder) {
                let (letter, rest) = link.split_at_checked(1).unwrap_or_default();
                let number = rest
                    .get(..2)
                    .filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
                if matches!(letter, "S" | "K") && number.is_some() && rest.len() > 2 {
                    add(&rest[2..], path, letter == "S");
                }
            }
        }
    }
    let started = ["/etc/service", "/var/service", "/etc/xinetd.d"];
    for folder in started {
        for (name, path) in page.names(folder) {
            add(&name, path, true);
        }
    }
    for (level, _) in page.names("/etc/runlevels") {
        for (name, path) in page.names(&format!("/etc/runlevels/{level}")) {
            add(&name, path, true);
        }
    }
    for (name, path) in page.names("/etc/sv") {
        add(&name, path, false);
    }
    for (name, path) in page.names("/etc/init") {
        if let Some(name) = name.strip_suffix(".conf") {
            add(name, path, true);
        }
    }
}

fn inittab(page: &mut Page<'_>, found: &mut BTreeMap<String, Job>) {
    let text = page.text("/etc/inittab", INITTAB).unwrap_or_default();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        let fields: Vec<&str> = line.splitn(4, ':').collect();
        let [id, _, action, process] = fields.as_slice() else {
            continue;
        };
        let name = format!("inittab {id} {action} {process}");
        let enabled = *action != "off";
        let paths = std::collections::BTreeSet::new();
        found.insert(name.trim_end().to_owned(), Job { paths, enabled });
    }
}
