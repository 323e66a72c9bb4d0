//! What is on disk and belongs to no package.

use std::collections::HashSet;
use std::io;

use rustix::fs::FileType;
use zones_ips::{ImagePath, ImagePathRef};
use zones_sys::RootFd;

use super::delivered::delivered;
use crate::apply::Folders;
use crate::plan::collect::parents;
use crate::plan::{Package, Policy};

/// What nobody delivers, sorted: the topmost folder of each tree, and files and links. Below
/// `skipped` nobody looks. Names that are no text are left out.
///
/// # Errors
///
/// A folder cannot be read.
pub fn unpackaged(
    root: &RootFd,
    packages: &[Package],
    policy: &Policy,
    skipped: &[ImagePath],
) -> io::Result<Vec<ImagePath>> {
    let mut known: HashSet<&str> = HashSet::new();
    for (_, action) in delivered(packages, policy) {
        let Some(path) = action.key().filter(|_| action.kind().row().has_path) else {
            continue;
        };
        known.insert(path);
        known.extend(parents(path));
    }
    let skipped: HashSet<&str> = skipped.iter().map(|path| path.as_str()).collect();
    let mut folders = Folders::new(root);
    let mut found = Vec::new();
    let mut open: Vec<Option<ImagePath>> = vec![None];
    while let Some(folder) = open.pop() {
        let path = folder.as_ref().map(ImagePath::as_ref);
        for item in folders.folder(path)?.items()? {
            let Some(below) = joined(path, item.name.to_str()) else {
                continue;
            };
            if skipped.contains(below.as_str()) {
                continue;
            }
            if !known.contains(below.as_str()) {
                found.push(below);
            } else if item.kind == FileType::Directory {
                open.push(Some(below));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn joined(folder: Option<ImagePathRef<'_>>, name: Option<&str>) -> Option<ImagePath> {
    match folder {
        Some(folder) => format!("{folder}/{}", name?).parse().ok(),
        None => name?.parse().ok(),
    }
}
