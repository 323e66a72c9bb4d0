//! What layered roots take on the disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::has_upper;
use super::stack::{Stack, mark_of};
use super::store::Store;
use crate::driver::roots;
use crate::project;
use crate::usage::{self, Usage, bytes};
use crate::view::{UPPER, WORK};

/// One root: its upper folder and the layers that no other root names are its own.
pub(super) fn root(root: &Path) -> Result<Usage, Errno> {
    let Some(stack) = Stack::read(root)? else {
        return usage::walked(root);
    };
    let mut all = Usage {
        limit: project::limit_of(root),
        is_exact: usage::is_exact(root)?,
        ..Usage::default()
    };
    if has_upper(root) {
        all.own = bytes(&root.join(UPPER))?;
    }
    all.refers = all.own;
    let store = Store::of(&stack, root)?;
    for layer in &stack.layers {
        let bytes = bytes(&store.files(layer))?;
        all.refers += bytes;
        if store.references(layer) < 2 {
            all.own += bytes;
        }
    }
    Ok(all)
}

/// As [`root`], without the layers that others name, too.
pub(super) fn own(root: &Path) -> Result<u64, Errno> {
    let Some(stack) = Stack::read(root)? else {
        return bytes(root);
    };
    let mut all = match has_upper(root) {
        true => bytes(&root.join(UPPER))?,
        false => 0,
    };
    let store = Store::of(&stack, root)?;
    for layer in stack.layers.iter().filter(|it| store.references(it) < 2) {
        all += bytes(&store.files(layer))?;
    }
    Ok(all)
}

/// All roots of a zone: layers that only they name are the zone's own, too.
pub(super) fn zone(zonepath: &Path) -> Result<Usage, Errno> {
    let active = zonepath.join("root");
    let mut all = root(&active)?;
    all.own = 0;
    let mut stacks: BTreeSet<String> = BTreeSet::new();
    let mut layers: BTreeSet<(PathBuf, String)> = BTreeSet::new();
    for root in roots(zonepath) {
        let Some(stack) = Stack::read(&root)? else {
            all.own += bytes(&root)?;
            continue;
        };
        let store = Store::of(&stack, &root)?.path;
        if has_upper(&root) {
            all.own += bytes(&root.join(UPPER))?;
        }
        layers.extend(stack.layers.into_iter().map(|it| (store.clone(), it)));
        stacks.insert(stack.id);
    }
    for (path, layer) in layers {
        let store = Store { path };
        if store.named_by(&layer).iter().all(|it| stacks.contains(it)) {
            all.own += bytes(&store.files(&layer))?;
        }
    }
    Ok(all)
}

/// Gives a root to the project of its zone, with the layers that only this zone names.
pub(super) fn assign(root: &Path, zonepath: &Path, project: u32) -> Result<(), Errno> {
    let Some(stack) = Stack::read(root)? else {
        return project::assign(root, project);
    };
    for name in [UPPER, WORK] {
        if root.join(name).exists() {
            project::assign(&root.join(name), project)?;
        }
    }
    let others = roots(zonepath).into_iter();
    let stacks: BTreeSet<String> = others.filter_map(|it| mark_of(&it)).collect();
    let store = Store::of(&stack, root)?;
    for layer in &stack.layers {
        if store.named_by(layer).iter().all(|it| stacks.contains(it)) {
            project::assign(&store.files(layer), project)?;
        }
    }
    Ok(())
}
