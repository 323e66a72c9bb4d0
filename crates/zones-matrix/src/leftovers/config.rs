//! Checks that look at more than what came and went: the administrator's changes, files without an
//! owner, and files of an earlier release.

use std::collections::BTreeSet;

use super::compare::{finding, is_meant};
use super::doubled::doubled;
use super::finding::{Class, Finding, Subject, Weight};
use super::inventory::{Entry, Inventory, Kind, Path};
use super::name::shown;

/// What package managers put beside a configuration file that both sides changed.
const BESIDE: [&str; 6] = [
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".ucf-dist",
    ".rpmnew",
    ".rpmsave",
];

/// What became of the administrator's changes: files that differ between `installed` and `edited`
/// must be in `upgraded` as they were edited. A file that is now as a fresh installation has it was
/// overwritten; one that is neither was merged, which is listed.
#[must_use]
pub fn config_kept(
    installed: &Inventory,
    edited: &Inventory,
    upgraded: &Inventory,
    fresh: Option<&Inventory>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, wanted) in &edited.files {
        let before = installed.files.get(path);
        if wanted.kind != Kind::File || before.is_some_and(|before| is_same(before, wanted)) {
            continue;
        }
        if !is_config(path, edited) {
            continue;
        }
        let class = Class::Clobbered;
        let mut one = match upgraded.files.get(path) {
            Some(now) if is_same(now, wanted) => continue,
            None => note(Class::Clobbered, path, "the administrator's file is gone"),
            Some(now) => {
                let vendor = [before, fresh.and_then(|fresh| fresh.files.get(path))];
                let is_vendor = vendor
                    .into_iter()
                    .flatten()
                    .any(|vendor| is_same(vendor, now));
                let twice = upgraded.texts.get(path);
                if let Some(why) = twice.and_then(|text| doubled(wanted, text)) {
                    note(Class::Doubled, path, &why)
                } else if is_vendor {
                    note(class, path, "the administrator's change is lost")
                } else {
                    let mut merged = note(Class::Content, path, "merged");
                    merged.weight = Weight::Note;
                    merged
                }
            }
        };
        one.owner = upgraded.owner(path).or_else(|| edited.owner(path)).cloned();
        let beside = BESIDE.iter().find(|end| {
            let name = [path.as_slice(), end.as_bytes()].concat();
            upgraded.files.contains_key(&name) && !edited.files.contains_key(&name)
        });
        if let Some(end) = beside {
            one.detail += &format!("; the other one is beside it as *{end}");
        }
        found.push(one);
    }
    found.sort();
    found
}

/// Folders that programs write to by themselves.
const STATE: [&[u8]; 5] = [b"/var/", b"/run/", b"/tmp/", b"/dev/", b"/proc/"];

fn is_config(path: &[u8], inventory: &Inventory) -> bool {
    inventory.config.contains(path)
        || !(STATE.iter().any(|folder| path.starts_with(folder)) || is_meant(path))
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    one.kind == other.kind && one.size == other.size && one.hash == other.hash
}

fn note(class: Class, path: &Path, detail: &str) -> Finding {
    finding(Subject::Config, class, shown(path), detail.to_owned())
}

/// Files that came and belong to no package. What the package manager keeps about a package, and
/// links that enable the service of one, are the package's.
#[must_use]
pub fn unowned(before: &Inventory, after: &Inventory) -> Vec<Finding> {
    let jobs = after.services.values().chain(after.cron.values());
    let owned = jobs.filter(|job| job.paths.iter().any(|path| after.owner(path).is_some()));
    let enabling: BTreeSet<&Path> = owned.flat_map(|job| &job.paths).collect();
    let came = after.files.iter().filter(|(path, entry)| {
        !before.files.contains_key(*path)
            && entry.kind != Kind::Folder
            && after.owner(path).is_none()
            && !enabling.contains(path)
            && !is_record(path, after)
    });
    let found = came.map(|(path, _)| {
        finding(
            Subject::File,
            Class::Added,
            shown(path),
            "no package owns it".to_owned(),
        )
    });
    found.collect()
}

/// Whether the package manager keeps it about a package that is there: `PACKAGE.list`,
/// `PACKAGE:ARCH.postinst`. Source: dpkg(1), "Files".
fn is_record(path: &[u8], after: &Inventory) -> bool {
    let Some(name) = path.strip_prefix(b"/var/lib/dpkg/info/") else {
        return false;
    };
    let name = String::from_utf8_lossy(name);
    let package = name.rsplit_once('.').map_or("", |(package, _)| package);
    let plain = package.split(':').next().unwrap_or_default();
    [package, plain]
        .iter()
        .any(|it| after.packages.contains_key(*it))
}

/// Files that an earlier release brought and that nobody owns after the upgrade.
#[must_use]
pub fn orphans(earlier: &Inventory, upgraded: &Inventory) -> Vec<Finding> {
    let owned = earlier.owners.iter().filter(|(path, package)| {
        let gone = upgraded.packages.get(*package) != earlier.packages.get(*package);
        gone && upgraded.owner(path).is_none()
    });
    let left = owned.filter_map(|(path, package)| {
        let entry = upgraded.files.get(path)?;
        let detail = format!("nobody owns it since {package} changed");
        let mut one = finding(Subject::File, Class::Added, shown(path), detail);
        one.owner = Some(package.clone());
        (entry.kind != Kind::Folder).then_some(one)
    });
    left.collect()
}
