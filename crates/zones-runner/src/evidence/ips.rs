//! What is installed in a package image. Source: pkg(7).

use std::collections::BTreeMap;

use zones_ips::catalog::{Part, Signed};
use zones_ips::manifest::Unknown;
use zones_ips::{ActionKind, Fmri, Manifest};
use zones_matrix::leftovers::{Package, Path};

use super::dpkg::real;
use super::meaning::Page;

/// No catalog or manifest is longer, in bytes.
const LIMIT: u64 = 64 << 20;
const IMAGE: &str = "/var/pkg";

/// Adds packages, owners and editable files to what is there already.
pub(super) fn read(page: &mut Page<'_>) {
    let path = format!("{IMAGE}/state/installed/catalog.base.C");
    let Some(text) = page.text(&path, LIMIT) else {
        return;
    };
    let Ok((part, _)) = Part::parse(text.as_bytes(), Signed::Optional) else {
        let note = format!("{path} is no catalog; packages of the image are not known");
        return page.scene.notes.push(note);
    };
    let mut folders: BTreeMap<Path, Path> = BTreeMap::new();
    for fmri in part.iter().map(|(fmri, _)| fmri) {
        package(page, &fmri, &mut folders);
    }
}

fn package(page: &mut Page<'_>, fmri: &Fmri, folders: &mut BTreeMap<Path, Path>) {
    let (Some((stem, version)), Some(publisher)) = (fmri.quoted(), fmri.publisher()) else {
        return;
    };
    let name = fmri.stem().as_str().to_owned();
    let package = Package {
        version: fmri.version().map(ToString::to_string).unwrap_or_default(),
        state: "installed".to_owned(),
    };
    page.scene.inventory.packages.insert(name.clone(), package);
    let path = format!("{IMAGE}/publisher/{publisher}/pkg/{stem}/{version}");
    let text = page.text(&path, LIMIT).unwrap_or_default();
    let Ok(manifest) = Manifest::parse(&text, Unknown::Kept) else {
        let note = format!("{path} is no manifest; what {name} owns is not known");
        return page.scene.notes.push(note);
    };
    for action in manifest.actions() {
        use ActionKind::{Dir, File, Hardlink, Link};
        if !matches!(action.kind(), Dir | File | Hardlink | Link) {
            continue;
        }
        let Some(path) = action.get("path") else {
            continue;
        };
        let path = format!("/{}", path.trim_start_matches('/'));
        let path = real(page, path.as_bytes(), folders);
        let inventory = &mut page.scene.inventory;
        if action.get("preserve").is_some() {
            inventory.config.insert(path.clone());
        }
        inventory.owners.entry(path).or_insert_with(|| name.clone());
    }
}
