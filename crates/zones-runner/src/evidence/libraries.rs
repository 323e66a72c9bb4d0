//! Where libraries are looked for. Source: ldconfig(8), ld.so(8).

use zones_matrix::leftovers::{Path, named};

use super::meaning::Page;

const LIMIT: u64 = 1 << 20;
/// Files that include files; deeper is a circle.
const DEEPEST: usize = 8;

pub(super) fn read(page: &mut Page<'_>) {
    let mut folders = Vec::new();
    include(page, "/etc/ld.so.conf", 0, &mut folders);
    // The other C library: one file for each machine, colons or lines between folders.
    for (name, _) in page.names("/etc") {
        if name.starts_with("ld-musl-") && name.ends_with(".path") {
            let text = page
                .text(&format!("/etc/{name}"), LIMIT)
                .unwrap_or_default();
            let parts = text.split([':', '\n']).map(str::trim);
            folders.extend(parts.filter(|part| part.starts_with('/')).map(named));
        }
    }
    let is_musl = page
        .names("/lib")
        .iter()
        .any(|(name, _)| name.starts_with("ld-musl-"));
    if is_musl && folders.is_empty() {
        folders.extend([b"/usr/local/lib".to_vec()]);
    }
    page.scene.inventory.library_dirs = folders;
}

fn include(page: &mut Page<'_>, path: &str, depth: usize, folders: &mut Vec<Path>) {
    if depth > DEEPEST {
        return;
    }
    let text = page.text(path, LIMIT).unwrap_or_default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(pattern) = line.strip_prefix("include ").map(str::trim) else {
            let folder = line.split('=').next().unwrap_or_default();
            let folder = folder.trim_end_matches('/');
            if folder.starts_with('/') && !line.starts_with("hwcap ") {
                folders.push(named(folder));
            }
            continue;
        };
        let absolute = match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => format!("/etc/{pattern}"),
        };
        let (folder, last) = absolute.rsplit_once('/').unwrap_or_default();
        let (start, end) = last.split_once('*').unwrap_or((last, ""));
        let fits = |name: &str| match last.contains('*') {
            true => {
                name.len() >= start.len() + end.len()
                    && name.starts_with(start)
                    && name.ends_with(end)
            }
            false => name == last,
        };
        for (name, _) in page.names(folder) {
            if fits(&name) {
                include(page, &format!("{folder}/{name}"), depth + 1, folders);
            }
        }
    }
}
